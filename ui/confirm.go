package ui

import (
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/talos-cockpit/talos-cockpit/keymap"
)

// graceTime is how long a question swallows keys after it opened: they were
// typed before the operator could have read it.
const graceTime = 400 * time.Millisecond

// confirm asks for consent: with the key y, or with a word typed in full.
type confirm struct {
	ask    ConfirmMsg
	opened time.Time
	input  Input
	note   string
	top    int
}

func newConfirm(m ConfirmMsg, now time.Time) *confirm {
	m.Title = clean(m.Title)
	body := make([]string, len(m.Body))
	for i, l := range m.Body {
		body[i] = clean(l)
	}
	m.Body = body
	return &confirm{ask: m, opened: now}
}

func (c *confirm) key(s *Shell, msg tea.KeyPressMsg) (tea.Cmd, bool) {
	a, _ := s.keys.Resolve(msg.String(), keymap.Dialog)
	typing := c.ask.Word != "" && msg.Text != ""
	switch {
	case a == keymap.Cancel && !typing:
		return nil, true
	case s.now().Sub(c.opened) < graceTime:
		return nil, false
	case c.ask.Word == "" && a == keymap.Yes:
		return c.ask.Run, true
	case c.ask.Word != "" && a == keymap.Accept:
		if c.input.String() == c.ask.Word {
			return c.ask.Run, true
		}
		c.note = "not the same yet"
	case c.ask.Word != "" && c.input.Key(msg):
		c.note = ""
	default:
		c.scroll(s, msg)
	}
	return nil, false
}

func (c *confirm) scroll(s *Shell, msg tea.KeyPressMsg) {
	switch a, _ := s.keys.Resolve(msg.String(), keymap.Move); a {
	case keymap.Down:
		c.top++
	case keymap.Up:
		c.top--
	case keymap.PageDown, keymap.HalfDown:
		c.top += 5
	case keymap.PageUp, keymap.HalfUp:
		c.top -= 5
	default: // every other key does nothing here
	}
}

func (c *confirm) paste(string) {
	if c.ask.Word != "" {
		c.note = "pasting is refused here: type it"
	}
}

func (c *confirm) wheel(lines int) { c.top += lines }
func (c *confirm) asks() bool      { return true }

func (c *confirm) hint() string {
	if c.ask.Word == "" {
		return " y yes   esc cancel"
	}
	return " type " + c.ask.Word + ", then enter   esc cancel"
}

func (c *confirm) draw(t *Theme, w, h int) ([]string, *tea.Cursor) {
	width, inner, fit := boxSize(w, h, 64)
	tail := c.tail(t, inner)
	room := max(fit-len(tail), 0)
	lines := append(c.body(t, inner, room), tail...)
	if len(lines) > fit {
		lines = lines[len(lines)-fit:] // the question itself stays in sight
	}
	role := RoleFocus
	title := c.ask.Title
	if c.ask.Word != "" {
		role, title = RoleBad, t.Shape(RoleDanger)+" "+title
	}
	out, left := boxed(t, w, width, role, t.Paint(role, title), "", lines)
	out = out[:min(len(out), h)]
	if c.ask.Word == "" {
		return out, nil
	}
	_, at := c.input.Line(max(inner-2, 1))
	row := len(lines) - 2
	if left > 0 {
		row++ // the border
	}
	return out, tea.NewCursor(left+2+at, max(row, 0))
}

// body is the part that can be scrolled where it does not fit.
func (c *confirm) body(t *Theme, width, room int) []string {
	var all []string
	for _, l := range c.ask.Body {
		all = append(all, Fold(l, width)...)
	}
	if len(all) <= room {
		return all
	}
	if room < 2 {
		return all[:0]
	}
	room-- // says that there is more
	c.top = max(min(c.top, len(all)-room), 0)
	part := append([]string(nil), all[c.top:c.top+room]...)
	return append(part, t.Paint(RoleWarn, cut(plural(len(all)-room, "more lines: pgdown, pgup"), width)))
}

// tail is what must always be in sight: what to type, or the key.
func (c *confirm) tail(t *Theme, width int) []string {
	if c.ask.Word == "" {
		return []string{"", t.Paint(RoleFocus, "y") + " yes     " + t.Paint(RoleFocus, "esc") + " cancel"}
	}
	note := c.note
	if note == "" {
		note = "enter is ignored until it is the same; esc cancels"
	}
	line, _ := c.input.Line(max(width-2, 1))
	role := RoleMuted
	if c.input.String() == c.ask.Word {
		note, role = "enter does it; esc cancels", RoleBad
	}
	return []string{
		"", "Type " + t.Paint(RoleStrong, c.ask.Word) + " to continue",
		t.Paint(RoleFocus, ">") + " " + line, t.Paint(role, cut(note, width)),
	}
}
