package ui

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"github.com/talos-cockpit/talos-cockpit/keymap"
)

const pickerRows = 12

// picker lets the operator choose one entry by typing a few letters of it.
type picker struct {
	title string
	all   []Choice
	found []int // indices into all, best first
	at    int   // index into found
	top   int
	input Input
	note  string
}

func newPicker(title string, choices []Choice) *picker {
	p := &picker{title: clean(title), all: slices.Clone(choices)}
	for i, c := range p.all {
		p.all[i].Label, p.all[i].Note, p.all[i].WhyNot = clean(c.Label), clean(c.Note), clean(c.WhyNot)
	}
	p.search()
	return p
}

func (p *picker) key(s *Shell, msg tea.KeyPressMsg) (tea.Cmd, bool) {
	if msg.Text != "" {
		p.edited(p.input.Key(msg))
		return nil, false
	}
	switch a, _ := s.keys.Resolve(msg.String(), keymap.Picker); a {
	case keymap.PickCancel:
		return nil, true
	case keymap.PickAccept:
		return p.accept(s)
	case keymap.PickDown:
		p.move(1)
	case keymap.PickUp:
		p.move(-1)
	default:
		p.edited(p.input.Key(msg))
	}
	return nil, false
}

func (p *picker) accept(s *Shell) (tea.Cmd, bool) {
	if len(p.found) == 0 {
		return nil, false
	}
	c := p.all[p.found[p.at]]
	switch {
	case c.WhyNot != "":
		p.note = "not now: " + c.WhyNot
		return nil, false
	case c.do != nil:
		s.overlay = nil // what it does may open another one
		return c.do(s), false
	}
	return c.Run, true
}

func (p *picker) paste(text string) {
	p.input.Insert(text)
	p.edited(true)
}

func (p *picker) wheel(lines int) { p.move(lines) }
func (p *picker) asks() bool      { return false }
func (p *picker) hint() string    { return " enter choose   esc close" }

func (p *picker) move(n int) {
	p.note = ""
	if len(p.found) > 0 {
		p.at = min(max(p.at+n, 0), len(p.found)-1)
	}
}

func (p *picker) edited(changed bool) {
	if changed {
		p.note = ""
		p.search()
	}
}

// search finds the entries that hold the typed letters in order, best first.
func (p *picker) search() {
	p.found, p.at, p.top = p.found[:0], 0, 0
	scores := make([]int, len(p.all))
	for i, c := range p.all {
		score, ok := fuzzy(p.input.String(), c.Label)
		if !ok {
			continue
		}
		scores[i] = score
		p.found = append(p.found, i)
	}
	slices.SortStableFunc(p.found, func(a, b int) int { return scores[b] - scores[a] })
}

func (p *picker) draw(t *Theme, w, h int) ([]string, *tea.Cursor) {
	width, inner, fit := boxSize(w, h, 64)
	line, at := p.input.Line(max(inner-2, 1))
	lines := []string{t.Paint(RoleFocus, ">") + " " + line}
	list := max(min(fit-2, pickerRows, len(p.all)), 0)
	if p.at < p.top {
		p.top = p.at
	}
	if p.at >= p.top+list {
		p.top = max(p.at-list+1, 0)
	}
	for i := range list {
		if n := p.top + i; n < len(p.found) {
			lines = append(lines, p.row(t, p.all[p.found[n]], n == p.at, inner))
		} else {
			lines = append(lines, "")
		}
	}
	if fit >= 2 {
		lines = append(lines, t.Paint(RoleWarn, cut(p.footnote(), inner)))
	}
	count := fmt.Sprintf("%d of %d", len(p.found), len(p.all))
	out, left := boxed(t, w, width, RoleFocus, t.Paint(RoleFocus, p.title), count, lines)
	row := 0
	if left > 0 {
		row = 1
	}
	return out[:min(len(out), h)], tea.NewCursor(left+2+at, row)
}

func (p *picker) footnote() string {
	switch {
	case p.note != "":
		return p.note
	case len(p.found) == 0:
		return "nothing matches"
	default:
		return ""
	}
}

func (p *picker) row(t *Theme, c Choice, selected bool, width int) string {
	mark := "  "
	if selected {
		mark = t.Shape(RoleCursor) + " "
	}
	role := RoleText
	if c.WhyNot != "" {
		role = RoleSuspended
	}
	note := cut(c.Note, width/3)
	label := Fit(mark+c.Label, max(width-Width(note)-1, 0))
	line := Fit(t.Paint(role, label)+" "+t.Paint(RoleMuted, note), width)
	if selected {
		line = t.Over(RoleCursor, line)
	}
	return line
}

// fuzzy reports whether the letters of pattern occur in s in their order, and
// how well: letters at the start of words and next to each other count more.
func fuzzy(pattern, s string) (score int, ok bool) {
	rest := strings.ToLower(s)
	last := ' '
	run := 0
	for _, p := range strings.ToLower(pattern) {
		if unicode.IsSpace(p) {
			run = 0
			continue
		}
		i := strings.IndexRune(rest, p)
		if i < 0 {
			return 0, false
		}
		if i > 0 {
			last, _ = utf8.DecodeLastRuneInString(rest[:i])
			run = 0
		}
		if !unicode.IsLetter(last) && !unicode.IsDigit(last) {
			score += 8
		}
		score += 2 * run
		run++
		last = p
		rest = rest[i+utf8.RuneLen(p):]
	}
	if pattern == "" {
		return 0, true // everything, in its own order
	}
	return score*4 - utf8.RuneCountInString(s)/4, true
}
