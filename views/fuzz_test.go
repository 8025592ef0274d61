package views

import (
	"strings"
	"testing"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/health"
	"github.com/talos-cockpit/talos-cockpit/keymap"
	"github.com/talos-cockpit/talos-cockpit/ui"
)

// hostile fills every text of the board with s.
func (x *theatre) hostile(s string) {
	st := referenceStatus()
	st.Cluster, st.Context, st.Server, st.ReadOnly, st.Demo, st.ProofWhy = s, s, s, s, s, s
	st.Troubles = []cluster.Trouble{{What: s, Do: s}}
	x.board.Status.Set(st, noon)
	inv := referenceInventory()
	for i := range inv.Nodes {
		hostileNode(&inv.Nodes[i], s)
	}
	inv.TalosErr = &cluster.Trouble{What: s}
	x.board.Nodes.Set(inv, noon)
	list := referenceFlux()
	for i := range list.Objects {
		o := &list.Objects[i]
		o.Name, o.Namespace, o.Message, o.Revision, o.Short, o.SuspendedBy, o.Reason, o.Attempted = s, s, s, s, s, s, s, s
		o.Conditions = []cluster.Condition{{Type: s, Status: s, Reason: s, Message: s, Since: noon}}
		o.DependsOn = []cluster.Ref{{Kind: s, Namespace: s, Name: s}}
	}
	list.Denied = map[string]string{s: s}
	x.board.Flux.Set(list, noon)
	plan := referencePlan()
	plan.Node, plan.Refuse = inv.Nodes[0].Name, s
	for i := range plan.Checks {
		c := &plan.Checks[i]
		c.Name, c.Evidence, c.Remedy, c.Command, c.Details = s, s, s, s, []string{s, s}
	}
	plan.Checks[0].Verdict = health.Verdict(s)
	for i := range plan.Steps {
		plan.Steps[i] = health.Step{Number: i, Name: s, What: s, Command: []string{s}}
	}
	x.board.Plan.Set(plan, noon)
	gen := x.board.Logs.Reset()
	src := []cluster.LogSource{{Node: s, Address: s, Service: s}, {Node: s + "b", Address: s, Service: s}}
	x.board.LogState.Set(cluster.LogState{Generation: gen, Sources: src, Streams: []cluster.StreamState{{Source: src[0], State: s, Err: &cluster.Trouble{What: s}}}}, noon)
	l := logsOf(x)
	l.pinned, l.nodes, l.asked = true, []string{s}, src
	for _, l := range strings.Split(s, "\n") {
		x.board.Logs.AppendBatch(0, [][]byte{[]byte(l), []byte(`{"msg":"` + l + `","k":"` + l + `"}`)}, noon)
	}
	x.board.Logs.Mark(gen, 1, s, noon)
}

func hostileNode(n *cluster.Node, s string) {
	n.Name, n.Address = s+n.Name, s
	n.Notes = append(n.Notes, cluster.Note{Severity: cluster.Bad, Text: s})
	m := &n.Machine.Value
	m.Version, m.Stage, m.BootID, m.UUID, m.Extensions = s, cluster.Stage(s), s, s, []string{s, s}
	m.Services = append(m.Services, cluster.Service{ID: s, State: s, Message: s, Healthy: cluster.Some(false)})
	m.Unmet = []cluster.Unmet{{Name: s, Reason: s}}
	m.Diagnostics = cluster.Some([]cluster.Diagnostic{{ID: s, Message: s}})
	n.Kube.Kubelet, n.Kube.ReadyReason, n.Kube.Labels = s, s, map[string]string{s: s}
	n.Kube.Taints = []cluster.Taint{{Key: s, Value: s, Effect: s}}
	n.Kube.Conditions = []cluster.Condition{{Type: s, Status: s, Message: s}}
	n.Kube.Unschedulable, n.Kube.Cordon = true, &cluster.Cordon{By: s, At: noon}
	n.Disagree = []string{s}
	if n.Machine.Err != nil {
		n.Machine.Err = &cluster.Trouble{Kind: cluster.TroubleKind(s), What: s, Do: s, Raw: s + s}
	}
}

// draw shows every pane in every state at the size, and the whole screen.
func (x *theatre) drawAll(t testing.TB, w, h int) {
	t.Helper()
	for _, p := range x.panes {
		for range 2 {
			lines := p.Render(w, h, true)
			if len(lines) != h {
				t.Fatalf("%s at %dx%d: %d lines", p.Name(), w, h, len(lines))
			}
			checkLines(t, lines, w)
			left, right := p.Title()
			checkLines(t, []string{left}, ui.Width(left))
			checkLines(t, []string{right}, ui.Width(right))
			for _, o := range p.Offers() {
				checkLines(t, []string{o.WhyNot}, ui.Width(o.WhyNot))
			}
			if d, ok := p.(ui.Detailed); ok {
				title, lines := d.Detail(w, h)
				checkLines(t, append(lines, ui.Fit(title, w)), w)
			}
			for _, a := range []keymap.Action{keymap.NodesOpen, keymap.FluxOpen, keymap.ExchangeOpen, keymap.LogsWrap} {
				p.Do(a)
			}
		}
	}
	b := Bar(x.board, x.th)(x.now, w)
	for _, list := range [][]ui.Segment{b.Left, b.Right, b.Banner, b.Notice} {
		for _, s := range list {
			checkLines(t, []string{s.Text}, ui.Width(s.Text))
		}
	}
}

var hostiles = []string{
	"\x1b[2J\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x1b]52;c;Zm9v\x1b\\", "\x1bPq#0\x1b\\", "\u009b31m\u009d0;x\u009c", "user\u202egnp.exe",
	"日本語のノード名", "e\u0301e\u0301\u0301", "\u200b\u200d\ufe0f", "👩‍👩‍👧‍👦🏳️‍🌈🇩🇪", "\xff\xfe\x80", "a\tb\nc\rd", strings.Repeat("長", 90), "", " ",
	"\x00\x07\x08\x7f", "\u0600\u0601", "ﷺ", "\U000e0041", "क्षि",
}

func TestHostileTextsAtEverySize(t *testing.T) {
	for _, s := range hostiles {
		x := newTheatre(ui.Look{})
		x.hostile(s)
		for _, size := range [][2]int{{0, 0}, {1, 1}, {5, 3}, {17, 6}, {40, 9}, {90, 24}, {200, 30}} {
			x.drawAll(t, size[0], size[1])
		}
	}
}

func TestReferenceAtEverySize(t *testing.T) {
	x := newTheatre(ui.Look{ASCII: true}).reference()
	for w := 0; w <= 210; w += 14 {
		for _, h := range []int{0, 1, 2, 3, 5, 8, 13, 40} {
			x.drawAll(t, w, h)
		}
	}
}

func FuzzPanes(f *testing.F) {
	for _, s := range hostiles {
		f.Add(s, uint8(80), uint8(24))
	}
	f.Fuzz(func(t *testing.T, s string, w, h uint8) {
		x := newTheatre(ui.Look{})
		x.hostile(s)
		x.now = noon.Add(time.Duration(w) * time.Minute)
		x.drawAll(t, int(w), int(h%70))
	})
}
