package views

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/keymap"
	"github.com/talos-cockpit/talos-cockpit/ui"
)

func has(t *testing.T, screen string, wanted ...string) {
	t.Helper()
	for _, w := range wanted {
		if !strings.Contains(screen, w) {
			t.Errorf("%q is missing in\n%s", w, screen)
		}
	}
}

func hasNot(t *testing.T, screen string, unwanted ...string) {
	t.Helper()
	for _, w := range unwanted {
		if strings.Contains(screen, w) {
			t.Errorf("%q stands in\n%s", w, screen)
		}
	}
}

func TestNodesBeforeAnyAnswer(t *testing.T) {
	x := newTheatre(ui.Look{})
	s := screenOf(x.pane(keymap.Nodes), 80, 10)
	has(t, s, "asking the endpoints", "no node is known yet")
	for _, o := range x.pane(keymap.Nodes).Offers() {
		if o.Enabled || o.WhyNot == "" {
			t.Errorf("%s is offered without a node: %+v", o.Action, o)
		}
	}
}

func TestNodesRowsSayWhatIsWrong(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	s := screenOf(x.pane(keymap.Nodes), 230, 12)
	has(t, s, "no answer for 45s: connection refused · last seen 14:06", "Ready ⊘", "cordoned by kubectl-cordon 6d ago",
		"leader", "member", "cp ★", "memory 98%", "41 ▲2", "unreachable", "41d")
	rows := strings.Split(s, "\n")
	if !strings.Contains(rows[1], "talos-test04") {
		t.Errorf("the worst node is not on top: %q", rows[1])
	}
	if strings.Contains(rows[1], "●") {
		t.Errorf("a silent node looks healthy: %q", rows[1])
	}
	has(t, rows[1], "3.0/7.1G") // the old value, dimmed, where there is room for it
}

func TestNodesOldValuesAreDimmed(t *testing.T) {
	x := newTheatre(ui.Look{Depth: ui.DepthNone}).reference()
	row := x.pane(keymap.Nodes).Render(230, 12, false)[1]
	if !strings.Contains(row, x.th.Prefix(ui.RoleUnknown)+"3.0/7.1G") {
		t.Errorf("the old memory value is not dimmed: %q", row)
	}
}

func TestNodesUnknownIsNeverOK(t *testing.T) {
	x := newTheatre(ui.Look{})
	x.board.Nodes.Set(cluster.Inventory{Nodes: []cluster.Node{{Name: "n1", Severity: cluster.Unknown}}}, noon)
	s := screenOf(x.pane(keymap.Nodes), 200, 5)
	hasNot(t, s, "●", "0%", "Ready", "running")
	has(t, s, "○", "unknown", missing)
}

func TestNodesOtherErrorsAreNotSilence(t *testing.T) {
	x := newTheatre(ui.Look{})
	n := referenceNode("n1", "10.0.0.1", cluster.RoleWorker)
	n.Machine.Err = &cluster.Trouble{Kind: cluster.TroubleForbidden, What: "the role may not"}
	n.Machine.Since, n.Severity = ago(3*time.Minute), cluster.Unknown
	x.board.Nodes.Set(cluster.Inventory{Nodes: []cluster.Node{n}}, noon)
	s := screenOf(x.pane(keymap.Nodes), 120, 5)
	has(t, s, "not authorized for 3m")
	hasNot(t, s, "no answer")
}

func TestNodesSourcesThatAreOld(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	inv := referenceInventory()
	inv.KubeErr, inv.KubeSince = &cluster.Trouble{Kind: cluster.TroubleTimeout, What: "the API server does not answer"}, ago(90*time.Second)
	inv.TalosErr, inv.TalosSince = &cluster.Trouble{Kind: cluster.TroubleExpired, What: "the certificate expired"}, ago(2*time.Hour)
	x.board.Nodes.Set(inv, noon)
	s := screenOf(x.pane(keymap.Nodes), 120, 14)
	has(t, s, "no Talos endpoint answers, since 2h: the certificate expired", "Kubernetes columns are old, since 1m: the API server does not answer")
	x.board.Nodes.Fail(errors.New("connection lost"), noon)
	has(t, screenOf(x.pane(keymap.Nodes), 120, 14), "inventory of <5s ago: connection lost", "talos-test01")
}

