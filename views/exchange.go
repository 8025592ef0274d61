package views

import (
	"slices"

	tea "charm.land/bubbletea/v2"

	"github.com/talos-cockpit/talos-cockpit/board"
	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
	"github.com/talos-cockpit/talos-cockpit/health"
	"github.com/talos-cockpit/talos-cockpit/keymap"
	"github.com/talos-cockpit/talos-cockpit/ui"
)

// exchange shows what the exchange of a node would do and what speaks against
// it. It is a plan for reading: nothing can be started from here.
type exchange struct {
	*desk
	pinned bool   // the operator chose the node; else it is the selected one
	asked  string // node whose plan was asked for
	snap   feed.Snapshot[health.Plan]
	order  []int // the checks, the worst first
	steps  bool  // the cursor is in the steps, not in the checks
	check  int   // number of the check under the cursor; 0: the worst one
	step   int   // cursor among the steps
	top    int
	page   int
	open   bool
	marks  []mark // what each line of the last list stands for
	detail *document
	beside *document
	pen    *ui.Pen
	ages   ages
}

// planChosen asks the Exchange pane to show the plan for a node.
type planChosen struct{ node string }

func newExchange(d *desk) *exchange {
	return &exchange{desk: d, detail: newDocument(d.th), beside: newDocument(d.th), pen: ui.NewPen(d.th), ages: ages{desk: d}}
}

func (e *exchange) Name() string        { return "Exchange" }
func (e *exchange) Scope() keymap.Scope { return keymap.Exchange }
func (e *exchange) Topics() feed.Topics {
	return board.TopicPlan.Set().With(board.TopicNodes)
}

// Title names the node and counts the verdicts. What was not checked is
// counted with the unknown.
func (e *exchange) Title() (left, right string) {
	e.refresh()
	if e.asked == "" {
		return "", ""
	}
	right = "plan only"
	if !e.ready() {
		return clean(e.asked), right
	}
	pass, warn, fail, open := health.Summary(e.snap.Value.Checks)
	counts := ""
	for _, c := range []struct {
		role ui.Role
		n    int
	}{{ui.RoleBad, fail}, {ui.RoleUnknown, open}, {ui.RoleWarn, warn}, {ui.RoleOK, pass}} {
		if c.n > 0 {
			counts += " " + e.th.Paint(c.role, itoa(c.n)+e.th.Shape(c.role))
		}
	}
	return clean(e.asked) + counts, right
}

// refresh takes over the latest plan, and asks for one if there is none yet.
func (e *exchange) refresh() {
	snap := e.board.Plan.Load()
	if snap.Seq != e.snap.Seq {
		e.order = worstChecks(snap.Value.Checks)
	}
	e.snap = snap
	if e.pinned && e.known() {
		return
	}
	e.pinned = false
	node := e.node
	if node == "" {
		for _, n := range e.board.Nodes.Load().Value.Nodes {
			node = n.Name
			break
		}
	}
	if node != "" && node != e.asked {
		e.plan(node)
	}
}

// known reports whether the chosen node exists, or whether nobody can tell yet.
func (e *exchange) known() bool {
	_, ok := e.find(e.asked)
	return ok || len(e.board.Nodes.Load().Value.Nodes) == 0
}

func (e *exchange) plan(node string) {
	e.asked, e.check, e.step, e.top = node, 0, 0, 0
	e.acts.PlanFor(node)
}

// ready reports whether the plan that was asked for is there.
func (e *exchange) ready() bool { return e.snap.Has() && e.snap.Value.Node == e.asked }

// Receive takes the node that was chosen in the Nodes pane.
func (e *exchange) Receive(msg tea.Msg) (tea.Cmd, bool) {
	c, ok := msg.(planChosen)
	if !ok {
		return nil, false
	}
	e.pinned, e.open, e.steps = true, false, false
	e.plan(c.node)
	return send(ui.FocusMsg{Scope: keymap.Exchange}), true
}

// Tick reports whether another node was selected, or an age shown would be
// another one now.
func (e *exchange) Tick() bool {
	return (!e.pinned && e.node != "" && e.node != e.asked) || e.ages.differ()
}

func (e *exchange) Click(_, y int) tea.Cmd {
	if e.open || y < 0 || y >= len(e.marks) || !e.marks[y].any {
		return nil
	}
	m := e.marks[y]
	if e.steps = m.step; m.step {
		e.step = m.index
	} else {
		e.check = e.snap.Value.Checks[m.index].Number
	}
	return nil
}

