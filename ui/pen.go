package ui

import (
	"strings"

	"github.com/talos-cockpit/talos-cockpit/feed"
)

// Pen writes one line of an exact number of cells, piece by piece, each in the
// look of a role. What does not fit is cut with an ellipsis. Text from outside
// is made safe as feed.Clean does it, so nothing that a Pen writes can move the
// cursor. A Pen is reused from line to line without allocating.
type Pen struct {
	th   *Theme
	buf  []byte
	left int // cells of the line that are free
	end  int // free cells that the present cell must leave to others
	over bool
	role Role // replaces all roles while over
}

// NewPen returns a pen that paints with the theme.
func NewPen(th *Theme) *Pen { return &Pen{th: th} }

// Theme is what the pen paints with.
func (p *Pen) Theme() *Theme { return p.th }

// Start begins a line of width cells.
func (p *Pen) Start(width int) {
	p.buf, p.left, p.end, p.over = p.buf[:0], max(width, 0), 0, false
}

// Room is the number of cells free for the next piece.
func (p *Pen) Room() int { return p.left - p.end }

// Put writes text.
func (p *Pen) Put(r Role, text string) {
	room := p.Room()
	if room <= 0 || text == "" {
		return
	}
	text = feed.Clean(text)
	n, plain := asciiWidth(text)
	if !plain {
		n = Width(text)
	}
	if n > room || !plain {
		n = min(n, room)
		text = Fit(text, n)
	}
	if p.over {
		r = p.role
	}
	p.buf = p.th.Append(p.buf, r, text)
	p.left -= n
}

// PutRight writes text at the right end of the present cell.
func (p *Pen) PutRight(r Role, text string) {
	if w := Width(feed.Clean(text)); w < p.Room() {
		p.Skip(p.Room() - w)
	}
	p.Put(r, text)
}

// Skip leaves n cells blank.
func (p *Pen) Skip(n int) {
	n = min(n, p.Room())
	if n <= 0 {
		return
	}
	p.buf = append(p.buf, Blank(n)...)
	p.left -= n
}

// Cell makes the following pieces go into the next width cells, and Done ends it.
func (p *Pen) Cell(width int) { p.end = max(p.left-width, 0) }

// Done fills the present cell with blanks.
func (p *Pen) Done() {
	p.Skip(p.Room())
	p.end = 0
}

// Dim paints everything in role r until the line ends or Undim is called:
// for values that are too old.
func (p *Pen) Dim(r Role) { p.over, p.role = true, r }

// Undim ends Dim.
func (p *Pen) Undim() { p.over = false }

// Line fills the line with blanks and returns it.
func (p *Pen) Line() string {
	p.end = 0
	p.Skip(p.left)
	return string(p.buf)
}

// SkipCells returns s, which must not be painted, without its first n cells. A
// wide character that is cut in two leaves a blank.
func SkipCells(s string, n int) string {
	if n <= 0 {
		return s
	}
	if w, ok := asciiWidth(s); ok {
		return s[min(n, w):]
	}
	for s != "" && n > 0 {
		_, cells, size := nextCell(s)
		s = s[size:]
		if n -= cells; n < 0 {
			return Blank(-n) + s
		}
	}
	return s
}

// Wrap breaks s, which must not be painted, into rows of at most width cells,
// at most limit of them; the second result is how many cells were left out.
func Wrap(s string, width, limit int) (rows []string, more int) {
	for len(rows) < limit && width > 0 {
		n := prefix(s, width)
		rows = append(rows, s[:n])
		if s = s[n:]; s == "" {
			return rows, 0
		}
	}
	return rows, Width(s)
}

// prefix is the length in bytes of what fits into width cells: at least one
// character, even if it is wider.
func prefix(s string, width int) int {
	used := 0
	for i := 0; i < len(s); {
		_, cells, size := nextCell(s[i:])
		if used += cells; used > width && i > 0 {
			return i
		}
		i += size
	}
	return len(s)
}

// Fold breaks s, which must not be painted, into rows of at most width cells,
// at blanks where there are any.
func Fold(s string, width int) []string {
	var rows []string
	for width > 0 {
		n := prefix(s, width)
		if n == len(s) {
			break
		}
		end := n
		for i := n; i > n/4; i-- {
			if s[i] == ' ' {
				end = i
				break
			}
		}
		rows = append(rows, s[:end])
		s = strings.TrimLeft(s[end:], " ")
	}
	return append(rows, s)
}
