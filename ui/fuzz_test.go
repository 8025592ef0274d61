package ui

import (
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/talos-cockpit/talos-cockpit/feed"
)

// FuzzShell plays a script of bytes: keys, sizes, clicks, messages and hostile
// text. Whatever happens, each frame has the size of the screen and holds
// nothing but text and colours.
func FuzzShell(f *testing.F) {
	f.Add([]byte("jjz?q:flux\r\x1b"), "日本 e\u0301 \x1b[2J\u202e")
	f.Add([]byte{0, 1, 1, 0, 80, 24, 0, 255, 255, 'C', 'x', 1, 5, 5, 2, 3}, "🇩🇪 👍🏽 \x9b31m")
	f.Add([]byte{3, 'y', 4, 't', 3, 4, 5, 0, 3, 3, '!', ':'}, strings.Repeat("wide 日", 200))
	f.Fuzz(func(t *testing.T, script []byte, text string) {
		clean := feed.Clean(text)
		s := newFakes(Look{ASCII: len(script)%2 == 1}).size(80, 24)
		s.nodes.text, s.logs.text, s.flux.text = clean, clean, clean
		s.bar.Banner = []Segment{{Role: RoleBad, Text: clean}}
		for i := 0; i < len(script) && i < 40; i++ {
			s.wait(100 * time.Millisecond)
			play(s, script[i:], text)
			s.markAll()
			if s.leaving {
				break
			}
			checkFrame(t, "fuzz", s.frame(), s.layout.W, s.layout.H)
			checkSafe(t, s.frame())
		}
	})
}

// play does what the first byte of the script says.
func play(s *fakes, script []byte, text string) {
	arg := func(i int) int {
		if i < len(script) {
			return int(script[i])
		}
		return 7
	}
	switch script[0] {
	case 0:
		s.size(1+arg(1)%300, 1+arg(2)%100)
	case 1:
		s.send(tea.MouseClickMsg{X: arg(1), Y: arg(2), Button: tea.MouseLeft})
	case 2:
		s.send(tea.MouseWheelMsg{X: arg(1), Y: arg(2), Button: tea.MouseWheelUp})
	case 3:
		s.send(ConfirmMsg{Title: text, Body: []string{text}, Word: feed.Clean(text)})
	case 4:
		s.send(ToastMsg{Text: text, Error: arg(1)%2 == 0})
	case 5:
		s.send(ChooseMsg{Title: text, Choices: []Choice{{Label: text, Note: text}, {Label: "x", WhyNot: text}}})
	case 6:
		s.send(tea.PasteMsg{Content: text})
	case 7:
		s.nodes.typing = !s.nodes.typing
	case '\r':
		s.press("enter")
	case 0x1b:
		s.press("esc")
	default:
		if script[0] >= 0x20 && script[0] < 0x7f {
			s.press(string(script[0]))
		}
	}
}
