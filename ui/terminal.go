package ui

import (
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"
)

// terminalEnv is what the environment says of the terminal.
type terminalEnv struct{ tmux, screen bool }

// clipboardLimit is what common terminals take in one OSC 52 sequence, in bytes of text.
const clipboardLimit = 74_000

// learn takes in what the terminal answers or the environment says.
func (s *Shell) learn(msg tea.Msg) {
	look := s.theme.Look()
	switch msg := msg.(type) {
	case tea.BackgroundColorMsg:
		if s.opts.Pinned.Background || msg.Color == nil {
			return
		}
		look.Light = !msg.IsDark()
	case tea.ColorProfileMsg:
		if s.opts.Pinned.Depth {
			return
		}
		look.Depth = depthOf(msg.Profile)
	case tea.EnvMsg:
		s.env = terminalEnv{
			tmux:   msg.Getenv("TMUX") != "",
			screen: strings.HasPrefix(msg.Getenv("TERM"), "screen") && msg.Getenv("TMUX") == "",
		}
		return
	}
	s.setLook(look)
}

func (s *Shell) setLook(l Look) {
	if s.theme.Set(l) {
		s.markAll()
		s.paintBars()
	}
}

func (s *Shell) toggleTheme() {
	look := s.theme.Look()
	look.Light = !look.Light
	s.opts.Pinned.Background = true
	s.setLook(look)
	text := "colours for a dark background"
	if look.Light {
		text = "colours for a light background"
	}
	s.toast(Toast{Text: text})
}

func depthOf(p colorprofile.Profile) Depth {
	switch p {
	case colorprofile.TrueColor:
		return DepthTrue
	case colorprofile.ANSI256:
		return Depth256
	case colorprofile.ANSI:
		return Depth16
	default:
		return DepthNone
	}
}

// LookFor reads the environment: NO_COLOR with any value means no colours, and
// a locale that is not UTF-8 or a terminal without these shapes means ASCII.
// theme is dark, light or auto.
func LookFor(theme string, ascii bool, env []string) (Look, Pinned) {
	get := func(name string) string {
		for _, e := range env {
			if v, ok := strings.CutPrefix(e, name+"="); ok {
				return v
			}
		}
		return ""
	}
	look := Look{Light: theme == "light", ASCII: ascii || !unicodeTerminal(get)}
	pin := Pinned{Background: theme == "light" || theme == "dark"}
	if get("NO_COLOR") != "" {
		look.Depth, pin.Depth = DepthNone, true
	}
	return look, pin
}

// unicodeTerminal reports whether the terminal can show more than ASCII, as far as the environment tells.
func unicodeTerminal(get func(string) string) bool {
	switch get("TERM") {
	case "linux", "dumb", "vt100", "vt220":
		return false
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(get(name)); v != "" {
			charset := v[strings.IndexByte(v, '.')+1:]
			return charset == v || strings.HasPrefix(charset, "utf-8") || strings.HasPrefix(charset, "utf8")
		}
	}
	return true
}

// copyText sends text to the terminal's clipboard. There is no answer to that,
// so the message says what was sent and not that it arrived.
func (s *Shell) copyText(m CopyMsg) tea.Cmd {
	what := clean(m.What)
	if len(m.Text) > clipboardLimit {
		s.toast(Toast{Text: what + " is too long for the terminal's clipboard", Error: true})
		return nil
	}
	s.toast(Toast{Text: "sent to the clipboard: " + what})
	seq := ansi.SetSystemClipboard(m.Text)
	switch {
	case s.env.tmux: // tmux itself, and the terminal around it
		return tea.Raw(seq + ansi.TmuxPassthrough(seq))
	case s.env.screen:
		return tea.Raw(ansi.ScreenPassthrough(seq, 768))
	default:
		return tea.Raw(seq)
	}
}
