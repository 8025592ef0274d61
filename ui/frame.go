package ui

import (
	"slices"

	tea "charm.land/bubbletea/v2"

	"github.com/talos-cockpit/talos-cockpit/keymap"
)

// paneCache holds the lines of a pane until they are stale.
type paneCache struct {
	pane    Pane
	rect    Rect // place on the screen with the border; empty: not shown
	bare    bool // without border
	focused bool
	stale   bool
	lines   []string
	beside  []string // the lines of its detail
}

// inner is the pane's rectangle without the border.
func (p *paneCache) inner() Rect {
	if p.bare {
		return p.rect
	}
	return Rect{p.rect.X + 1, p.rect.Y + 1, max(p.rect.W-2, 0), max(p.rect.H-2, 0)}
}

// markPane says that the pane's lines are out of date.
func (s *Shell) markPane(p *paneCache) {
	p.stale = true
	if !p.rect.Empty() {
		s.stale = true
		s.footOK = s.footOK && !p.focused
	}
}

func (s *Shell) markAll() {
	for _, p := range s.panes {
		p.stale = true
	}
	s.footOK, s.stale = false, true
}

func (s *Shell) resize(w, h int) {
	s.started = true
	s.layout.W, s.layout.H = w, h
	s.refreshBars()
	s.relayout()
}

// readable is the size from which a pane shows one thing well in its own place.
const (
	readableWidth  = 100
	readableHeight = 24
)

// needsWhole reports whether the focused pane shows one thing in full and has
// little room for it in its own place.
func (s *Shell) needsWhole() bool {
	p := s.focused()
	if p == nil {
		return false
	}
	o, ok := p.pane.(Opener)
	if !ok || !o.Opened() {
		return false
	}
	r := s.arrange(false).Panes[s.focus]
	return r.W < readableWidth || r.H < readableHeight
}

func (s *Shell) arrange(zoom bool) Layout {
	return Arrange(s.layout.W, s.layout.H, LayoutOptions{
		Panes: len(s.panes), Focus: s.focus, Zoom: zoom, Banner: s.bannerRows(),
	})
}

// relayout computes the places anew and marks what moved.
func (s *Shell) relayout() {
	s.whole = s.needsWhole()
	s.layout = s.arrange(s.zoom || s.whole)
	var shown []keymap.Scope
	for i, p := range s.panes {
		rect, focused := s.layout.Panes[i], i == s.focus
		if rect != p.rect || focused != p.focused || s.layout.Bare != p.bare {
			p.stale = true
		}
		p.rect, p.focused, p.bare = rect, focused, s.layout.Bare
		if !rect.Empty() {
			shown = append(shown, p.pane.Scope())
		}
	}
	s.paintBars()
	s.footOK, s.stale = false, true
	if s.opts.Visible != nil && s.started && !slices.Equal(shown, s.shown) {
		s.opts.Visible(shown)
	}
	s.shown = shown
}

// refreshBars asks for the bar and draws it again if it differs.
func (s *Shell) refreshBars() {
	rows := s.bannerRows()
	if s.opts.Bar != nil {
		s.bar = s.opts.Bar(s.now(), s.layout.W)
	}
	if rows != s.bannerRows() {
		s.relayout()
		return
	}
	s.paintBars()
}

func (s *Shell) paintBars() {
	header := s.headerLine(s.bar, s.now(), s.layout.Header.W)
	banner := s.bannerLines(s.bar, s.layout.Banner.H, s.layout.Banner.W)
	notice := s.theme.fitSegments(s.bar.Notice, 3, max(s.layout.Message.W-2, 0))
	if header != s.header || !slices.Equal(banner, s.banner) || notice != s.notice {
		s.header, s.banner, s.notice, s.stale = header, banner, notice, true
	}
}

