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

// nodes is the inventory: one row a node, worst first, and the node in detail.
type nodes struct {
	*desk
	table  *ui.Table[cluster.Node]
	detail *document
	beside *document
	ages   ages
	prompt prompt
	seq    uint64
	open   bool
	sided  bool // its detail has just been drawn beside it
	width  int  // of the last drawing
	heads  int  // rows of the last drawing above the table
	snap   feed.Snapshot[cluster.Inventory]
}

// roomy is the width from which borders have room for more than the needful.
const roomy = 50

func newNodes(d *desk) *nodes {
	n := &nodes{desk: d, detail: newDocument(d.th), beside: newDocument(d.th), ages: ages{desk: d}}
	n.table = ui.NewTable(d.th, func(r *cluster.Node) string { return r.Name }, nodeColumns(n))
	n.table.Span = n.span
	n.table.Empty = "no node matches the filter"
	n.table.None = "no node is known yet"
	return n
}

func (n *nodes) Name() string        { return "Nodes" }
func (n *nodes) Scope() keymap.Scope { return keymap.Nodes }
func (n *nodes) Topics() feed.Topics { return board.TopicNodes.Set() }

// Title counts the nodes that are not well.
func (n *nodes) Title() (left, right string) {
	n.refresh()
	left = n.count()
	switch {
	case n.open:
		right = clean(n.node)
	case n.table.Sorted() != "":
		right = "by " + strings.ToLower(n.table.Sorted())
	case n.width >= roomy:
		right = "worst first"
	}
	if m := len(n.table.Marked()); m > 0 {
		right = strings.TrimSuffix(plural(m, "mark")+" · "+right, " · ")
	}
	return left, right
}

func (n *nodes) count() string {
	if !n.snap.Has() {
		return ""
	}
	var by [cluster.Bad + 1]int
	for i := range n.snap.Value.Nodes {
		by[n.snap.Value.Nodes[i].Severity]++
	}
	left := itoa(n.table.Len())
	if n.table.Shown() != n.table.Len() {
		left = itoa(n.table.Shown()) + " of " + left
	}
	for _, s := range []cluster.Severity{cluster.Bad, cluster.Unknown, cluster.Warn, cluster.Busy} {
		if by[s] > 0 {
			r := n.th.Severity(s)
			left += " " + n.th.Paint(r, itoa(by[s])+n.th.Shape(r))
		}
	}
	return left
}

// refresh takes over the latest inventory.
func (n *nodes) refresh() {
	snap := n.board.Nodes.Load()
	n.snap = snap
	if snap.Seq == n.seq {
		return
	}
	n.seq = snap.Seq
	n.table.SetRows(snap.Value.Nodes)
	n.choose()
}

// choose tells the other panes which node is looked at.
func (n *nodes) choose() {
	if row := n.table.Row(); row != nil {
		n.node = row.Name
	}
}

func (n *nodes) Render(width, height int, focused bool) []string {
	n.refresh()
	sided := n.sided
	if n.sided = false; !sided {
		n.ages.reset()
	}
	n.width = width
	if n.open {
		if row := n.table.Row(); row != nil {
			n.compose(n.detail, row, width)
			return n.detail.window(height)
		}
		n.open = false
	}
	out := n.headlines(width, height)
	n.heads = len(out)
	rows := height - len(out)
	under := rows - n.table.Len() - 2
	switch {
	case rows < 5 || n.table.Len() == 0:
		return n.table.AppendTo(out, width, rows, focused)
	case sided || under < leastUnder || n.table.Row() == nil:
		return append(n.table.AppendTo(out, width, rows-1, focused), n.noteLine(width))
	}
	out = n.table.AppendTo(out, width, rows-under-1, focused)
	out = append(out, n.th.Paint(ui.RoleBorder, strings.Repeat(n.th.Glyph("─", "-"), width)))
	n.beside.top = 0
	n.compose(n.beside, n.table.Row(), width)
	if under < countedUnder {
		lines := slices.DeleteFunc(n.beside.lines, func(l string) bool { return strings.TrimSpace(l) == "" })
		n.beside.lines = lines[:min(under, len(lines))]
	}
	return append(out, n.beside.window(under)...)
}

