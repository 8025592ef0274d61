package views

import (
	"strings"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
	"github.com/talos-cockpit/talos-cockpit/ui"
)

func (l *logs) Render(width, height int, focused bool) []string {
	v := l.catchUp()
	l.ages.reset()
	l.width, l.drawn = width, v
	out := l.headlines(v, width, height)
	l.shown = append(l.shown[:0], make([]uint64, len(out))...)
	room := height - len(out)
	l.page = max(room, 1)
	s := l.listing(v)
	if s.count() == 0 || l.stale(v) {
		return l.pad(append(out, l.nothing(s, width)...), width, height)
	}
	f := l.frame(width)
	for _, r := range l.window(s, f, room) {
		line := l.row(f, r)
		if l.paused && r.line.Seq == l.cursor && focused {
			line = l.th.Over(ui.RoleCursor, line)
		}
		out = append(out, line)
		l.shown = append(l.shown, r.line.Seq)
	}
	return l.pad(out, width, height)
}

func (l *logs) pad(out []string, width, height int) []string {
	for len(out) < height {
		out = append(out, ui.Blank(width))
	}
	return out[:max(height, 0)]
}

// headlines are the state of the selection, shown only while it is not plain:
// a filter, lines lost, streams that do not run.
func (l *logs) headlines(v *feed.RingView, width, height int) []string {
	if height < 4 {
		return nil
	}
	var out []string
	p := l.pen
	if pieces := l.facts(v); len(pieces) > 0 {
		p.Start(width)
		p.Skip(logMargin)
		for i, f := range pieces {
			if i > 0 {
				p.Skip(2)
			}
			p.Put(f.role, f.text)
		}
		out = append(out, p.Line())
	}
	if l.stale(v) {
		return out
	}
	return l.streams(out, width, max(height/4, 1))
}

// streams says of at most room streams why they do not run, and how many more there are.
func (l *logs) streams(out []string, width, room int) []string {
	say := func(r ui.Role, text string) {
		l.pen.Start(width)
		l.pen.Skip(logMargin)
		l.pen.Put(r, l.th.Shape(r)+" "+text)
		out = append(out, l.pen.Line())
	}
	more := 0
	for _, st := range l.board.LogState.Load().Value.Streams {
		role, text := l.streamText(st)
		switch {
		case text == "":
		case room > 0:
			room--
			say(role, text)
		default:
			more++
		}
	}
	if more > 0 {
		say(ui.RoleUnknown, plural(more, "more stream")+" not running")
	}
	return out
}

type fact struct {
	role ui.Role
	text string
}

func (l *logs) facts(v *feed.RingView) []fact {
	var out []fact
	if l.query.Level != feed.LevelUnknown {
		out = append(out, fact{ui.RoleFocus, "level ≥ " + l.query.Level.String() + " or not said"})
	}
	if l.query.Text != "" {
		out = append(out, fact{ui.RoleFocus, "filter " + l.query.Text})
	}
	if l.filter != nil {
		m := l.filter.Matches()
		text := thousands(m.Count(v)) + " of " + plural(v.Len(), "line")
		if !m.Done {
			text += ", searching…"
		}
		out = append(out, fact{ui.RoleText, text})
	}
	if l.clock == clockUTC || l.clock == clockAge {
		out = append(out, fact{ui.RoleMuted, "times " + l.clock.String()})
	}
	if l.pan > 0 {
		out = append(out, fact{ui.RoleMuted, "from column " + itoa(l.pan+1)})
	}
	if text := droppedText(v); text != "" && (l.width < roomy || l.paused) {
		out = append(out, fact{ui.RoleMuted, strings.TrimPrefix(text, " · ")}) // elsewhere the title says it
	}
	if n := v.Stats.Cut; n > 0 {
		out = append(out, fact{ui.RoleWarn, thousands(int(n)) + " cut"})
	}
	return out
}

// streamText says what keeps a stream from running; empty if it runs.
func (l *logs) streamText(st cluster.StreamState) (ui.Role, string) {
	name := st.Source.Node + " " + st.Source.Service + ": "
	why := ""
	if st.Err != nil {
		why = ": " + st.Err.What
	}
	switch st.State {
	case "following", "resumed", "gap":
		if n, ok := l.find(st.Source.Node); ok && n.Machine.Err != nil && silent(n.Machine.Err.Kind) { // an endpoint holds the stream open
			return ui.RoleUnknown, name + "the node has given no answer for " + l.ages.of(n.Machine.Since) + ": " + string(n.Machine.Err.Kind)
		}
		return ui.RoleOK, ""
	case "refused":
		return ui.RoleBad, name + "refused" + why
	case "ended":
		return ui.RoleMuted, name + "the log has ended"
	case "connecting":
		return ui.RoleBusy, name + "connecting for " + l.ages.of(st.Since) + why
	default:
		return ui.RoleUnknown, name + st.State + " for " + l.ages.of(st.Since) + why
	}
}

