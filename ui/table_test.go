package ui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
)

type item struct {
	name, state, note string
	n                 int
}

func items(names ...string) []item {
	var out []item
	for i, n := range names {
		out = append(out, item{name: n, state: "running", note: "note of " + n, n: i})
	}
	return out
}

func itemColumns() []Column[item] {
	return []Column[item]{
		{Title: "NAME", Whole: true, Text: func(r *item) string { return r.name }, Compare: func(a, b *item) int { return cmp.Compare(a.name, b.name) }},
		{Title: "STATE", Drop: 1, Text: func(r *item) string { return r.state }},
		{
			Title: "N", Drop: 2, Min: 3, Max: 3, Right: true, Fleeting: true, Text: func(r *item) string { return fmt.Sprint(r.n) },
			Compare: func(a, b *item) int { return cmp.Compare(b.n, a.n) },
		},
		{Title: "NOTE", Drop: 3, Min: 8, Grow: true, Text: func(r *item) string { return r.note }},
	}
}

func newItems(rows []item) *Table[item] {
	t := NewTable(NewTheme(Look{Depth: DepthNone}), func(r *item) string { return r.name }, itemColumns())
	t.SetRows(rows)
	return t
}

func plainLines(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = stripped(l)
	}
	return out
}

func stripped(s string) string {
	var b strings.Builder
	eachCell(s, func(piece string, cells int) bool {
		if cells > 0 || !strings.HasPrefix(piece, "\x1b") {
			b.WriteString(piece)
		}
		return true
	})
	return b.String()
}

func TestTableDrawsItsColumns(t *testing.T) {
	tab := newItems(items("b", "a"))
	got := plainLines(tab.AppendTo(nil, 40, 4, false))
	want := []string{
		" NAME STATE     N NOTE                  ",
		"▸b    running   0 note of b             ",
		" a    running   1 note of a             ",
		"                                        ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "|\n"), strings.Join(want, "|\n"))
	}
}

func TestTableDropsColumnsInOrderAndNeverCutsTheName(t *testing.T) {
	tab := newItems(items("a-long-name"))
	for _, c := range []struct {
		width int
		want  string
	}{
		{40, " NAME        STATE     N NOTE"},
		{32, " NAME        STATE     N"},
		{20, " NAME        STATE"},
		{15, " NAME"},
		{12, " NAME"},
	} {
		lines := plainLines(tab.AppendTo(nil, c.width, 3, false))
		if got := strings.TrimRight(lines[0], " "); got != c.want {
			t.Errorf("width %d: header %q, want %q", c.width, got, c.want)
		}
		if !strings.Contains(lines[1], "a-long-name") {
			t.Errorf("width %d: the name is cut: %q", c.width, lines[1])
		}
	}
}

func TestTableEverySize(t *testing.T) {
	rows := items("one", "zwei-日本", "e\u0301", strings.Repeat("x", 90), "evil\x1b[31m\x1b]0;t\x07\u202e")
	tab := newItems(rows)
	for w := range 130 {
		for _, h := range []int{0, 1, 2, 3, 9} {
			lines := tab.AppendTo(nil, w, h, true)
			if len(lines) != h {
				t.Fatalf("%dx%d: %d lines", w, h, len(lines))
			}
			for _, l := range lines {
				if Width(l) != w {
					t.Fatalf("%dx%d: a line of %d cells: %q", w, h, Width(l), l)
				}
				if strings.ContainsAny(stripped(l), "\x1b\x07\u202e") {
					t.Fatalf("a control comes through: %q", l)
				}
			}
		}
	}
}

func TestTableKeepsTheSelectedRow(t *testing.T) {
	tab := newItems(items("a", "b", "c", "d"))
	tab.Move(2)
	if tab.Row().name != "c" {
		t.Fatalf("selected %q", tab.Row().name)
	}
	tab.SetRows(items("d", "c", "x", "a"))
	if tab.Row().name != "c" {
		t.Errorf("after a new order %q is selected", tab.Row().name)
	}
	tab.SetRows(items("d", "x", "a"))
	if tab.Row().name != "x" {
		t.Errorf("after its row has gone %q is selected, want the one in its place", tab.Row().name)
	}
	tab.SetRows(nil)
	if tab.Row() != nil {
		t.Error("a row of an empty table is selected")
	}
	if tab.Move(1) {
		t.Error("the cursor moved in an empty table")
	}
}

