package ui

// Rect is a rectangle of cells. A Rect without width or height is not shown.
type Rect struct{ X, Y, W, H int }

// Empty reports whether nothing of the rectangle is shown.
func (r Rect) Empty() bool { return r.W <= 0 || r.H <= 0 }

// Holds reports whether the cell lies in the rectangle.
func (r Rect) Holds(x, y int) bool {
	return x >= r.X && x < r.X+r.W && y >= r.Y && y < r.Y+r.H
}

// The sizes at which the screen changes its shape.
const (
	minWidth   = 60  // narrower: one pane and tabs
	minHeight  = 16  // lower: one pane and tabs
	fourHeight = 36  // from here on the fourth pane has its own row
	wideWidth  = 160 // from here on the first pane has its detail beside it
	lowFirst   = 7   // rows that the first pane gets first, on a low screen
)

// LayoutOptions is what besides the size decides the layout.
type LayoutOptions struct {
	Panes  int  // how many panes there are
	Focus  int  // which of them has the focus
	Zoom   bool // the focused pane takes the whole area
	Banner int  // rows that the banner would like
}

// Layout is where everything stands.
type Layout struct {
	W, H    int
	Header  Rect
	Banner  Rect
	Tabs    Rect // only where one pane is shown because the screen is small
	Panes   []Rect
	Detail  Rect // beside the first pane
	Message Rect // toasts and prompts; the footer's row where there is no room for both
	Footer  Rect
	Bare    bool // panes have no borders
}

// Arrange computes the layout of a screen of w by h cells. Panes keep their
// places: the first over the second and the third, the fourth below where the
// screen is high enough. A pane that has no place takes the whole area while
// it has the focus.
func Arrange(w, h int, o LayoutOptions) Layout {
	w, h = max(w, 0), max(h, 0)
	l := Layout{W: w, H: h, Panes: make([]Rect, max(o.Panes, 0))}
	if w == 0 || h == 0 {
		return l
	}
	o.Focus = min(max(o.Focus, 0), max(o.Panes-1, 0))
	var area Rect
	if w < minWidth || h < minHeight {
		area = l.small(o)
	} else {
		area = l.frame(o)
	}
	if o.Panes == 0 {
		return l
	}
	if l.Bare || o.Zoom || !l.overview(area, o) {
		clear(l.Panes)
		l.Detail = Rect{}
		l.Panes[o.Focus] = area
	}
	return l
}

// small places the bars of a small screen, in the order in which they matter:
// the pane, the footer, the tabs, the header, the banner.
func (l *Layout) small(o LayoutOptions) Rect {
	l.Bare = true
	top, bottom := 0, l.H
	if l.H >= 2 {
		bottom--
		l.Footer = Rect{0, bottom, l.W, 1}
		l.Message = l.Footer
	}
	if l.H >= 6 {
		l.Header = Rect{0, top, l.W, 1}
		top++
	}
	if l.H >= 8 && o.Banner > 0 {
		l.Banner = Rect{0, top, l.W, 1}
		top++
	}
	if l.H >= 4 {
		l.Tabs = Rect{0, top, l.W, 1}
		top++
	}
	return Rect{0, top, l.W, bottom - top}
}

// frame places the bars of a screen of the usual size.
func (l *Layout) frame(o LayoutOptions) Rect {
	banner := min(o.Banner, 2)
	l.Header = Rect{0, 0, l.W, 1}
	l.Banner = Rect{0, 1, l.W, banner}
	l.Message = Rect{0, l.H - 2, l.W, 1}
	l.Footer = Rect{0, l.H - 1, l.W, 1}
	return Rect{0, 1 + banner, l.W, l.H - 3 - banner}
}

// overview gives each pane its place; false if the focused one has none.
func (l *Layout) overview(area Rect, o LayoutOptions) bool {
	below := 0
	if o.Panes >= 4 && l.H >= fourHeight {
		below = min(max(area.H/5, 7), 14)
	}
	top := area.H - below
	if o.Panes >= 2 {
		top = max((area.H-below)*3/7, min(lowFirst, (area.H-below)*6/11))
	}
	left := area.W * 3 / 5
	if l.W >= wideWidth {
		left = area.W * 16 / 25
		l.Detail = Rect{left, area.Y, area.W - left, top}
	}
	for i := range l.Panes {
		switch i {
		case 0:
			l.Panes[0] = Rect{0, area.Y, area.W - l.Detail.W, top}
		case 1:
			l.Panes[1] = Rect{0, area.Y + top, left, area.H - below - top}
			if o.Panes == 2 {
				l.Panes[1].W = area.W
			}
		case 2:
			l.Panes[2] = Rect{left, area.Y + top, area.W - left, area.H - below - top}
		case 3:
			l.Panes[3] = Rect{0, area.Y + area.H - below, area.W, below}
		}
	}
	return !l.Panes[o.Focus].Empty()
}
