package views

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/talos-cockpit/talos-cockpit/board"
	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
	"github.com/talos-cockpit/talos-cockpit/keymap"
	"github.com/talos-cockpit/talos-cockpit/ui"
)

// logs shows the ring: the newest lines while it follows, a window that stays
// where it is while it is paused. Only the lines of the window are ever drawn.
type logs struct {
	*desk
	service string
	nodes   []string // names; empty with all: every node
	all     bool
	pinned  bool   // the operator chose; otherwise the selected node is followed
	waiting string // selected node that is followed if it stays selected
	asked   []cluster.LogSource
	told    bool // the board told of the streams since they were asked for

	generation uint64
	paused     bool
	cursor     uint64 // selected line while paused
	bottom     uint64 // last line of the window while paused
	pausedAt   uint64 // number of the next line when it was paused
	page       int
	width      int            // of the last drawing
	shown      []uint64       // lines of the last window
	drawn      *feed.RingView // for the title of the same frame; nil: it has been asked for

	query  feed.Query
	filter *feed.Filter // nil: all lines are shown
	wrap   bool
	pan    int
	clock  clockMode

	prompt prompt
	asking asking
	before feed.Query // to go back to if the prompt is cancelled
	ages   ages
	pen    *ui.Pen
}

// asking is what the prompt is for.
type asking int

const (
	askFilter asking = iota
	askTime
)

// logsChosen asks the Logs pane to follow a service of the nodes; no nodes
// means all, no service means the one that is followed now.
type logsChosen struct {
	nodes   []string
	service string
}

func newLogs(d *desk) *logs {
	return &logs{desk: d, service: kubelet, ages: ages{desk: d}, pen: ui.NewPen(d.th), generation: d.board.Logs.Load().Generation}
}

func (l *logs) Name() string        { return "Logs" }
func (l *logs) Scope() keymap.Scope { return keymap.Logs }
func (l *logs) Topics() feed.Topics {
	return board.TopicLogs.Set().With(board.TopicNodes)
}

// Title names what is followed, and whether it is.
func (l *logs) Title() (left, right string) {
	left = l.service + " · " + l.who()
	v := l.drawn // the title counts the lines that are drawn below it
	if l.drawn = nil; v == nil {
		v = l.board.Logs.Load()
	}
	if l.stale(v) {
		return clean(left), ""
	}
	if !l.paused {
		role := l.flow()
		right = l.th.Paint(role, l.th.Shape(role)) + " follow"
		if l.width >= roomy {
			right += " · " + plural(v.Len(), "line") + droppedText(v)
		}
		return clean(left), right
	}
	fresh := l.listing(v)
	n := fresh.count() - fresh.index(l.pausedAt)
	sign := l.th.Paint(ui.RoleWarn, l.th.Glyph("‖", "="))
	switch {
	case l.width >= roomy:
		right = sign + " paused · " + thousands(n) + " new · G resume"
	case n > 0:
		right = sign + " " + thousands(n) + " new"
	default:
		right = sign + " paused"
	}
	return clean(left), right
}

// flow says how the followed streams do: well only if each one runs.
func (l *logs) flow() ui.Role {
	streams := l.board.LogState.Load().Value.Streams
	well := 0
	for _, st := range streams {
		if role, _ := l.streamText(st); role == ui.RoleOK || st.State == "ended" {
			well++
		}
	}
	switch {
	case well == len(streams) && well > 0:
		return ui.RoleOK
	case well > 0:
		return ui.RoleWarn
	default:
		return ui.RoleUnknown
	}
}

// droppedText is how many lines the bounds of the memory cost; empty: none.
func droppedText(v *feed.RingView) string {
	if v.Stats.Dropped == 0 {
		return ""
	}
	return " · " + thousands(int(v.Stats.Dropped)) + " older dropped"
}

// who names the nodes that are followed.
func (l *logs) who() string {
	switch {
	case l.all:
		return "all nodes"
	case len(l.nodes) == 0:
		return "no node yet"
	case len(l.nodes) <= 3:
		return strings.Join(l.nodes, ", ")
	default:
		return plural(len(l.nodes), "node")
	}
}

// listing is what can be scrolled through: all lines, or those that match.
type listing struct {
	v *feed.RingView
	m *feed.Matches
}

func (l *logs) listing(v *feed.RingView) listing {
	if l.filter == nil {
		return listing{v: v}
	}
	return listing{v: v, m: l.filter.Matches()}
}

func (s listing) count() int {
	if s.m != nil {
		return s.m.Count(s.v)
	}
	return s.v.Len()
}

func (s listing) at(i int) uint64 {
	if s.m != nil {
		return s.m.At(s.v, i)
	}
	return s.v.First + uint64(i)
}

// index is the place of the first line that is not before seq.
func (s listing) index(seq uint64) int {
	if s.m != nil {
		return s.m.Index(s.v, seq)
	}
	return int(min(max(seq, s.v.First), s.v.Next) - s.v.First)
}

// catchUp takes note of a new selection, and chooses one if there is none yet.
func (l *logs) catchUp() *feed.RingView {
	v := l.board.Logs.Load()
	if v.Generation != l.generation {
		l.generation, l.paused, l.pan = v.Generation, false, 0
	}
	if l.filter != nil {
		l.filter.Advance()
	}
	l.followAgain()
	if !l.pinned && len(l.nodes) == 0 {
		l.followSelected(l.selected())
	}
	return v
}

