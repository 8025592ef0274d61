package ui

import (
	"strings"

	tea "charm.land/bubbletea/v2"
)

const wheelLines = 3

// click focuses the pane under the pointer, and selects in it.
func (s *Shell) click(m tea.Mouse) tea.Cmd {
	if s.overlay != nil || m.Button != tea.MouseLeft {
		return nil
	}
	if s.layout.Tabs.Holds(m.X, m.Y) {
		s.clickTab(m.X)
		return nil
	}
	for i, p := range s.panes {
		if !p.rect.Holds(m.X, m.Y) {
			continue
		}
		s.setFocus(i)
		in := p.inner()
		t, ok := p.pane.(Pointer)
		if !ok || !in.Holds(m.X, m.Y) {
			return nil
		}
		s.markPane(p)
		return t.Click(m.X-in.X, m.Y-in.Y)
	}
	return nil
}

// clickTab focuses the pane whose name is at that column of the tabs.
func (s *Shell) clickTab(x int) {
	line := s.tabLine(s.layout.W)
	at := 0
	for i, p := range s.panes {
		label := digit(i) + " " + p.pane.Name()
		if !strings.Contains(line, label) {
			continue // left out for want of room
		}
		w := Width(label)
		if i == s.focus {
			w++ // its mark
		}
		if x >= at && x < at+w {
			s.setFocus(i)
			return
		}
		at += w + 1
	}
}

func (s *Shell) wheel(m tea.Mouse) tea.Cmd {
	lines := 0
	switch m.Button {
	case tea.MouseWheelUp:
		lines = -wheelLines
	case tea.MouseWheelDown:
		lines = wheelLines
	default:
		return nil
	}
	if s.overlay != nil {
		s.overlay.wheel(lines)
		s.stale = true
		return nil
	}
	for _, p := range s.panes {
		if t, ok := p.pane.(Pointer); ok && p.rect.Holds(m.X, m.Y) {
			s.markPane(p)
			return t.Wheel(lines)
		}
	}
	return nil
}