// nothing says why there is no line.
func (l *logs) nothing(s listing, width int) []string {
	text := "no line has come yet"
	switch {
	case len(l.nodes) == 0 && !l.all:
		text = "no node is known yet"
	case l.stale(s.v):
		text = "asking for the log…"
	case s.m != nil && !s.m.Done:
		text = "searching…"
	case s.m != nil && s.v.Len() > 0:
		text = "no line matches"
	}
	l.pen.Start(width)
	l.pen.Skip(logMargin)
	l.pen.Put(ui.RoleMuted, text)
	return []string{l.pen.Line()}
}

// frame is what the lines of one window have in common.
type frame struct {
	width, text int // cells of the line, and of its text
	time        string
	names       []string // of the sources; nil: there is only one
	name        int      // cells of the longest
}

func (l *logs) frame(width int) frame {
	f := frame{width: width}
	if l.clock == clockLocal || l.clock == clockUTC {
		f.time = "15:04:05.000"
		if width < 70 {
			f.time = "15:04:05"
		}
	}
	state := l.board.LogState.Load().Value
	if state.Generation == l.generation && len(state.Sources) > 1 {
		f.names = sourceNames(state.Sources)
		for _, n := range f.names {
			f.name = max(f.name, ui.Width(clean(n)))
		}
		f.name = min(f.name, max(width/3, 1))
	}
	f.text = max(width-l.prefix(f), 1)
	return f
}

// logMargin is the blank cells before a line, and ageWidth is the room for a
// relative time.
const (
	logMargin = 1
	ageWidth  = 4
)

// markLook is the look of a mark: one that says that lines may be missing warns.
func markLook(text string) ui.Role {
	if strings.Contains(text, "may be missing") {
		return ui.RoleWarn
	}
	return ui.RoleBusy
}

// prefix is the number of cells before the text.
func (l *logs) prefix(f frame) int {
	n := logMargin + 2 // level and blank
	switch {
	case f.time != "":
		n += len(f.time) + 1
	case l.clock == clockAge:
		n += ageWidth + 1
	}
	if f.names != nil {
		n += f.name + 1
	}
	return n
}

// sourceNames are the parts in which the sources differ.
func sourceNames(sources []cluster.LogSource) []string {
	nodes, services := false, false
	for _, s := range sources {
		nodes = nodes || s.Node != sources[0].Node
		services = services || s.Service != sources[0].Service
	}
	out := make([]string, len(sources))
	for i, s := range sources {
		switch {
		case nodes && services:
			out[i] = s.Node + "/" + s.Service
		case services:
			out[i] = s.Service
		default:
			out[i] = s.Node
		}
	}
	return out
}

// row is one row of the screen: a line, or a part of a wrapped one.
type row struct {
	line   feed.Line
	text   string
	caller int // from this byte of the text on it says where the line was written
	part   int // 0: the first row of the line
}

// window finds the rows to draw. While following, the newest line is at the
// bottom. While paused it moves as little as needed to hold the selected line.
func (l *logs) window(s listing, f frame, height int) []row {
	last := s.count() - 1
	if !l.paused {
		return l.upward(s, f, last, height)
	}
	cursor := min(s.index(l.cursor), last)
	l.cursor = s.at(cursor)
	bottom := max(min(s.index(l.bottom), last), cursor)
	if last-bottom < 0 {
		bottom = last
	}
	if bottom < height-1 { // as many lines as there are room for, from the oldest on
		bottom = max(min(height-1, last), cursor)
	}
	rows := l.upward(s, f, bottom, height)
	if len(rows) > 0 && (rows[0].line.Seq > l.cursor || (rows[0].line.Seq == l.cursor && rows[0].part > 0)) {
		rows = l.downward(s, f, cursor, height)
		bottom = s.index(rows[len(rows)-1].line.Seq)
	}
	l.bottom = s.at(bottom)
	return rows
}