// leastUnder is how many rows must be free for the selected node to be shown
// under the list: what is wrong, why, and what to do. From countedUnder on the
// last row counts what is hidden.
const (
	leastUnder   = 4
	countedUnder = 9
)

// headlines say what is wrong with the whole picture.
func (n *nodes) headlines(width, height int) []string {
	var out []string
	say := func(r ui.Role, text string) {
		p := ui.NewPen(n.th)
		p.Start(width)
		p.Skip(1)
		p.Put(r, n.th.Shape(r)+" "+text)
		out = append(out, p.Line())
	}
	inv := n.snap.Value
	switch {
	case height < 3:
	case len(n.snap.Value.Nodes) == 0 && n.snap.Err == nil && n.noEndpoints():
		say(ui.RoleUnknown, "no Talos endpoint is known, so nobody can be asked")
	case !n.snap.Has() && n.snap.Err == nil:
		say(ui.RoleBusy, "asking the endpoints…")
	case n.snap.Err != nil:
		say(ui.RoleUnknown, "inventory of "+n.ages.of(n.snap.At)+" ago: "+because(n.snap.Err.Error()))
	}
	if inv.TalosErr != nil && height >= 4 {
		say(ui.RoleUnknown, "no Talos endpoint answers, since "+n.ages.of(inv.TalosSince)+": "+inv.TalosErr.What)
	}
	if inv.KubeErr != nil && height >= 5 {
		state := "Kubernetes is not known"
		if slices.ContainsFunc(inv.Nodes, func(r cluster.Node) bool { return r.Kube != nil }) {
			state = "Kubernetes columns are old"
		}
		say(ui.RoleUnknown, state+", since "+n.ages.of(inv.KubeSince)+": "+because(inv.KubeErr.What))
	}
	return out
}

// noEndpoints reports whether something keeps the cockpit from having anybody to ask.
func (n *nodes) noEndpoints() bool {
	s := n.board.Status.Load().Value
	return len(s.Endpoints) == 0 && len(s.Troubles) > 0
}

// noteLine says all notes of the selected row, where its column shows less.
func (n *nodes) noteLine(width int) string {
	p := ui.NewPen(n.th)
	p.Start(width)
	row := n.table.Row()
	if row == nil {
		return p.Line()
	}
	r, text := n.headline(row)
	if text == "" {
		return p.Line()
	}
	p.Skip(1)
	p.Put(r, n.th.Shape(r)+" ")
	p.Put(ui.RoleStrong, row.Name+"  ")
	p.Put(r, text)
	return p.Line()
}

// Detail shows the selected node beside the list.
func (n *nodes) Detail(width, height int) (title string, lines []string) {
	n.refresh()
	row := n.table.Row()
	if row == nil {
		return "", nil
	}
	n.ages.reset()
	n.sided = true
	n.beside.top = 0
	n.compose(n.beside, row, width)
	return clean(row.Name), n.beside.window(height)
}

// Tick reports whether an age shown would be another one now.
func (n *nodes) Tick() bool { return n.ages.differ() }

func (n *nodes) Click(_, y int) tea.Cmd {
	if !n.open && n.table.ClickAt(y-n.heads) {
		n.choose()
	}
	return nil
}

func (n *nodes) Wheel(lines int) tea.Cmd {
	if n.open {
		n.detail.scroll(lines)
		return nil
	}
	n.table.Move(lines)
	n.choose()
	return nil
}

func (n *nodes) Typing() bool { return n.prompt.open }

// Type narrows the list with each key.
func (n *nodes) Type(msg tea.Msg) (tea.Cmd, bool) {
	return nil, filterTable(&n.prompt, n.table, msg, n.choose)
}

func (n *nodes) Prompt(width int) (string, int) { return n.prompt.line(n.th, width) }

// filterable is what a table's filter prompt needs of it.
type filterable interface {
	SetFilter(text string)
}

// filterTable handles a key of a table's filter prompt: the table follows each
// key; escape takes the filter back.
func filterTable(p *prompt, t filterable, msg tea.Msg, changed func()) bool {
	switch p.take(msg) {
	case typedText:
		t.SetFilter(p.String())
	case typedAccept:
		p.open = false
	case typedCancel:
		p.open = false
		t.SetFilter("")
	case typedNothing:
		return false
	}
	changed()
	return true
}