func TestNodesAgesTickOnlyWhenTheTextChanges(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := x.pane(keymap.Nodes)
	clock := p.(ui.Clock)
	p.Render(120, 12, true)
	if clock.Tick() {
		t.Error("a tick without time passing")
	}
	x.now = x.now.Add(time.Second) // 49 s: still 45s
	if clock.Tick() {
		t.Error("an age in steps of five seconds changed after one")
	}
	x.now = x.now.Add(time.Second)
	if !clock.Tick() {
		t.Error("the age of 50 s is not shown")
	}
	has(t, screenOf(p, 120, 12), "no answer for 50s")
}

func TestNodesFilterAndBack(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := x.pane(keymap.Nodes)
	x.do(t, p, keymap.NodesFilter)
	typeText(t, p, "TEST01", 0)
	hasNot(t, screenOf(p, 100, 10), "talos-test04")
	left, _ := p.Title()
	has(t, plainText(left), "1 of 4")
	typeText(t, p, "x", '\r')
	has(t, screenOf(p, 100, 10), "no node matches the filter")
	x.do(t, p, keymap.Back)
	has(t, screenOf(p, 100, 10), "talos-test04", "talos-test01")
	if _, ok := p.Do(keymap.Back); ok {
		t.Error("there was nothing left to go back from")
	}
}

func TestNodesDetail(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := x.pane(keymap.Nodes)
	_, lines := p.(ui.Detailed).Detail(100, 90)
	s := plainText(strings.Join(lines, "\n"))
	has(t, s, "talos-test04  worker", "192.168.13.14 refuses the connection", "see whether the machine is up", "NotReady: the kubelet stopped reporting",
		"what Talos told is 50s old", "7f9c2ba4-e88f-4827-a6a2-0f0c6e1d7c11", "iscsi-tools", "KubeletReady", "SERVICES", "machined  running",
		"kubernetes.io/arch=arm64", "turingpi-talos-test04.yaml, absent", "discovery  talos-test04", "etcd  does not know it")
	x.do(t, p, keymap.Bottom)
	_, lines = p.(ui.Detailed).Detail(100, 90)
	has(t, plainText(strings.Join(lines, "\n")), "by kubectl-cordon, 6d ago", "term 4, index 88121", "c3d3020cf75b8728")
}

func TestNodesOpenAndScroll(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := x.pane(keymap.Nodes)
	x.do(t, p, keymap.NodesOpen)
	s := screenOf(p, 80, 10)
	has(t, s, "talos-test04  worker", "more lines")
	x.do(t, p, keymap.Bottom)
	end := screenOf(p, 80, 10)
	has(t, end, "checkout  talconfig.yaml")
	hasNot(t, end, "more lines")
	x.do(t, p, keymap.Back)
	has(t, screenOf(p, 80, 10), "NODE")
}

func TestNodesLogsOfTheMarked(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := x.pane(keymap.Nodes)
	msgs := x.do(t, p, keymap.NodesLogs)
	if len(msgs) != 1 || msgs[0] != (ui.FocusMsg{Scope: keymap.Logs}) {
		t.Errorf("the shell got %v", msgs)
	}
	if f := x.acts.followed; len(f) != 1 || len(f[0]) != 1 || f[0][0] != sources[0] {
		t.Errorf("followed %v", f)
	}
	x.do(t, p, keymap.NodesMark, keymap.NodesMark, keymap.NodesLogs)
	f := x.acts.followed[1]
	if len(f) != 2 || f[0].Node != "talos-test03" || f[1].Node != "talos-test04" {
		t.Errorf("followed %v", f)
	}
	_, right := p.Title()
	has(t, right, "2 marks")
}

func TestNodesExchange(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := x.pane(keymap.Nodes)
	msgs := x.do(t, p, keymap.Down, keymap.NodesExchange)
	if len(msgs) != 1 || msgs[0] != (ui.FocusMsg{Scope: keymap.Exchange}) {
		t.Errorf("the shell got %v", msgs)
	}
	if n := len(x.acts.planned); n != 1 || x.acts.planned[0] != "talos-test03" {
		t.Errorf("planned %v", x.acts.planned)
	}
}

