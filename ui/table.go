package ui

import (
	"cmp"
	"slices"
	"strings"

	"github.com/talos-cockpit/talos-cockpit/feed"
)

// Column is one column of a Table of T.
type Column[T any] struct {
	Title string
	// Whole columns are never cut: they are as wide as their widest text.
	Whole bool
	// Min and Max bound the width in cells of columns that are not Whole.
	Min, Max int
	// Drop orders who gives way on a narrow screen: the highest goes first, 0 never goes.
	Drop int
	// Grow takes what width is left over.
	Grow bool
	// Right puts the title at the right end.
	Right bool
	// Text is the plain text: for the width, for filtering and for sorting.
	// nil: the width is Max, and it takes no part in filtering.
	Text func(row *T) string
	// Draw writes the cell; nil: Text in RoleText.
	Draw func(p *Pen, row *T)
	// Compare sorts by this column; nil: it cannot be sorted by.
	Compare func(a, b *T) int
	// Tight parts the column from the next one by one blank only: for signs.
	Tight bool
	// Fleeting cells give way to the row's Span where there is one, and so does
	// the cell that grows if it stands right behind them.
	Fleeting bool
}

// Table shows rows of T. Only the rows of its window are drawn, so that five
// hundred rows cost as much as a screen full. The cursor stays on its row, by
// key, however the rows are sorted. It is used from the event loop only.
type Table[T any] struct {
	columns []Column[T]
	key     func(row *T) string
	// Span, if set, writes one long text in place of the row's Fleeting cells;
	// it returns false for rows that have none.
	Span func(p *Pen, row *T) bool
	// Brief, if set, draws the whole row where the table is narrower than
	// BriefUnder, instead of columns that would take their room from one another.
	// BriefHead draws the header that goes with it: title adds the mark of the
	// column that the rows are sorted by.
	Brief      func(p *Pen, row *T)
	BriefHead  func(p *Pen, title func(string) string)
	BriefUnder int
	// Empty is shown when there are rows but none matches, and None when there are none.
	Empty, None string

	pen    *Pen
	rows   []T
	view   []int // rows shown, in the order shown
	widest []int // natural width of each column
	cursor int   // place in view
	picked string
	top    int
	height int // rows of the last window
	marks  map[string]bool
	filter string
	sortBy int // column; -1: as given
	desc   bool

	laidOut int // width that plan was made for; -1: stale
	plan    []placed
}

type placed struct {
	col, width int
}

// Table geometry: the gutter holds the cursor and the mark; a gap parts columns,
// a narrower one on narrow screens.
const (
	gutter     = 1
	gap        = 2
	narrow     = 60
	narrowGap  = 1
	gapOfSigns = 1
)

// NewTable returns an empty table.
func NewTable[T any](th *Theme, key func(row *T) string, columns []Column[T]) *Table[T] {
	return &Table[T]{columns: columns, key: key, pen: NewPen(th), marks: map[string]bool{}, sortBy: -1, laidOut: -1}
}

// SetRows replaces the rows, in their natural order.
func (t *Table[T]) SetRows(rows []T) {
	t.rows = rows
	t.measure()
	t.arrange()
}

// measure finds the natural width of each column.
func (t *Table[T]) measure() {
	t.laidOut = -1
	t.widest = t.widest[:0]
	for i := range t.columns {
		c := &t.columns[i]
		w := max(t.titleWidth(i), c.Min)
		if c.Text == nil {
			w = max(w, c.Max)
		} else {
			limit := c.Max
			if c.Whole || limit == 0 {
				limit = 1 << 30
			}
			for r := 0; r < len(t.rows) && w < limit; r++ {
				w = max(w, Width(feed.Clean(c.Text(&t.rows[r]))))
			}
			w = min(w, limit)
		}
		t.widest = append(t.widest, w)
	}
}

// titleWidth is the room that the column's title needs, with its mark.
func (t *Table[T]) titleWidth(i int) int {
	if i == t.sortBy {
		return len(t.columns[i].Title) + 1
	}
	return len(t.columns[i].Title)
}

// arrange filters and sorts, and puts the cursor back on its row.
func (t *Table[T]) arrange() {
	t.view = t.view[:0]
	for i := range t.rows {
		if t.matches(&t.rows[i]) {
			t.view = append(t.view, i)
		}
	}
	if t.sortBy >= 0 {
		by := t.columns[t.sortBy].Compare
		slices.SortStableFunc(t.view, func(a, b int) int {
			c := by(&t.rows[a], &t.rows[b])
			if c == 0 {
				c = cmp.Compare(t.key(&t.rows[a]), t.key(&t.rows[b]))
			} else if t.desc {
				c = -c
			}
			return c
		})
	}
	t.find()
}