// build draws the frame from the cached lines.
func (s *Shell) build() tea.View {
	v := tea.View{AltScreen: true}
	if s.mouse {
		v.MouseMode = tea.MouseModeCellMotion
	}
	if !s.started || s.leaving || s.layout.W <= 0 || s.layout.H <= 0 {
		return v
	}
	for _, p := range s.panes {
		if p.stale && !p.rect.Empty() {
			s.drawPane(p)
		}
	}
	over, cursor := s.overlayRows()
	v.Cursor = cursor
	s.frame = s.frame[:0]
	message, promptCursor := s.messageLine()
	if v.Cursor == nil {
		v.Cursor = promptCursor
	}
	for y := range s.layout.H {
		if y > 0 {
			s.frame = append(s.frame, '\n')
		}
		if line, ok := over.at(y); ok {
			s.frame = append(s.frame, line...)
			continue
		}
		s.appendRow(y, message)
	}
	v.Content = string(s.frame)
	if s.theme.look.ASCII {
		v.Content = toASCII(v.Content)
	}
	v.ProgramStatus = s.programStatus()
	return v
}

// appendRow puts one row of the screen together from what lies on it, from left to right.
func (s *Shell) appendRow(y int, message string) {
	l := &s.layout
	switch {
	case l.Header.Holds(0, y):
		s.frame = append(s.frame, s.header...)
		return
	case l.Banner.Holds(0, y):
		if i := y - l.Banner.Y; i < len(s.banner) {
			s.frame = append(s.frame, s.banner[i]...)
		}
		return
	case l.Tabs.Holds(0, y):
		s.frame = append(s.frame, s.tabLine(l.W)...)
		return
	case l.Message.Holds(0, y) && (message != "" || l.Message != l.Footer):
		s.frame = append(s.frame, Fit(message, l.W)...)
		return
	case l.Footer.Holds(0, y):
		s.frame = append(s.frame, s.footerLine()...)
		return
	}
	for i, p := range s.panes {
		if p.rect.Holds(p.rect.X, y) {
			s.frame = append(s.frame, p.lines[y-p.rect.Y]...)
		}
		if i == 0 && l.Detail.Holds(l.Detail.X, y) {
			s.frame = append(s.frame, p.beside[y-l.Detail.Y]...)
		}
	}
}

// drawPane renders the pane into its cache, with its border.
func (s *Shell) drawPane(p *paneCache) {
	p.beside = s.drawDetail(p)
	in := p.inner()
	lines := exact(p.pane.Render(in.W, in.H, p.focused), in.W, in.H)
	if !p.bare {
		left, right := p.pane.Title()
		role := RoleBorder
		name := RoleText
		if p.focused {
			role, name = RoleFocus, RoleFocus
		}
		title := s.theme.Paint(name, s.paneLabel(p))
		if left != "" {
			title += " " + left
		}
		lines = s.theme.frame(p.rect.W, p.rect.H, role, p.focused, title, right, lines)
	}
	p.lines = lines
	p.stale = false
}

// drawDetail renders what stands beside the first pane.
func (s *Shell) drawDetail(p *paneCache) []string {
	r := s.layout.Detail
	if p != s.panes[0] || r.Empty() {
		return nil
	}
	title, lines := "", []string(nil)
	if d, ok := p.pane.(Detailed); ok {
		title, lines = d.Detail(r.W-2, r.H-2)
	}
	lines = exact(lines, r.W-2, r.H-2)
	return s.theme.frame(r.W, r.H, RoleBorder, false, title, "", lines)
}

// exact makes sure of the size of what a pane drew, so that one mistake cannot
// push the rest of the screen aside. The pane keeps its slice.
func exact(drawn []string, w, h int) []string {
	out := make([]string, max(h, 0))
	for i := range out {
		switch {
		case i >= len(drawn):
			out[i] = Blank(w)
		case fits(drawn[i], w):
			out[i] = drawn[i]
		default:
			out[i] = Fit(drawn[i], w)
		}
	}
	return out
}

func (s *Shell) paneLabel(p *paneCache) string {
	return digit(slices.Index(s.panes, p)) + " " + p.pane.Name()
}
