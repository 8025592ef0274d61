package ui

import (
	"strings"
	"unicode"

	tea "charm.land/bubbletea/v2"

	"github.com/talos-cockpit/talos-cockpit/keymap"
)

// key takes a key press. On a slow line esc and the key after it arrive
// together, and look like one key with alt, which no binding uses.
func (s *Shell) key(msg tea.KeyPressMsg) tea.Cmd {
	if msg.Mod == tea.ModAlt && msg.Code == tea.KeyEscape {
		esc := tea.KeyPressMsg{Code: tea.KeyEscape}
		return tea.Batch(s.plainKey(esc), s.plainKey(esc))
	}
	if msg.Mod&^tea.ModShift == tea.ModAlt && unicode.IsPrint(msg.Code) {
		letter := msg.Code
		if msg.Mod.Contains(tea.ModShift) {
			letter = unicode.ToUpper(letter)
		}
		esc := s.plainKey(tea.KeyPressMsg{Code: tea.KeyEscape})
		return tea.Batch(esc, s.plainKey(tea.KeyPressMsg{Code: letter, Text: string(letter)}))
	}
	return s.plainKey(msg)
}

// plainKey hands a key to what is open, then to what is typed into, then to the map of keys.
func (s *Shell) plainKey(msg tea.KeyPressMsg) tea.Cmd {
	if s.overlay != nil {
		return s.overlayKey(msg)
	}
	p := s.focused()
	if p == nil {
		a, _ := s.keys.Resolve(msg.String(), keymap.Global)
		return s.act(a, msg.String())
	}
	if cmd, taken := s.typeInto(p, msg); taken {
		return cmd
	}
	a, ok := s.keys.Resolve(msg.String(), keymap.Stack(p.pane.Scope())...)
	if !ok {
		return nil
	}
	return s.act(a, msg.String())
}

func (s *Shell) overlayKey(msg tea.KeyPressMsg) tea.Cmd {
	open := s.overlay
	cmd, done := open.key(s, msg)
	if done && s.overlay == open {
		s.overlay = nil
	}
	s.stale, s.footOK = true, false
	return cmd
}

// typeInto gives the message to the pane if it takes text now.
func (s *Shell) typeInto(p *paneCache, msg tea.Msg) (tea.Cmd, bool) {
	t, ok := p.pane.(Typist)
	if !ok || !t.Typing() {
		return nil, false
	}
	cmd, taken := t.Type(msg)
	if taken {
		s.markPane(p)
	}
	return cmd, taken
}

func (s *Shell) paste(msg tea.PasteMsg) tea.Cmd {
	if s.overlay != nil {
		s.overlay.paste(msg.Content)
		s.stale = true
		return nil
	}
	if p := s.focused(); p != nil {
		cmd, _ := s.typeInto(p, msg)
		return cmd
	}
	return nil
}

// act carries out an action: the shell's own, or the focused pane's.
func (s *Shell) act(a keymap.Action, key string) tea.Cmd {
	switch a {
	case keymap.Quit:
		return s.leave()
	case keymap.Help:
		s.openHelp()
	case keymap.Palette:
		s.openPalette()
	case keymap.Messages:
		s.openMessages()
	case keymap.Contexts:
		s.openContexts()
	case keymap.NextPane:
		s.setFocus(s.focus + 1)
	case keymap.PrevPane:
		s.setFocus(s.focus - 1)
	case keymap.GoPane:
		s.goPane(key)
	case keymap.Zoom:
		return s.toggleZoom()
	case keymap.Refresh:
		s.refresh()
	case keymap.Mouse:
		s.toggleMouse()
	case keymap.NextTheme:
		s.toggleTheme()
	case keymap.Redraw:
		s.markAll()
		return tea.ClearScreen
	case keymap.Back:
		return s.back()
	default:
		return s.do(s.focused(), a)
	}
	return nil
}

// do gives the action to the pane, unless its offer says that it cannot be done now.
func (s *Shell) do(p *paneCache, a keymap.Action) tea.Cmd {
	if p == nil || a == "" {
		return nil
	}
	if b, ok := s.keys.Lookup(a); !ok || b.Scope != keymap.Move {
		for _, o := range p.pane.Offers() {
			if o.Action == a && !o.Enabled {
				_, label := s.offer(o)
				s.toast(Toast{Text: strings.TrimSuffix(label, "…") + ": not now: " + o.WhyNot})
				return nil
			}
		}
	}
	cmd, done := p.pane.Do(a)
	if done {
		s.markPane(p)
	}
	return cmd
}

// toggleZoom gives the focused pane the whole area, and back. What has it
// because it is open is closed.
func (s *Shell) toggleZoom() tea.Cmd {
	if s.whole && !s.zoom {
		return s.back()
	}
	s.zoom = !s.zoom
	s.relayout()
	return nil
}

// back goes one level back: messages, then the pane's own levels, the zoom, and
// a pane that has no place of its own.
func (s *Shell) back() tea.Cmd {
	if s.toasts.dismiss() {
		s.stale = true
		return nil
	}
	p := s.focused()
	if p == nil {
		return nil
	}
	if cmd, done := p.pane.Do(keymap.Back); done {
		s.markPane(p)
		return cmd
	}
	if s.zoom {
		s.zoom = false
		s.relayout()
		return nil
	}
	if s.focus != 0 && s.layout.Panes[0].Empty() {
		s.setFocus(0)
	}
	return nil
}

func (s *Shell) focused() *paneCache {
	if s.focus < len(s.panes) {
		return s.panes[s.focus]
	}
	return nil
}

// setFocus focuses the pane of that index, counted around.
func (s *Shell) setFocus(i int) {
	n := len(s.panes)
	if n == 0 {
		return
	}
	if i = (i%n + n) % n; i != s.focus {
		s.focus = i
		s.relayout()
	}
}

// goPane focuses the pane whose number the key is.
func (s *Shell) goPane(key string) {
	if i := int(key[0] - '1'); len(key) == 1 && i < len(s.panes) {
		s.setFocus(i)
		return
	}
	s.toast(Toast{Text: "there is no pane " + key})
}

func (s *Shell) focusScope(scope keymap.Scope, zoom bool) {
	for i, p := range s.panes {
		if p.pane.Scope() == scope {
			s.zoom = s.zoom || zoom
			s.focus = i
			s.markPane(p)
			s.relayout()
			return
		}
	}
}

func (s *Shell) refresh() {
	if s.opts.Refresh != nil {
		s.opts.Refresh()
		s.toast(Toast{Text: "reading everything again"})
	}
}

func (s *Shell) toggleMouse() {
	s.mouse = !s.mouse
	text := "mouse off: the terminal's own selection works"
	if s.mouse {
		text = "mouse on: click to select, wheel to scroll"
	}
	s.toast(Toast{Text: text})
}
