package ui

import (
	tea "charm.land/bubbletea/v2"

	"github.com/talos-cockpit/talos-cockpit/keymap"
)

// openPalette offers everything that can be done, wherever it belongs.
func (s *Shell) openPalette() {
	var all []Choice
	if p := s.focused(); p != nil {
		all = append(all, s.offerChoices(p)...)
	}
	for i, p := range s.panes {
		all = append(all, Choice{
			Label: "go to " + p.pane.Name(), Note: digit(i),
			do: func(s *Shell) tea.Cmd { s.setFocus(i); return nil },
		})
	}
	for _, p := range s.panes {
		if p != s.focused() {
			all = append(all, s.offerChoices(p)...)
		}
	}
	all = append(all, s.globalChoices()...)
	all = append(all, s.contextChoices("context ")...)
	s.open(newPicker("Go to", all))
}

// offerChoices are the pane's offers; choosing one focuses the pane.
func (s *Shell) offerChoices(p *paneCache) []Choice {
	var out []Choice
	for _, o := range p.pane.Offers() {
		b, label := s.offer(o)
		c := Choice{Label: p.pane.Name() + ": " + label, Note: b.Short()}
		if !o.Enabled {
			c.WhyNot = o.WhyNot
			if c.WhyNot == "" {
				c.WhyNot = "the pane gives no reason"
			}
		}
		c.do = func(s *Shell) tea.Cmd {
			s.focusScope(p.pane.Scope(), false)
			return s.do(p, o.Action)
		}
		out = append(out, c)
	}
	return out
}

// globalChoices are the shell's own actions that make sense from a list.
func (s *Shell) globalChoices() []Choice {
	var out []Choice
	for _, b := range s.keys.Bindings(keymap.Global) {
		switch b.Action {
		case keymap.Palette, keymap.GoPane, keymap.Back, keymap.Copy, keymap.CopyCommand:
		default:
			out = append(out, Choice{
				Label: b.Label, Note: b.Short(),
				do: func(s *Shell) tea.Cmd { return s.act(b.Action, b.Short()) },
			})
		}
	}
	return out
}

func (s *Shell) contextChoices(prefix string) []Choice {
	if s.opts.Contexts == nil || s.opts.SwitchContext == nil {
		return nil
	}
	names, current := s.opts.Contexts()
	var out []Choice
	for _, name := range names {
		c := Choice{Label: prefix + clean(name)}
		if name == current {
			c.Note, c.WhyNot = "in use", "it is in use already"
		}
		c.do = func(s *Shell) tea.Cmd {
			s.opts.SwitchContext(name)
			s.toast(Toast{Text: "connecting to context " + name})
			s.markAll()
			return nil
		}
		out = append(out, c)
	}
	return out
}

func (s *Shell) openContexts() {
	all := s.contextChoices("")
	if len(all) == 0 {
		s.toast(Toast{Text: "the talosconfig has no context to switch to"})
		return
	}
	s.open(newPicker("Context", all))
}
