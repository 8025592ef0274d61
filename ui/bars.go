package ui

import (
	"slices"
	"strings"
	"time"
)

// Segment is a piece of a bar in the look of its role. It must be clean text.
type Segment struct {
	Role Role
	Text string
	// Drop says what goes first where there is no room: the highest number.
	// Segments with 0 are never left out, only cut.
	Drop int
}

// Bar is what the shell shows around the panes. The shell adds the clock and
// knows nothing of clusters: whoever wires the cockpit fills this in.
type Bar struct {
	Left   []Segment // who: cluster, context, versions, etcd, Flux
	Right  []Segment // how old: empty while everything is as fresh as it should be
	Banner []Segment // one row each, worst first: what is wrong with the connection
	Notice []Segment // the message row while there is no toast, such as the worst finding
}

// BarFunc returns the bar at a moment. It is called from the event loop, at
// least once a second, so it must be quick and must not wait. width is the
// screen's, in cells.
type BarFunc func(now time.Time, width int) Bar

// fitSegments joins the segments with gap blanks and leaves out or cuts what
// does not fit into width cells. The result is at most width cells wide.
func (t *Theme) fitSegments(segs []Segment, gap, width int) string {
	segs = slices.DeleteFunc(slices.Clone(segs), func(s Segment) bool { return s.Text == "" })
	for len(segs) > 0 && segmentsWidth(segs, gap) > width {
		worst := -1
		for i, s := range segs {
			if s.Drop > 0 && (worst < 0 || s.Drop >= segs[worst].Drop) {
				worst = i
			}
		}
		if worst < 0 {
			break
		}
		segs = slices.Delete(segs, worst, worst+1)
	}
	var b strings.Builder
	left := width
	for i, s := range segs {
		if i > 0 {
			left -= gap
		}
		if left <= 0 {
			break
		}
		if i > 0 {
			b.WriteString(Blank(gap))
		}
		text := cut(s.Text, left)
		left -= Width(text)
		b.WriteString(t.Paint(s.Role, text))
	}
	return b.String()
}

func segmentsWidth(segs []Segment, gap int) int {
	w := gap * max(len(segs)-1, 0)
	for _, s := range segs {
		w += Width(s.Text)
	}
	return w
}

// spread puts left and right at the ends of a line of exactly width cells. Left
// is cut where both do not fit.
func spread(left, right string, width int) string {
	rw := Width(right)
	if rw >= width {
		return Fit(right, width)
	}
	if rw == 0 {
		return Fit(left, width)
	}
	return Fit(left, width-rw) + right
}

// headerLine is the top row: identity left, freshness and clock right.
func (s *Shell) headerLine(bar Bar, now time.Time, width int) string {
	clock := " " + s.theme.Paint(RoleMuted, now.Format("15:04")) + " "
	if width < 24 {
		clock = ""
	}
	gap := 2
	if width >= 120 {
		gap = 3
	}
	right := s.theme.fitSegments(bar.Right, gap, max(width*2/3-Width(clock), 0))
	if right != "" {
		right = " " + right + " "
	}
	right += clock
	left := " " + s.theme.fitSegments(bar.Left, gap, width-Width(right)-2) + " "
	return spread(left, right, width)
}

// maxBanner is how many rows the banner takes at most.
const maxBanner = 2

// bannerRows is how many rows the banner would like: one each, or two for a
// single one that is too long for one.
func (s *Shell) bannerRows() int {
	if len(s.bar.Banner) == 1 && Width(s.bar.Banner[0].Text)+4 > s.layout.W {
		return maxBanner
	}
	return min(len(s.bar.Banner), maxBanner)
}

// bannerLines draws at most n rows; what does not fit is counted in the last one.
func (s *Shell) bannerLines(bar Bar, n, width int) []string {
	if len(bar.Banner) == 1 && n > 1 {
		return s.longBanner(bar.Banner[0], n, width)
	}
	var out []string
	for i := range min(n, len(bar.Banner)) {
		seg := bar.Banner[i]
		text := " " + s.theme.Shape(seg.Role) + " " + seg.Text
		more := ""
		if hidden := len(bar.Banner) - n; i == n-1 && hidden > 0 {
			more = " +" + plural(hidden, "more") + " "
		}
		out = append(out, s.theme.Paint(seg.Role, spread(text, more, width)))
	}
	return out
}

// longBanner folds a single banner into n rows.
func (s *Shell) longBanner(seg Segment, n, width int) []string {
	var out []string
	head := " " + s.theme.Shape(seg.Role) + " "
	rows := Fold(seg.Text, max(width-4, 1))
	for i := range min(n, len(rows)) {
		text := rows[i]
		if i == n-1 {
			text = cut(strings.Join(rows[i:], " "), max(width-4, 1))
		}
		out = append(out, s.theme.Paint(seg.Role, Fit(head+text, width)))
		head = Blank(Width(head))
	}
	return out
}

// tabLine names all panes, for screens that show one at a time.
func (s *Shell) tabLine(width int) string {
	segs := make([]Segment, 0, len(s.panes))
	for i, p := range s.panes {
		seg := Segment{Role: RoleMuted, Text: digit(i) + " " + p.pane.Name(), Drop: 1}
		if i == s.focus {
			seg.Role, seg.Drop = RoleFocus, 0
			seg.Text = s.theme.Shape(RoleFocus) + seg.Text
		}
		segs = append(segs, seg)
	}
	return Fit(s.theme.fitSegments(segs, 1, width), width)
}
