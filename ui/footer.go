package ui

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/talos-cockpit/talos-cockpit/keymap"
)

// footItem is one key with its label in the footer.
type footItem struct {
	key, label string
	enabled    bool
}

func (f footItem) width() int { return Width(f.key) + 1 + Width(f.label) }

func (f footItem) paint(t *Theme) string {
	if !f.enabled {
		return t.Paint(RoleSuspended, f.key+" "+f.label)
	}
	return t.Paint(RoleFocus, f.key) + " " + f.label
}

// footerLine is the bottom row: what works now, and the way to everything else.
func (s *Shell) footerLine() string {
	if s.overlay != nil {
		return Fit(s.overlay.hint(), s.layout.W)
	}
	if s.typist() != nil {
		return Fit(" "+s.paintItems([]footItem{{"enter", "done", true}, {"esc", "cancel", true}}, 2), s.layout.W)
	}
	if !s.footOK {
		s.footer = s.drawFooter(s.layout.W)
		s.footOK = true
	}
	return s.footer
}

// typist is the focused pane while keys go into its prompt; else nil.
func (s *Shell) typist() Typist {
	p := s.focused()
	if p == nil || s.overlay != nil {
		return nil
	}
	if t, ok := p.pane.(Typist); ok && t.Typing() {
		return t
	}
	return nil
}

func (s *Shell) drawFooter(width int) string {
	gap := 2
	if width >= 100 {
		gap = 3
	}
	right := s.globalItems(keymap.Help, keymap.Quit)
	if itemsWidth(right, gap)+2 > width/2 {
		right = right[:1]
	}
	room := width - itemsWidth(right, gap) - 3
	left := fitItems(s.offerItems(), s.globalItems(s.generalActions()...), gap, room)
	return spread(" "+s.paintItems(left, gap), s.paintItems(right, gap)+" ", width)
}

// generalActions are worth a place in the footer after the pane's own.
func (s *Shell) generalActions() []keymap.Action {
	alone := len(s.layout.Panes) > 1 && s.layout.Panes[0].Empty() && !s.layout.Bare
	if s.zoom || s.whole || alone {
		return []keymap.Action{keymap.Back, keymap.Palette}
	}
	return []keymap.Action{keymap.Palette, keymap.Zoom}
}

func (s *Shell) offerItems() []footItem {
	p := s.focused()
	if p == nil {
		return nil
	}
	var out []footItem
	for _, o := range p.pane.Offers() {
		b, label := s.offer(o)
		if b.Short() != "" {
			out = append(out, footItem{b.Short(), label, o.Enabled})
		}
	}
	return out
}

func (s *Shell) globalItems(actions ...keymap.Action) []footItem {
	var out []footItem
	for _, a := range actions {
		if b, ok := s.keys.Lookup(a); ok {
			out = append(out, footItem{b.Short(), b.Label, true})
		}
	}
	return out
}

// fitItems chooses what fits: first the first general item, then what can be
// done, then the other general items, then what cannot be done now. The order
// of the offers stays.
func fitItems(offers, general []footItem, gap, room int) []footItem {
	keep := make([]bool, len(offers))
	left := room
	take := func(f footItem) bool {
		if need := f.width() + gap; need <= left+gap {
			left -= need
			return true
		}
		return false
	}
	var tail []footItem
	if len(general) > 0 && take(general[0]) {
		tail, general = append(tail, general[0]), general[1:]
	}
	for i, f := range offers {
		keep[i] = f.enabled && take(f)
	}
	for _, f := range general {
		if take(f) {
			tail = append(tail, f)
		}
	}
	for i, f := range offers {
		if !f.enabled {
			keep[i] = take(f)
		}
	}
	var out []footItem
	for i, f := range offers {
		if keep[i] {
			out = append(out, f)
		}
	}
	return append(out, tail...)
}

func itemsWidth(items []footItem, gap int) int {
	w := gap * max(len(items)-1, 0)
	for _, f := range items {
		w += f.width()
	}
	return w
}

func (s *Shell) paintItems(items []footItem, gap int) string {
	parts := make([]string, len(items))
	for i, f := range items {
		parts[i] = f.paint(s.theme)
	}
	return strings.Join(parts, Blank(gap))
}

// messageLine is what stands in the message row: what is being typed, a
// message, or the notice; empty if there is none of them.
func (s *Shell) messageLine() (string, *tea.Cursor) {
	r := s.layout.Message
	if r.Empty() {
		return "", nil
	}
	if t := s.typist(); t != nil {
		line, at := t.Prompt(r.W)
		return Fit(line, r.W), tea.NewCursor(min(max(at, 0), r.W-1), r.Y)
	}
	if line := s.toasts.line(s.theme, r.W); line != "" {
		return line, nil
	}
	if s.notice != "" && r != s.layout.Footer {
		return " " + s.notice, nil
	}
	return "", nil
}