func TestTableFilter(t *testing.T) {
	tab := newItems(items("alpha", "beta", "gamma"))
	tab.Move(2)
	tab.SetFilter("BET note")
	if tab.Shown() != 1 || tab.Row().name != "beta" {
		t.Errorf("%d rows, %v", tab.Shown(), tab.Row())
	}
	tab.SetFilter("nothing like it")
	if tab.Shown() != 0 || tab.Row() != nil {
		t.Errorf("%d rows", tab.Shown())
	}
	tab.SetFilter("")
	if tab.Row().name != "gamma" {
		t.Errorf("%q is selected after the filter was cleared, want the row from before", tab.Row().name)
	}
}

func TestTableSort(t *testing.T) {
	tab := newItems(items("b", "c", "a"))
	order := func() string {
		var b strings.Builder
		for _, r := range tab.view {
			b.WriteString(tab.rows[r].name)
		}
		return tab.Sorted() + " " + b.String()
	}
	var got []string
	for range 3 {
		tab.SortNext()
		got = append(got, order())
	}
	if want := []string{"NAME abc", "N acb", " bca"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestTableMarks(t *testing.T) {
	tab := newItems(items("a", "b", "c"))
	tab.ToggleMark()
	tab.Move(1)
	tab.ToggleMark()
	names := func() (s string) {
		for _, r := range tab.Marked() {
			s += r.name
		}
		return s
	}
	if names() != "ac" {
		t.Errorf("marked %q", names())
	}
	tab.SetRows(items("c", "d"))
	if names() != "c" {
		t.Errorf("marked %q after a has gone", names())
	}
	if !tab.ClearMarks() || names() != "" || tab.ClearMarks() {
		t.Error("marks were not cleared")
	}
}

func TestTableScrollsToTheCursor(t *testing.T) {
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprintf("row%02d", i))
	}
	tab := newItems(items(names...))
	tab.AppendTo(nil, 30, 11, false)
	tab.Move(50)
	lines := strings.Join(plainLines(tab.AppendTo(nil, 30, 11, false)), "\n")
	if !strings.Contains(lines, "▸row50") || strings.Contains(lines, "row40") || !strings.Contains(lines, "row41") {
		t.Errorf("the window is\n%s", lines)
	}
	if !tab.ClickAt(3) || tab.Row().name != "row43" {
		t.Errorf("a click selected %q", tab.Row().name)
	}
	if tab.ClickAt(0) || tab.ClickAt(11) {
		t.Error("a click beside the rows selected something")
	}
}

func TestTableSpan(t *testing.T) {
	tab := newItems(items("a", "b"))
	tab.Span = func(p *Pen, r *item) bool {
		if r.name != "b" {
			return false
		}
		p.Put(RoleUnknown, "gone")
		return true
	}
	lines := plainLines(tab.AppendTo(nil, 40, 3, false))
	if !strings.Contains(lines[1], "  0 note") || !strings.Contains(lines[2], "gone   ") {
		t.Errorf("%q", lines)
	}
	if before := tab.Before("NOTE"); before != "N" {
		t.Errorf("%q stands before NOTE", before)
	}
	if before := tab.Before("NAME"); before != "" {
		t.Errorf("%q stands before NAME", before)
	}
}

func TestTableBrief(t *testing.T) {
	tab := newItems(items("b", "a"))
	tab.BriefUnder = 30
	tab.Brief = func(p *Pen, r *item) { p.Put(RoleText, "brief "+r.name) }
	tab.BriefHead = func(p *Pen, title func(string) string) { p.Put(RoleHeader, title("NAME")) }
	tab.SortNext()
	lines := plainLines(tab.AppendTo(nil, 29, 3, false))
	if lines[0] != Fit(" NAME▾", 29) || lines[1] != Fit(" brief a", 29) || lines[2] != Fit("▸brief b", 29) {
		t.Errorf("%q", lines)
	}
	if lines := plainLines(tab.AppendTo(nil, 30, 3, false)); !strings.Contains(lines[1], "running") {
		t.Errorf("wide enough for columns, and yet: %q", lines)
	}
}

