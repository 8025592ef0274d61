package ui

// AppendTo draws the header and the window around the cursor and appends them
// to out: exactly height lines of exactly width cells.
func (t *Table[T]) AppendTo(out []string, width, height int, focused bool) []string {
	if height <= 0 {
		return out
	}
	if t.laidOut != width {
		t.layout(width)
	}
	t.height = height - 1
	t.scroll()
	out = append(out, t.header(width))
	for y := range t.height {
		i := t.top + y
		switch {
		case i < len(t.view):
			out = append(out, t.row(width, i, focused))
		case y == 0:
			out = append(out, t.nothing(width))
		default:
			out = append(out, Blank(width))
		}
	}
	return out
}

func (t *Table[T]) nothing(width int) string {
	text := t.Empty
	if len(t.rows) == 0 {
		text = t.None
	}
	p := t.pen
	p.Start(width)
	p.Skip(gutter)
	p.Put(RoleMuted, text)
	return p.Line()
}

// scroll moves the window as little as possible so that it holds the cursor.
func (t *Table[T]) scroll() {
	if t.height <= 0 {
		return
	}
	if t.cursor < t.top {
		t.top = t.cursor
	}
	if t.cursor >= t.top+t.height {
		t.top = t.cursor - t.height + 1
	}
	t.top = max(min(t.top, len(t.view)-t.height), 0)
}

// layout decides which columns are shown and how wide.
func (t *Table[T]) layout(width int) {
	t.laidOut = width
	if len(t.widest) != len(t.columns) {
		t.measure()
		t.laidOut = width
	}
	t.plan = t.plan[:0]
	for i := range t.columns {
		t.plan = append(t.plan, placed{i, t.least(i)})
	}
	for t.total() > width && t.dropOne() {
	}
	t.spread(width - t.total())
}

// least is the width below which a column is dropped.
func (t *Table[T]) least(i int) int {
	c := &t.columns[i]
	if c.Whole || c.Min == 0 {
		return t.widest[i]
	}
	return max(min(c.Min, t.widest[i]), t.titleWidth(i))
}

func (t *Table[T]) total() int {
	n := gutter
	for i, p := range t.plan {
		n += p.width + t.gapBefore(i)
	}
	return n
}

// gapBefore is the number of blanks before the i-th column shown.
func (t *Table[T]) gapBefore(i int) int {
	switch {
	case i == 0:
		return 0
	case t.columns[t.plan[i-1].col].Tight:
		return gapOfSigns
	case t.laidOut < narrow:
		return narrowGap
	default:
		return gap
	}
}

// dropOne gives up the column that is the first to go.
func (t *Table[T]) dropOne() bool {
	worst := -1
	for i, p := range t.plan {
		if d := t.columns[p.col].Drop; d > 0 && (worst < 0 || d > t.columns[t.plan[worst].col].Drop) {
			worst = i
		}
	}
	if worst < 0 {
		return false
	}
	t.plan = append(t.plan[:worst], t.plan[worst+1:]...)
	return true
}

// spread gives the cells left over: first up to each natural width, to the most
// important column first, then to the one that grows.
func (t *Table[T]) spread(left int) {
	for rank := 0; left > 0; rank++ {
		more := false
		for i := range t.plan {
			c := t.plan[i].col
			if d := t.columns[c].Drop; d != rank {
				more = more || d > rank
				continue
			}
			add := max(min(t.widest[c]-t.plan[i].width, left), 0)
			t.plan[i].width += add
			left -= add
		}
		if !more {
			break
		}
	}
	for i := len(t.plan) - 1; i >= 0 && left > 0; i-- {
		if t.columns[t.plan[i].col].Grow {
			t.plan[i].width += left
			return
		}
	}
}

// brief reports whether rows of that width are drawn by Brief.
func (t *Table[T]) brief(width int) bool { return t.Brief != nil && width < t.BriefUnder }

func (t *Table[T]) header(width int) string {
	p := t.pen
	p.Start(width)
	p.Skip(gutter)
	if t.brief(width) {
		t.BriefHead(p, t.titled)
		return p.Line()
	}
	for i, pl := range t.plan {
		c := &t.columns[pl.col]
		p.Skip(t.gapBefore(i))
		p.Cell(pl.width)
		if title := t.titled(c.Title); c.Right {
			p.PutRight(RoleHeader, title)
		} else {
			p.Put(RoleHeader, title)
		}
		p.Done()
	}
	return p.Line()
}

// titled is the title with the mark of sorting, if the rows are sorted by it.
func (t *Table[T]) titled(title string) string {
	if t.sortBy >= 0 && title == t.columns[t.sortBy].Title {
		return title + t.pen.th.Glyph("▾", "v")
	}
	return title
}

func (t *Table[T]) row(width, i int, focused bool) string {
	p, row := t.pen, &t.rows[t.view[i]]
	p.Start(width)
	switch {
	case t.marks[t.key(row)]:
		p.Put(RoleMark, p.th.Shape(RoleMark))
	case i == t.cursor:
		p.Put(RoleFocus, p.th.Shape(RoleFocus))
	default:
		p.Skip(gutter)
	}
	if t.brief(width) {
		t.Brief(p, row)
	} else {
		t.cells(p, row)
	}
	line := p.Line()
	if i == t.cursor && focused {
		return p.th.Over(RoleCursor, line)
	}
	return line
}

func (t *Table[T]) cells(p *Pen, row *T) {
	for i := 0; i < len(t.plan); i++ {
		c := &t.columns[t.plan[i].col]
		p.Skip(t.gapBefore(i))
		if c.Fleeting && t.Span != nil {
			last, w := t.fleeting(i)
			p.Cell(w)
			if t.Span(p, row) {
				p.Done()
				p.Undim()
				i = last
				continue
			}
		}
		p.Cell(t.plan[i].width)
		switch {
		case c.Draw != nil:
			c.Draw(p, row)
		case c.Right:
			p.PutRight(RoleText, c.Text(row))
		default:
			p.Put(RoleText, c.Text(row))
		}
		p.Done()
		p.Undim()
	}
}

// fleeting is the last of the neighbouring Fleeting columns from i on, with the
// one that grows if it follows, and the width of them all.
func (t *Table[T]) fleeting(i int) (last, width int) {
	width = t.plan[i].width
	for last = i; last+1 < len(t.plan) && t.fades(last+1); last++ {
		width += t.gapBefore(last+1) + t.plan[last+1].width
	}
	return last, width
}

// fades reports whether the i-th column shown can be part of a Span.
func (t *Table[T]) fades(i int) bool {
	c := &t.columns[t.plan[i].col]
	return c.Fleeting || c.Grow
}
