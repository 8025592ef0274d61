package ui

import "strings"

// box is a set of border pieces.
type box struct{ tl, tr, bl, br, h, v string }

var (
	roundBox = box{"╭", "╮", "╰", "╯", "─", "│"}
	heavyBox = box{"┏", "┓", "┗", "┛", "━", "┃"}
	plainBox = box{"+", "+", "+", "+", "-", "|"}
	focusBox = box{"#", "#", "#", "#", "=", "#"}
)

func (t *Theme) box(focused bool) box {
	switch {
	case t.look.ASCII && focused:
		return focusBox
	case t.look.ASCII:
		return plainBox
	case focused:
		return heavyBox
	default:
		return roundBox
	}
}

// frame draws a border around lines, which must be two cells narrower and two
// lines fewer than the result of w by h cells. title stands left and note right
// in the upper edge; the note goes first where there is no room for both.
func (t *Theme) frame(w, h int, role Role, focused bool, title, note string, lines []string) []string {
	if w < 2 || h < 2 {
		return blankLines(w, h)
	}
	b := t.box(focused)
	out := make([]string, 0, h)
	out = append(out, t.edge(b, w, role, title, note))
	bar := t.Paint(role, b.v)
	for i := range h - 2 {
		inner := ""
		if i < len(lines) {
			inner = lines[i]
		} else {
			inner = Blank(w - 2)
		}
		out = append(out, bar+inner+bar)
	}
	return append(out, t.Paint(role, b.bl+strings.Repeat(b.h, w-2)+b.br))
}

// edge is the upper edge with its title and note, both of which may be painted.
// The note is cut, and then left out, before the title is.
func (t *Theme) edge(b box, w int, role Role, title, note string) string {
	room := w - 4 // both corners and a dash beside each
	if room < 1 {
		return t.Paint(role, b.tl+strings.Repeat(b.h, w-2)+b.tr)
	}
	if title != "" {
		title = cut(title, room-1) + " "
	}
	room -= Width(title)
	if note != "" {
		note = " " + note
	}
	if Width(note) > room-1 {
		note = cut(note, room-1)
	}
	if Width(note) < 4 {
		note = ""
	}
	return t.Paint(role, b.tl+b.h) + title + t.Paint(role, strings.Repeat(b.h, room-Width(note))) +
		note + t.Paint(role, b.h+b.tr)
}

// cut shortens s to at most width cells, without padding it.
func cut(s string, width int) string {
	w := Width(s)
	if w <= width {
		return Fit(s, w)
	}
	return strings.TrimRight(Fit(s, width), " ")
}

func blankLines(w, h int) []string {
	out := make([]string, max(h, 0))
	for i := range out {
		out[i] = Blank(w)
	}
	return out
}