// followAgain follows the chosen logs again once the nodes of another context are
// known: with that context the board was cleared.
func (l *logs) followAgain() {
	switch state := l.board.LogState.Load(); {
	case state.Has():
		l.told = true
	case l.told && len(l.sources()) > 0:
		l.follow()
	}
}

// selected is the node that the Nodes pane is on, else the first one known.
func (l *logs) selected() string {
	if l.node != "" {
		return l.node
	}
	for _, n := range l.board.Nodes.Load().Value.Nodes {
		return n.Name
	}
	return ""
}

// followSelected follows the node; false if it has no address to ask at.
func (l *logs) followSelected(node string) bool {
	if n, ok := l.find(node); !ok || n.Address == "" {
		return false
	}
	l.nodes, l.all = []string{node}, false
	l.follow()
	return true
}

// follow asks for the logs of the chosen nodes that are known to have the service.
func (l *logs) follow() {
	l.paused, l.pan = false, 0
	l.asked, l.told = l.sources(), false
	l.acts.FollowLogs(l.asked)
}

// stale reports whether the ring still holds the lines of an older selection.
func (l *logs) stale(v *feed.RingView) bool {
	state := l.board.LogState.Load()
	if state.Has() && state.Value.Generation != v.Generation {
		return true
	}
	return len(l.asked) > 0 && !slices.Equal(state.Value.Sources, l.asked)
}

// gone reports whether none of the chosen nodes exists any more, as after
// switching to another cluster.
func (l *logs) gone() bool {
	inv := l.board.Nodes.Load()
	if !inv.Has() || len(inv.Value.Nodes) == 0 || l.all {
		return false
	}
	return !slices.ContainsFunc(l.nodes, func(name string) bool {
		_, ok := l.find(name)
		return ok
	})
}

func (l *logs) sources() []cluster.LogSource {
	var out []cluster.LogSource
	for _, n := range l.board.Nodes.Load().Value.Nodes {
		if n.Address == "" || (!l.all && !slices.Contains(l.nodes, n.Name)) || (l.all && lacks(&n, l.service)) {
			continue
		}
		out = append(out, cluster.LogSource{Node: n.Name, Address: n.Address, Service: l.service})
	}
	slices.SortFunc(out, func(a, b cluster.LogSource) int { return cluster.CompareNames(a.Node, b.Node) })
	return out
}

// lacks reports whether the node's services are known, and this is none of them.
func lacks(n *cluster.Node, service string) bool {
	list := n.Machine.Value.Services
	return service != cluster.Dmesg && list != nil &&
		!slices.ContainsFunc(list, func(s cluster.Service) bool { return s.ID == service })
}

// Tick also follows the node under the cursor of the Nodes pane, once it has
// been there for a second, unless the operator chose another log.
func (l *logs) Tick() bool {
	if l.pinned && l.gone() {
		l.pinned = false
	}
	if now := l.selected(); !l.pinned && !l.paused && now != "" && !slices.Equal(l.nodes, []string{now}) {
		if l.waiting == now && l.followSelected(now) {
			return true
		}
		l.waiting = now
	}
	return l.ages.differ()
}

// Receive takes what the operator chose in a list, here or in the Nodes pane.
func (l *logs) Receive(msg tea.Msg) (tea.Cmd, bool) {
	c, ok := msg.(logsChosen)
	if !ok {
		return nil, false
	}
	l.pinned = true
	if c.service != "" {
		l.service = c.service
	}
	l.nodes, l.all = c.nodes, len(c.nodes) == 0
	l.follow()
	if len(l.sources()) == 0 {
		return send(ui.ToastMsg{Text: "no node with an address has " + clean(l.service), Error: true}), true
	}
	return nil, true
}

// setQuery shows only the lines that q wants.
func (l *logs) setQuery(q feed.Query) {
	if l.filter != nil {
		l.filter.Close()
		l.filter = nil
	}
	l.query = q
	if !q.All() {
		gate := l.board.Gate
		l.filter = feed.NewFilter(l.board.Logs, q, func() { gate.Mark(board.TopicLogs.Set()) })
	}
}

func (l *logs) Typing() bool { return l.prompt.open }

func (l *logs) Prompt(width int) (string, int) { return l.prompt.line(l.th, width) }

// Type narrows the lines with each key, or takes a time to go to.
func (l *logs) Type(msg tea.Msg) (tea.Cmd, bool) {
	did := l.prompt.take(msg)
	if did == typedNothing {
		return nil, false
	}
	if l.asking == askTime {
		return l.typeTime(did), true
	}
	switch did {
	case typedAccept:
		l.prompt.open = l.prompt.err != ""
	case typedCancel:
		l.prompt.open = false
		l.setQuery(l.before)
	case typedText:
		q, err := feed.ParseQuery(l.prompt.String(), l.query.Level)
		l.prompt.err = ""
		if err != nil {
			l.prompt.err = err.Error()
			return nil, true
		}
		l.setQuery(q)
	case typedNothing:
	}
	return nil, true
}

func (l *logs) Click(_, y int) tea.Cmd {
	if y >= 0 && y < len(l.shown) && l.shown[y] != 0 {
		l.pause()
		l.cursor = l.shown[y]
	}
	return nil
}

func (l *logs) Wheel(lines int) tea.Cmd {
	l.move(lines)
	return nil
}