func (t *Table[T]) find() {
	for i, r := range t.view {
		if t.key(&t.rows[r]) == t.picked {
			t.cursor = i
			return
		}
	}
	t.cursor = max(min(t.cursor, len(t.view)-1), 0)
	if len(t.view) > 0 && t.filter == "" {
		t.picked = t.key(&t.rows[t.view[t.cursor]])
	}
}

// matches reports whether every word of the filter is somewhere in the row,
// ASCII letters in any case.
func (t *Table[T]) matches(row *T) bool {
	for _, w := range strings.Fields(t.filter) {
		if !t.contains(row, strings.ToLower(w)) {
			return false
		}
	}
	return true
}

func (t *Table[T]) contains(row *T, word string) bool {
	for i := range t.columns {
		if f := t.columns[i].Text; f != nil && strings.Contains(strings.ToLower(f(row)), word) {
			return true
		}
	}
	return false
}

// Len is the number of rows.
func (t *Table[T]) Len() int { return len(t.rows) }

// Shown is the number of rows that the filter lets through.
func (t *Table[T]) Shown() int { return len(t.view) }

// Filter is the filter in use.
func (t *Table[T]) Filter() string { return t.filter }

// SetFilter shows only the rows that hold each word of text.
func (t *Table[T]) SetFilter(text string) {
	if text == t.filter {
		return
	}
	t.filter = text
	t.arrange()
}

// Row returns the row under the cursor; nil if no row is shown.
func (t *Table[T]) Row() *T {
	if t.cursor >= len(t.view) {
		return nil
	}
	return &t.rows[t.view[t.cursor]]
}

// Move puts the cursor delta rows further, not beyond the ends, and reports
// whether it moved.
func (t *Table[T]) Move(delta int) bool {
	if len(t.view) == 0 {
		return false
	}
	old := t.cursor
	t.cursor = max(min(t.cursor+delta, len(t.view)-1), 0)
	t.picked = t.key(&t.rows[t.view[t.cursor]])
	return t.cursor != old
}

// Page is the number of rows of the last window, at least one.
func (t *Table[T]) Page() int { return max(t.height, 1) }

// ClickAt puts the cursor on the row at line y of the last window, counting the
// header; false if there is none.
func (t *Table[T]) ClickAt(y int) bool {
	i := t.top + y - 1
	if y < 1 || y > t.height || i >= len(t.view) {
		return false
	}
	t.Move(i - t.cursor)
	return true
}

// ToggleMark marks or unmarks the row under the cursor and goes one further.
func (t *Table[T]) ToggleMark() {
	row := t.Row()
	if row == nil {
		return
	}
	if k := t.key(row); t.marks[k] {
		delete(t.marks, k)
	} else {
		t.marks[k] = true
	}
	t.Move(1)
}

// Marked returns the marked rows that still exist, in their natural order.
func (t *Table[T]) Marked() []*T {
	if len(t.marks) == 0 {
		return nil
	}
	var out []*T
	for i := range t.rows {
		if t.marks[t.key(&t.rows[i])] {
			out = append(out, &t.rows[i])
		}
	}
	return out
}

// ClearMarks unmarks all rows and reports whether any was marked.
func (t *Table[T]) ClearMarks() bool {
	had := len(t.marks) > 0
	clear(t.marks)
	return had
}

// SortNext sorts by the next column that can be sorted by, then as given again.
func (t *Table[T]) SortNext() {
	for t.sortBy++; t.sortBy < len(t.columns); t.sortBy++ {
		if t.columns[t.sortBy].Compare != nil {
			break
		}
	}
	if t.sortBy >= len(t.columns) {
		t.sortBy = -1
	}
	t.measure()
	t.arrange()
}

// Sorted is the title of the column that the rows are sorted by; empty: as given.
func (t *Table[T]) Sorted() string {
	if t.sortBy < 0 {
		return ""
	}
	return t.columns[t.sortBy].Title
}

// WidthOf is the width of the column of that title in the last window; 0 if it
// had no room.
func (t *Table[T]) WidthOf(title string) int {
	for _, p := range t.plan {
		if t.columns[p.col].Title == title {
			return p.width
		}
	}
	return 0
}

// Before is the title of the column in front of the one of that title in the
// last window; empty if there is none.
func (t *Table[T]) Before(title string) string {
	for i, p := range t.plan {
		if i > 0 && t.columns[p.col].Title == title {
			return t.columns[t.plan[i-1].col].Title
		}
	}
	return ""
}