func (e *exchange) Wheel(lines int) tea.Cmd {
	if e.open {
		e.detail.scroll(lines)
		return nil
	}
	e.move(lines)
	return nil
}

// move goes through the checks and on into the steps.
func (e *exchange) move(delta int) {
	checks, steps := len(e.order), len(e.snap.Value.Steps)
	at := e.place()
	if e.steps {
		at = checks + e.step
	}
	at = max(min(at+delta, checks+steps-1), 0)
	if e.steps = at >= checks && steps > 0; e.steps {
		e.step = at - checks
	} else if at < checks {
		e.check = e.snap.Value.Checks[e.order[at]].Number
	}
}

// place is where the check under the cursor stands in the order.
func (e *exchange) place() int {
	for i, c := range e.order {
		if e.snap.Value.Checks[c].Number == e.check {
			return i
		}
	}
	return 0
}

// chosen is the check under the cursor; nil if there is none.
func (e *exchange) chosen() *health.Check {
	if len(e.order) == 0 {
		return nil
	}
	return &e.snap.Value.Checks[e.order[e.place()]]
}

// worstChecks is the order of the checks: what failed, what nobody can tell,
// what warns, what this plan does not look at, what passed.
func worstChecks(checks []health.Check) []int {
	rank := func(v health.Verdict) int {
		switch v {
		case health.Fail:
			return 0
		case health.WarnV:
			return 2
		case health.NotChecked:
			return 3
		case health.Pass:
			return 4
		case health.UnknownV:
			return 1
		default:
			return 1
		}
	}
	order := make([]int, len(checks))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return rank(checks[a].Verdict) - rank(checks[b].Verdict) })
	return order
}

func (e *exchange) Do(a keymap.Action) (tea.Cmd, bool) {
	e.refresh()
	if delta, ok := steps(a, max(e.page, 1), 1<<20); ok {
		return e.Wheel(delta), true
	}
	switch a {
	case keymap.Back:
		was := e.open
		e.open = false
		return nil, was
	case keymap.ExchangeNext:
		return nil, e.neighbour(1)
	case keymap.ExchangePrev:
		return nil, e.neighbour(-1)
	default: // needs a plan
	}
	if !e.ready() {
		return nil, false
	}
	switch a {
	case keymap.ExchangeOpen:
		e.open = !e.open
		e.detail.top = 0
	case keymap.ExchangeSections:
		e.steps = !e.steps && len(e.snap.Value.Steps) > 0
	case keymap.ExchangeLogs:
		return tea.Sequence(send(logsChosen{nodes: []string{e.asked}}), send(ui.FocusMsg{Scope: keymap.Logs})), true
	case keymap.Copy:
		return send(ui.CopyMsg{Text: e.copyText(), What: "evidence"}), true
	case keymap.CopyCommand:
		return send(ui.CopyMsg{Text: e.commands(), What: "commands"}), true
	default:
		return nil, false
	}
	return nil, true
}

// neighbour plans for the next or previous node by name.
func (e *exchange) neighbour(delta int) bool {
	names := nodeNames(e.board.Nodes.Load().Value.Nodes)
	if len(names) == 0 {
		return false
	}
	at := 0
	for i, n := range names {
		if n == e.asked {
			at = i + delta
		}
	}
	e.pinned, e.open = true, false
	e.plan(names[(at+len(names))%len(names)])
	return true
}

func (e *exchange) Offers() []ui.Offer {
	e.refresh()
	none := noneIf(!e.ready(), "there is no plan yet")
	nodes := noneIf(len(e.board.Nodes.Load().Value.Nodes) == 0, "no node is known yet")
	command := none
	if none == "" && e.commands() == "" {
		command = "there is no command for it"
	}
	open := ""
	if e.open {
		open = "close"
	}
	section := "steps"
	if e.steps {
		section = "checks"
	}
	return []ui.Offer{
		offer(keymap.ExchangeOpen, open, none),
		offer(keymap.ExchangeSections, section, none),
		offer(keymap.ExchangeNext, "", nodes),
		offer(keymap.ExchangePrev, "", nodes),
		offer(keymap.ExchangeLogs, "", none),
		offer(keymap.Copy, "copy evidence", none),
		offer(keymap.CopyCommand, "", command),
	}
}

func nodeNames(nodes []cluster.Node) []string {
	out := make([]string, len(nodes))
	for i := range nodes {
		out[i] = nodes[i].Name
	}
	sortNames(out)
	return out
}
