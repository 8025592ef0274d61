package views

import (
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/talos-cockpit/talos-cockpit/keymap"
	"github.com/talos-cockpit/talos-cockpit/ui"
	"github.com/talos-cockpit/talos-cockpit/ui/uitest"
)

var looks = map[string]ui.Look{"dark": {}, "nocolor": {Depth: ui.DepthNone}}

var sizes = [][2]int{{80, 24}, {120, 40}, {200, 60}}

// shell puts the panes on a screen.
func (x *theatre) shell(w, h int) *ui.Shell {
	s := ui.New(ui.Options{
		Panes: x.panes, Theme: x.th, Pinned: ui.Pinned{Background: true, Depth: true},
		Bar: Bar(x.board, x.th), BarTopics: BarTopics, Now: func() time.Time { return x.now },
	})
	s.Update(tea.WindowSizeMsg{Width: w, Height: h})
	return s
}

// TestGoldenScreens holds every pane, alone and together, against its pictures.
func TestGoldenScreens(t *testing.T) {
	scenes := map[string]func(t *testing.T, x *theatre) keymap.Scope{
		"overview": func(*testing.T, *theatre) keymap.Scope { return "" },
		"nodes": func(t *testing.T, x *theatre) keymap.Scope {
			x.do(t, x.pane(keymap.Nodes), keymap.Down, keymap.NodesOpen)
			return keymap.Nodes
		},
		"logs": func(t *testing.T, x *theatre) keymap.Scope {
			p := x.pane(keymap.Logs)
			screenOf(p, 80, 20)
			x.do(t, p, keymap.LogsPause, keymap.HalfUp)
			return keymap.Logs
		},
		"flux": func(t *testing.T, x *theatre) keymap.Scope {
			x.do(t, x.pane(keymap.Flux), keymap.Down)
			return keymap.Flux
		},
		"exchange": func(t *testing.T, x *theatre) keymap.Scope {
			p := x.pane(keymap.Exchange)
			screenOf(p, 80, 20)
			for range 5 {
				x.do(t, p, keymap.Down)
			}
			return keymap.Exchange
		},
	}
	for name, arrange := range scenes {
		for lookName, look := range looks {
			for _, size := range sizes {
				w, h := size[0], size[1]
				file := fmt.Sprintf("%s_%dx%d_%s", name, w, h, lookName)
				t.Run(file, func(t *testing.T) {
					x := newTheatre(look).reference()
					s := x.shell(w, h)
					_ = s.View() // the overview is drawn first, as on a real screen
					if scope := arrange(t, x); scope != "" {
						s.Update(ui.FocusMsg{Scope: scope, Zoom: true})
					}
					frame := s.View().Content
					checkFrame(t, frame, w, h)
					uitest.Golden(t, file, frame, w, h)
				})
			}
		}
	}
}

// checkFrame sees to it that each line of the frame has its width and holds
// nothing but text and colours.
func checkFrame(t *testing.T, frame string, w, h int) {
	t.Helper()
	lines := strings.Split(frame, "\n")
	if len(lines) != h {
		t.Fatalf("%d lines, want %d", len(lines), h)
	}
	checkLines(t, lines, w)
}

func checkLines(t testing.TB, lines []string, w int) {
	t.Helper()
	for i, l := range lines {
		if got := ui.Width(l); got != w {
			t.Fatalf("line %d is %d cells wide, want %d: %q", i, got, w, l)
		}
		for _, r := range plainText(l) {
			if r < 0x20 || (r >= 0x7f && r <= 0x9f) {
				t.Fatalf("line %d holds the control %U: %q", i, r, l)
			}
		}
	}
}