func TestNodesCopy(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := x.pane(keymap.Nodes)
	msgs := x.do(t, p, keymap.Copy, keymap.CopyCommand)
	if m, ok := msgs[0].(ui.CopyMsg); !ok || m.Text != "talos-test04" {
		t.Errorf("copied %+v", msgs[0])
	}
	if m, ok := msgs[1].(ui.CopyMsg); !ok || m.Text != "talosctl -n 192.168.13.14 get machinestatus -o yaml" {
		t.Errorf("copied %+v", msgs[1])
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"talos-test01": "talos-test01", "10.0.0.1,10.0.0.2": "10.0.0.1,10.0.0.2", "a b": "'a b'", "x; rm -rf /": "'x; rm -rf /'",
		"it's": `'it'\''s'`, "": "''", "-n": "'-n'", "$(x)": "'$(x)'", "a\x1b[2Jb": "ab",
	} {
		if got := quote(in); got != want {
			t.Errorf("quote(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestText(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Second: "<5s", 48 * time.Second: "45s", 61 * time.Second: "1m", 59 * time.Minute: "59m", 3 * time.Hour: "3h", 47 * time.Hour: "47h", 49 * time.Hour: "2d", -time.Hour: "<5s",
	} {
		if got := age(d); got != want {
			t.Errorf("age of %s is %q, want %q", d, got, want)
		}
	}
	for in, want := range map[string]string{
		"main@sha1:1c9f3e2aa1b2c3d4": "main@1c9f3e2", "sha256:1234567890": "1234567", "1.18.2": "1.18.2", "main@x": "main@x", "": "",
	} {
		if got := revision(in); got != want {
			t.Errorf("revision %q is %q, want %q", in, got, want)
		}
	}
	for d, want := range map[time.Duration]string{10 * time.Minute: "10m", time.Hour: "1h", 90 * time.Minute: "1h30m", 5 * time.Second: "5s", 65 * time.Second: "1m5s", 10 * time.Second: "10s", 20 * time.Minute: "20m"} {
		if got := span(d); got != want {
			t.Errorf("span %v is %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1 << 20: "1.0M", 640 << 20: "640M", 15 << 30: "15.0G", 1000 << 30: "1.0T"} {
		if got := size(n); got != want {
			t.Errorf("size %d is %q, want %q", n, got, want)
		}
	}
	for want, u := range map[string]cluster.Usage{
		"0.5/16G": {Used: 512 << 20, Total: 16 << 30}, "3.0/7.1G": {Used: 3 << 30, Total: 7634747392}, "15.2/16G": {Used: 16320875724, Total: 16 << 30},
		"2.0/8G": {Used: 2 << 30, Total: 8 << 30}, "123/256G": {Used: 123 << 30, Total: 256 << 30}, "1/2": {Used: 1, Total: 2},
	} {
		if got := usage(u); got != want || len(got) > memoryText {
			t.Errorf("usage is %q, want %q", got, want)
		}
	}
	if got := thousands(1234567); got != "1,234,567" {
		t.Errorf("thousands: %q", got)
	}
}

// Where there is room under the list, the selected node is shown there, unless
// it is shown beside it.
func TestNodesUnderTheList(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := x.pane(keymap.Nodes)
	has(t, screenOf(p, 78, 30), "talos-test04  worker", "address     192.168.13.14")
	has(t, screenOf(p, 78, 10), "talos-test04  worker", "do        see whether the machine is up")
	hasNot(t, screenOf(p, 78, 9), "talos-test04  worker")
	p.(ui.Detailed).Detail(60, 30)
	hasNot(t, screenOf(p, 78, 30), "address     192.168.13.14")
	x.now = noon.Add(time.Minute)
	if !p.(ui.Clock).Tick() {
		t.Error("the ages beside the list do not grow older")
	}
	checkLines(t, p.Render(78, 30, true), 78)
}
