package ui

import (
	"slices"
	"strings"

	"github.com/talos-cockpit/talos-cockpit/keymap"
)

// openHelp shows all keys, and what cannot be done now with its reason.
func (s *Shell) openHelp() {
	p := s.focused()
	title := "Keys"
	if p != nil {
		title += " " + s.theme.Glyph("·", "-") + " " + p.pane.Name()
	}
	s.open(&reader{title: title, wide: s.layout.W, make: s.helpLines})
}

// openMessages shows the messages so far.
func (s *Shell) openMessages() {
	s.open(&reader{title: "Messages", wide: s.layout.W, make: func(width int) []string {
		return append(s.bannerInFull(width), s.toasts.historyLines(s.theme, width)...)
	}})
}

// bannerInFull is the banner with nothing cut, and a blank line.
func (s *Shell) bannerInFull(width int) []string {
	var out []string
	for _, seg := range s.bar.Banner {
		head := s.theme.Shape(seg.Role) + " "
		for _, part := range Fold(seg.Text, max(width-2, 1)) {
			out = append(out, s.theme.Paint(seg.Role, Fit(head+part, width)))
			head = Blank(2)
		}
	}
	if len(out) > 0 {
		out = append(out, Blank(width))
	}
	return out
}

// helpLines draws the sections one below the other, in as many columns as fit.
func (s *Shell) helpLines(width int) []string {
	columns := max(min(width/56, 3), 1)
	each := (width - (columns-1)*2) / columns
	var lines []string
	if not := s.notNow(width); len(not) > 0 {
		lines = append(append(lines, not...), "")
	}
	var sections [][]string
	for _, scope := range s.helpScopes() {
		sections = append(sections, s.helpSection(scope, each))
	}
	return append(lines, inColumns(sections, columns, each)...)
}

// helpScopes are the focused pane's scope, the common ones, and then the others.
func (s *Shell) helpScopes() []keymap.Scope {
	first := []keymap.Scope{keymap.Global, keymap.Move}
	if p := s.focused(); p != nil {
		first = []keymap.Scope{p.pane.Scope(), keymap.Global, keymap.Move}
	}
	for _, scope := range keymap.Scopes() {
		if !slices.Contains(first, scope) && len(s.keys.Bindings(scope)) > 0 {
			first = append(first, scope)
		}
	}
	return first
}

func (s *Shell) helpSection(scope keymap.Scope, width int) []string {
	out := []string{s.theme.Paint(RoleHeader, Fit(scope.Title(), width))}
	for _, b := range s.keys.Bindings(scope) {
		for i, part := range Fold(b.Help, max(width-18, 10)) {
			key := ""
			if i == 0 {
				key = b.Long()
			}
			out = append(out, Fit(s.theme.Paint(RoleFocus, Fit(key, 17))+" "+part, width))
		}
	}
	return out
}

// notNow lists the focused pane's disabled offers with their reasons.
func (s *Shell) notNow(width int) []string {
	p := s.focused()
	if p == nil {
		return nil
	}
	var out []string
	for _, o := range p.pane.Offers() {
		if o.Enabled {
			continue
		}
		b, label := s.offer(o)
		for i, part := range Fold("not now: "+o.WhyNot, max(width-34, 10)) {
			head := ""
			if i == 0 {
				head = Fit(b.Short(), 17) + " " + label
			}
			out = append(out, s.theme.Paint(RoleSuspended, Fit(Fit(head, 33)+" "+part, width)))
		}
	}
	if len(out) == 0 {
		return nil
	}
	return append([]string{s.theme.Paint(RoleHeader, Fit("Not now", width))}, out...)
}

// offer is the binding of the offer and its label.
func (s *Shell) offer(o Offer) (keymap.Binding, string) {
	b, _ := s.keys.Lookup(o.Action)
	if o.Label != "" {
		return b, clean(o.Label)
	}
	return b, b.Label
}

// inColumns puts whole sections into columns of about the same height, in their order.
func inColumns(sections [][]string, columns, width int) []string {
	total := 0
	for _, sec := range sections {
		total += len(sec) + 1
	}
	cols := make([][]string, columns)
	c := 0
	for _, sec := range sections {
		if c < columns-1 && len(cols[c]) > 0 && len(cols[c])+len(sec)/2 > total/columns {
			c++
		}
		cols[c] = append(append(cols[c], sec...), Blank(width))
	}
	high := 0
	for _, col := range cols {
		high = max(high, len(col)-1)
	}
	out := make([]string, high)
	for y := range out {
		var b strings.Builder
		for i, col := range cols {
			if i > 0 {
				b.WriteString("  ")
			}
			if y < len(col) {
				b.WriteString(col[y])
			} else {
				b.WriteString(Blank(width))
			}
		}
		out[y] = b.String()
	}
	return out
}