// upward lays out lines from the last one on upwards until height is full.
func (l *logs) upward(s listing, f frame, last, height int) []row {
	var blocks [][]row
	n := 0
	for i := last; i >= 0 && n < height; i-- {
		b := l.block(s, f, i, height)
		blocks = append(blocks, b)
		n += len(b)
	}
	out := make([]row, 0, n)
	for i := len(blocks) - 1; i >= 0; i-- {
		out = append(out, blocks[i]...)
	}
	return out[max(len(out)-max(height, 0), 0):]
}

func (l *logs) downward(s listing, f frame, first, height int) []row {
	var out []row
	for i := first; i < s.count() && len(out) < height; i++ {
		out = append(out, l.block(s, f, i, height)...)
	}
	return out[:min(len(out), max(height, 0))]
}

// block is the rows of one line. Of a very long one only the beginning is
// shown: the copy has it all.
func (l *logs) block(s listing, f frame, i, height int) []row {
	line, ok := s.v.Line(s.at(i))
	if !ok {
		return nil
	}
	text, caller := readable(line)
	if !l.wrap || line.Level == feed.LevelMark {
		shown := ui.SkipCells(text, l.pan)
		return []row{{line: line, text: shown, caller: caller - len(text) + len(shown)}}
	}
	parts, more := ui.Wrap(text, f.text, max(height/2, 1))
	if more > 0 {
		parts[len(parts)-1] += "…"
	}
	rows := make([]row, len(parts))
	for k, part := range parts {
		rows[k] = row{line: line, text: part, caller: caller, part: k}
		caller -= len(part)
	}
	return rows
}

// levelLook is the look of the level's letter and of the text.
func levelLook(v feed.Level) (letter, text ui.Role) {
	switch v {
	case feed.LevelDebug:
		return ui.RoleMuted, ui.RoleMuted
	case feed.LevelWarn:
		return ui.RoleWarn, ui.RoleText
	case feed.LevelError, feed.LevelFatal:
		return ui.RoleBad, ui.RoleBad
	case feed.LevelMark:
		return ui.RoleBusy, ui.RoleBusy
	case feed.LevelInfo, feed.LevelUnknown:
		return ui.RoleMuted, ui.RoleText
	default:
		return ui.RoleMuted, ui.RoleText
	}
}

// row draws one row.
func (l *logs) row(f frame, r row) string {
	p := l.pen
	p.Start(f.width)
	p.Skip(logMargin)
	if r.line.Level == feed.LevelMark {
		look := markLook(r.text)
		p.Put(look, l.th.Glyph("──", "--")+" "+l.th.Shape(look)+" "+r.text+" "+strings.Repeat(l.th.Glyph("─", "-"), max(f.width-ui.Width(r.text)-8, 0)))
		return p.Line()
	}
	if r.part > 0 {
		p.Skip(l.prefix(f) - logMargin - 2)
		p.Put(ui.RoleMuted, l.th.Glyph("│", "|")+" ")
	} else {
		l.putPrefix(p, f, r.line)
	}
	_, look := levelLook(r.line.Level)
	caller := max(min(r.caller, len(r.text)), 0)
	l.putText(p, look, r.text[:caller])
	l.putText(p, ui.RoleMuted, r.text[caller:])
	return p.Line()
}

func (l *logs) putPrefix(p *ui.Pen, f frame, line feed.Line) {
	switch {
	case f.time != "" && line.Time.IsZero():
		p.Put(ui.RoleMuted, "--:--:--"+ui.Blank(len(f.time)-7))
	case f.time != "":
		p.Put(ui.RoleMuted, line.Time.In(l.zone()).Format(f.time)+" ")
	case l.clock == clockAge:
		text := "?"
		if !line.Time.IsZero() {
			text = l.ages.of(line.Time)
		}
		p.Put(ui.RoleMuted, ui.FitLeft(text, ageWidth)+" ")
	}
	if f.names != nil {
		name := "?"
		if line.Source < len(f.names) {
			name = f.names[line.Source]
		}
		p.Put(ui.RoleMuted, ui.Fit(clean(name), f.name)+" ")
	}
	letter, _ := levelLook(line.Level)
	p.Put(letter, line.Level.Letter()+" ")
}

// putText writes the text with what the filter looked for standing out.
func (l *logs) putText(p *ui.Pen, look ui.Role, text string) {
	for text != "" && p.Room() > 0 {
		from, to := l.query.Find([]byte(text))
		if from < 0 || to <= from {
			break
		}
		p.Put(look, text[:from])
		p.Put(ui.RoleMatch, text[from:to])
		text = text[to:]
	}
	p.Put(look, text)
}