func TestTableEmpty(t *testing.T) {
	tab := newItems(nil)
	tab.Empty, tab.None = "no match", "nothing here"
	if l := plainLines(tab.AppendTo(nil, 20, 3, false)); !strings.Contains(l[1], "nothing here") {
		t.Errorf("%q", l)
	}
	tab.SetRows(items("a"))
	tab.SetFilter("x")
	if l := plainLines(tab.AppendTo(nil, 20, 3, false)); !strings.Contains(l[1], "no match") {
		t.Errorf("%q", l)
	}
}

func TestPenCutsAndFills(t *testing.T) {
	p := NewPen(NewTheme(Look{Depth: DepthNone}))
	for _, c := range []struct {
		width int
		draw  func()
		want  string
	}{
		{10, func() { p.Put(RoleText, "ab"); p.PutRight(RoleText, "cd") }, "ab      cd"},
		{5, func() { p.Put(RoleText, "abcdefgh"); p.Put(RoleText, "x") }, "abcd…"},
		{8, func() { p.Cell(3); p.Put(RoleText, "abcd"); p.Done(); p.Put(RoleText, "|") }, "ab…|    "},
		{6, func() { p.Put(RoleText, "日本語学") }, "日本… "},
		{0, func() { p.Put(RoleText, "a") }, ""},
		{4, func() { p.Put(RoleText, "a\x1b[2Jb\tc") }, "ab c"},
	} {
		p.Start(c.width)
		c.draw()
		if got := stripped(p.Line()); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestSkipCells(t *testing.T) {
	for _, c := range []struct {
		s    string
		n    int
		want string
	}{{"abc", 0, "abc"}, {"abc", 2, "c"}, {"abc", 9, ""}, {"日本", 2, "本"}, {"日本", 1, " 本"}, {"e\u0301x", 1, "x"}} {
		if got := SkipCells(c.s, c.n); got != c.want {
			t.Errorf("%q without %d cells: %q, want %q", c.s, c.n, got, c.want)
		}
	}
}

func TestWrapAndFold(t *testing.T) {
	if rows, more := Wrap("abcdefg", 3, 9); !slices.Equal(rows, []string{"abc", "def", "g"}) || more != 0 {
		t.Errorf("%q %d", rows, more)
	}
	if rows, more := Wrap("abcdefg", 3, 2); !slices.Equal(rows, []string{"abc", "def"}) || more != 1 {
		t.Errorf("%q %d", rows, more)
	}
	if rows, _ := Wrap("a日本", 3, 9); !slices.Equal(rows, []string{"a日", "本"}) {
		t.Errorf("%q", rows)
	}
	if rows := Fold("one two three", 8); !slices.Equal(rows, []string{"one two", "three"}) {
		t.Errorf("%q", rows)
	}
	if rows := Fold("abcdefghij", 4); !slices.Equal(rows, []string{"abcd", "efgh", "ij"}) {
		t.Errorf("%q", rows)
	}
	if rows := Fold("日", 1); !slices.Equal(rows, []string{"日"}) {
		t.Errorf("%q", rows)
	}
}

func BenchmarkTable(b *testing.B) {
	for _, n := range []int{5, 500} {
		var names []string
		for i := range n {
			names = append(names, fmt.Sprintf("node-%03d.example", i))
		}
		tab := newItems(items(names...))
		var out []string
		b.Run(fmt.Sprintf("render%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				out = tab.AppendTo(out[:0], 120, 20, true)
			}
		})
		rows := items(names...)
		b.Run(fmt.Sprintf("setrows%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				tab.SetRows(rows)
			}
		})
	}
}
