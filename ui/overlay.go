package ui

import (
	"fmt"

	tea "charm.land/bubbletea/v2"

	"github.com/talos-cockpit/talos-cockpit/keymap"
)

// overlay is what lies over the panes and takes every key while it is open.
type overlay interface {
	// key handles a key; done closes the overlay.
	key(s *Shell, msg tea.KeyPressMsg) (cmd tea.Cmd, done bool)
	paste(text string)
	wheel(lines int)
	// draw returns at most h lines of exactly w cells and the cursor in them.
	draw(t *Theme, w, h int) (lines []string, cursor *tea.Cursor)
	// hint is the footer while it is open.
	hint() string
	// asks reports whether it waits for a decision.
	asks() bool
}

// rows are whole lines of the screen that replace what is below them.
type rows struct {
	top   int
	lines []string
}

func (r rows) at(y int) (string, bool) {
	if i := y - r.top; i >= 0 && i < len(r.lines) {
		return r.lines[i], true
	}
	return "", false
}

func (s *Shell) open(o overlay) {
	s.overlay = o
	s.stale = true
}

// overlayRows draws the overlay in the middle of what is left between header and footer.
func (s *Shell) overlayRows() (rows, *tea.Cursor) {
	if s.overlay == nil {
		return rows{}, nil
	}
	top := s.layout.Header.H + s.layout.Banner.H
	bottom := s.layout.H - s.layout.Footer.H
	if bottom-top < 3 {
		top, bottom = 0, s.layout.H
	}
	lines, cursor := s.overlay.draw(s.theme, s.layout.W, bottom-top)
	r := rows{top + max((bottom-top-len(lines))/2, 0), lines}
	if cursor != nil {
		cursor.Y += r.top
		if cursor.X >= s.layout.W || cursor.Y >= s.layout.H {
			cursor = nil
		}
	}
	return r, cursor
}

// boxed draws lines in a box of the given width in the middle of the screen's
// width; the lines must be width-4 wide. Where there is no room for a border
// the lines come bare.
func boxed(t *Theme, screen, width int, role Role, title, note string, lines []string) (out []string, left int) {
	if width < 12 || screen < 12 {
		out = make([]string, 0, len(lines))
		for _, l := range lines {
			out = append(out, Fit(l, screen))
		}
		return out, 0
	}
	inner := make([]string, 0, len(lines))
	for _, l := range lines {
		inner = append(inner, " "+Fit(l, width-4)+" ")
	}
	pad := (screen - width) / 2
	for _, l := range t.frame(width, len(lines)+2, role, true, title, note, inner) {
		out = append(out, Blank(pad)+l+Blank(screen-width-pad))
	}
	return out, pad + 2
}

// boxSize is the width of a box and of the lines in it, and how many lines fit.
func boxSize(screen, height, want int) (width, inner, lines int) {
	if screen < 12 {
		return screen, screen, height
	}
	width = min(screen, want)
	return width, width - 4, max(height-2, 1)
}

// reader shows lines to scroll through, such as the help.
type reader struct {
	title  string
	make   func(width int) []string
	wide   int // the width it would like
	top    int
	height int // lines shown the last time
	total  int
}

func (r *reader) key(s *Shell, msg tea.KeyPressMsg) (tea.Cmd, bool) {
	a, _ := s.keys.Resolve(msg.String(), keymap.Move, keymap.Global)
	switch a {
	case keymap.Down:
		r.top++
	case keymap.Up:
		r.top--
	case keymap.HalfDown:
		r.top += r.height / 2
	case keymap.HalfUp:
		r.top -= r.height / 2
	case keymap.PageDown:
		r.top += r.height
	case keymap.PageUp:
		r.top -= r.height
	case keymap.Top:
		r.top = 0
	case keymap.Bottom:
		r.top = r.total
	case keymap.Back, keymap.Help, keymap.Messages, keymap.Quit:
		return nil, true
	default: // every other key does nothing here
	}
	return nil, false
}

func (r *reader) paste(string)    {}
func (r *reader) wheel(lines int) { r.top += lines }
func (r *reader) asks() bool      { return false }
func (r *reader) hint() string    { return " j k scroll   esc close" }

func (r *reader) draw(t *Theme, w, h int) ([]string, *tea.Cursor) {
	width, inner, fit := boxSize(w, h, max(r.wide, 40))
	all := r.make(inner)
	r.total, r.height = len(all), min(fit, len(all))
	r.top = max(min(r.top, len(all)-r.height), 0)
	note := "esc close"
	if len(all) > r.height {
		note = fmt.Sprintf("%d-%d of %d", r.top+1, r.top+r.height, len(all))
	}
	lines, _ := boxed(t, w, width, RoleFocus, t.Paint(RoleFocus, r.title), note, all[r.top:r.top+r.height])
	return lines[:min(len(lines), h)], nil
}

// programStatus tells terminals that care that the operator is waited for.
func (s *Shell) programStatus() *tea.ProgramStatus {
	if s.overlay == nil || !s.overlay.asks() {
		return nil
	}
	return &tea.ProgramStatus{
		State: tea.ProgramStateBlocked, Kind: tea.ProgramStatusKindPermission,
		App: "talos-cockpit", Message: "waits for a confirmation",
	}
}
