package views

import (
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
	"github.com/talos-cockpit/talos-cockpit/keymap"
	"github.com/talos-cockpit/talos-cockpit/ui"
)

func logsOf(x *theatre) *logs { return x.pane(keymap.Logs).(*logs) }

// numbered puts plain numbered lines into the ring.
func (x *theatre) numbered(from, to int) {
	for i := from; i <= to; i++ {
		x.board.Logs.AppendBatch(0, [][]byte{fmt.Appendf(nil, "line %04d", i)}, noon)
	}
}

func TestLogsFollowTheSelectedNodeByThemselves(t *testing.T) {
	x := newTheatre(ui.Look{})
	p := logsOf(x)
	has(t, screenOf(p, 80, 8), "no node is known yet")
	x.board.Nodes.Set(referenceInventory(), noon)
	x.pane(keymap.Nodes).Render(80, 10, true)
	p.Render(80, 8, false)
	if f := x.acts.followed; len(f) != 1 || f[0][0] != sources[0] {
		t.Fatalf("followed %v", f)
	}
	x.do(t, x.pane(keymap.Nodes), keymap.Down)
	p.Tick()
	if len(x.acts.followed) != 1 {
		t.Fatal("the selection was followed before it had settled")
	}
	p.Tick()
	if f := x.acts.followed; len(f) != 2 || f[1][0].Node != "talos-test03" {
		t.Fatalf("followed %v", f)
	}
	p.Receive(logsChosen{nodes: []string{"talos-test01"}, service: "etcd"})
	x.do(t, x.pane(keymap.Nodes), keymap.Top)
	p.Tick()
	p.Tick()
	if f := x.acts.followed; len(f) != 3 || f[2][0] != (cluster.LogSource{Node: "talos-test01", Address: "192.168.13.11", Service: "etcd"}) {
		t.Errorf("what the operator chose was not kept: %v", f)
	}
}

func TestLogsOfANodeWithoutAddress(t *testing.T) {
	x := newTheatre(ui.Look{})
	x.board.Nodes.Set(cluster.Inventory{Nodes: []cluster.Node{{Name: "only-in-git"}}}, noon)
	x.pane(keymap.Nodes).Render(80, 10, true)
	p := logsOf(x)
	p.Render(80, 10, true)
	for range 3 {
		if p.Tick() {
			t.Error("it is drawn again without a reason")
		}
	}
	if len(x.acts.followed) != 0 {
		t.Errorf("followed %v", x.acts.followed)
	}
	for _, o := range x.pane(keymap.Nodes).Offers() {
		if o.Action == keymap.NodesLogs && (o.Enabled || o.WhyNot != "no address is known for only-in-git") {
			t.Errorf("%+v", o)
		}
	}
}

func TestLogsAllNodesOfAService(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := logsOf(x)
	p.Receive(logsChosen{service: "etcd"})
	f := x.acts.followed[len(x.acts.followed)-1]
	if len(f) != 2 || f[0].Node != "talos-test01" || f[1].Node != "talos-test02" {
		t.Errorf("etcd of all nodes follows %v", f)
	}
	p.Receive(logsChosen{service: cluster.Dmesg})
	if f := x.acts.followed[len(x.acts.followed)-1]; len(f) != 4 {
		t.Errorf("the kernel log of all nodes follows %v", f)
	}
	left, _ := p.Title()
	has(t, left, "dmesg · all nodes")
}

func TestLogsChoosers(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := logsOf(x)
	p.Render(80, 10, true)
	services := x.do(t, p, keymap.LogsService)[0].(ui.ChooseMsg)
	var labels []string
	for _, c := range services.Choices {
		labels = append(labels, c.Label)
	}
	has(t, strings.Join(labels, " "), "apid", "kubelet", "dmesg")
	hasNot(t, strings.Join(labels, " "), "etcd") // a worker is selected
	nodes := x.do(t, p, keymap.LogsNode)[0].(ui.ChooseMsg)
	if nodes.Choices[0].Label != "all nodes" || len(nodes.Choices) != 5 {
		t.Errorf("%+v", nodes.Choices)
	}
	x.settle(nodes.Choices[0].Run)
	if f := x.acts.followed[len(x.acts.followed)-1]; len(f) != 4 || f[0].Service != kubelet {
		t.Errorf("followed %v", f)
	}
}

func TestLogsFollowPauseResume(t *testing.T) {
	x := newTheatre(ui.Look{})
	p := logsOf(x)
	x.numbered(1, 100)
	has(t, screenOf(p, 80, 10), "line 0100", "line 0091")
	x.do(t, p, keymap.LogsPause)
	x.numbered(101, 312)
	s := screenOf(p, 80, 10)
	has(t, s, "line 0100")
	hasNot(t, s, "line 0101")
	_, right := p.Title()
	has(t, plainText(right), "‖ paused · 212 new · G resume")
	x.do(t, p, keymap.Bottom)
	has(t, screenOf(p, 80, 10), "line 0312")
	_, right = p.Title()
	has(t, plainText(right), "○ follow · 312 lines")
}

func TestLogsMoving(t *testing.T) {
	x := newTheatre(ui.Look{})
	p := logsOf(x)
	x.numbered(1, 100)
	p.Render(80, 10, true)
	x.do(t, p, keymap.Up)
	if s := screenOf(p, 80, 10); !strings.Contains(s, "line 0091") || !strings.Contains(s, "line 0100") {
		t.Errorf("the window moved before its edge was reached:\n%s", s)
	}
	for range 9 {
		x.do(t, p, keymap.Up)
	}
	has(t, screenOf(p, 80, 10), "line 0090", "line 0099")
	x.do(t, p, keymap.Top)
	has(t, screenOf(p, 80, 10), "line 0001", "line 0010")
	x.do(t, p, keymap.PageDown)
	has(t, screenOf(p, 80, 10), "line 0011")
	x.do(t, p, keymap.LogsNext)
	has(t, screenOf(p, 80, 10), "line 0012")
	x.do(t, p, keymap.LogsPrev, keymap.Copy)
	if m := x.do(t, p, keymap.Copy)[0].(ui.CopyMsg); m.Text != "line 0011" {
		t.Errorf("copied %q", m.Text)
	}
}

func TestLogsPausedWhileTheRingDrops(t *testing.T) {
	x := newTheatre(ui.Look{})
	x.board.Logs = feed.NewRing(50, 1<<20)
	p := newLogs(&desk{board: x.board, acts: x.acts, th: x.th, now: func() time.Time { return x.now }})
	x.numbered(1, 50)
	p.Render(80, 10, true)
	x.do(t, p, keymap.LogsPause)
	x.numbered(51, 500)
	s := screenOf(p, 80, 10)
	has(t, s, "450 older dropped", "line 0451")
	checkLines(t, p.Render(80, 10, true), 80)
	x.board.Logs.Reset()
	has(t, screenOf(p, 80, 10), "no node is known yet")
}

func TestLogsWrapAndPan(t *testing.T) {
	x := newTheatre(ui.Look{})
	p := logsOf(x)
	x.numbered(1, 3)
	x.board.Logs.AppendBatch(0, [][]byte{[]byte(strings.Repeat("0123456789", 30))}, noon)
	p.Render(40, 12, true)
	if n := strings.Count(screenOf(p, 40, 12), "0123456789"); n != 2 {
		t.Errorf("%d tens in one row", n)
	}
	x.do(t, p, keymap.Right)
	has(t, screenOf(p, 40, 12), "from column 9", "890123")
	x.do(t, p, keymap.LogsWrap)
	s := screenOf(p, 40, 12)
	has(t, s, "line 0003", "│")
	if rows := strings.Count(s, "│"); rows != 5 { // half of the pane at most
		t.Errorf("%d more rows of the wrapped line:\n%s", rows, s)
	}
	checkLines(t, p.Render(40, 12, true), 40)
}

func TestLogsFilter(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := logsOf(x)
	p.Render(100, 20, true)
	x.do(t, p, keymap.LogsFilter)
	typeText(t, p, "killpod", 0)
	searched(t, p)
	s := screenOf(p, 100, 20)
	has(t, s, "filter killpod", "23 of 201 lines", "KillPodSandbox failed")
	hasNot(t, s, "SyncLoop")
	line := p.Render(100, 20, true)[5]
	has(t, line, x.th.Paint(ui.RoleMatch, "KillPod"))
	typeText(t, p, "", '\r')
	if p.Typing() {
		t.Error("the prompt is still open")
	}
	x.do(t, p, keymap.Back)
	has(t, screenOf(p, 100, 20), "SyncLoop")
}

func TestLogsFilterThatCannotBeRead(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := logsOf(x)
	x.do(t, p, keymap.LogsFilter)
	typeText(t, p, "/a(", '\r')
	line, _ := p.Prompt(80)
	has(t, plainText(line), "/a(", "not a regular expression")
	if !p.Typing() {
		t.Error("a broken expression was accepted")
	}
	p.Type(tea.KeyPressMsg{Code: tea.KeyEscape})
	if p.Typing() || !p.query.All() {
		t.Error("escape did not go back")
	}
}

func TestLogsLevels(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := logsOf(x)
	p.Render(100, 20, true)
	x.do(t, p, keymap.LogsLevel, keymap.LogsLevel, keymap.LogsLevel)
	searched(t, p)
	s := screenOf(p, 100, 30)
	has(t, s, "level ≥ error", "KillPodSandbox", "a line that says neither")
	hasNot(t, s, "SyncLoop", "watcher.go")
	x.do(t, p, keymap.LogsLevel)
	has(t, screenOf(p, 100, 30), "SyncLoop", "watcher.go")
}

func TestLogsTimes(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	x.now = noon.In(time.FixedZone("two", 2*3600))
	p := logsOf(x)
	has(t, screenOf(p, 100, 20), "16:07:20.863 I SyncLoop UPDATE", "--:--:--       a line")
	x.do(t, p, keymap.LogsTime)
	has(t, screenOf(p, 100, 20), "14:07:20.863 I SyncLoop", "times UTC")
	x.do(t, p, keymap.LogsTime)
	has(t, screenOf(p, 100, 20), " <5s I SyncLoop", "   ?   a line", "times relative")
	x.do(t, p, keymap.LogsTime)
	has(t, screenOf(p, 100, 20), "\n I SyncLoop")
}

func TestLogsGoToTime(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := logsOf(x)
	p.Render(100, 10, true)
	x.do(t, p, keymap.LogsGoTime)
	typeText(t, p, "25:00", '\r')
	line, _ := p.Prompt(80)
	has(t, plainText(line), "a time of day is 14:07")
	p.Type(tea.KeyPressMsg{Code: 'u', Mod: tea.ModCtrl})
	typeText(t, p, "14:07:00", '\r')
	l, _ := x.board.Logs.Load().Line(p.cursor)
	if p.Typing() || !p.paused || l.Time.Before(noon.Add(-21*time.Second)) || l.Time.After(noon.Add(-20*time.Second)) {
		t.Errorf("typing %v, paused %v, at %v", p.Typing(), p.paused, l.Time)
	}
}

func TestLogsSeveralSources(t *testing.T) {
	x := newTheatre(ui.Look{})
	x.board.LogState.Set(cluster.LogState{Generation: 1, Sources: []cluster.LogSource{{Node: "a", Service: "kubelet"}, {Node: "bb", Service: "kubelet"}}, Streams: []cluster.StreamState{
		{Source: cluster.LogSource{Node: "a", Service: "kubelet"}, State: "following"},
		{Source: cluster.LogSource{Node: "bb", Service: "kubelet"}, State: "broken", Since: ago(12 * time.Second), Err: &cluster.Trouble{What: "bb refuses the connection"}},
	}}, noon)
	x.board.Logs.AppendBatch(0, [][]byte{[]byte("from a")}, noon)
	x.board.Logs.AppendBatch(1, [][]byte{[]byte("from bb")}, noon)
	x.board.Logs.AppendBatch(9, [][]byte{[]byte("from nowhere")}, noon)
	s := screenOf(logsOf(x), 80, 10)
	has(t, s, "a    from a", "bb   from bb", "?    from nowhere", "○ bb kubelet: broken for 10s: bb refuses the connection")
	hasNot(t, s, "a kubelet:")
}

func TestLogsOfAnOlderSelectionHaveNoNames(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	x.board.Logs.Reset()
	s := screenOf(logsOf(x), 80, 10)
	has(t, s, "asking for the log")
}

func TestLogsNeverShowLinesOfAnotherSelection(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := logsOf(x)
	has(t, screenOf(p, 80, 10), "SyncLoop")
	p.Receive(logsChosen{nodes: []string{"talos-test01"}, service: "etcd"})
	s := screenOf(p, 80, 10) // the session has not begun yet: the ring is the old one
	has(t, s, "asking for the log")
	hasNot(t, s, "SyncLoop")
	x.board.LogState.Set(cluster.LogState{Generation: x.board.Logs.Reset(), Sources: x.acts.followed[1]}, noon)
	has(t, screenOf(p, 80, 10), "no line has come yet")
}

func TestLogsForgetNodesOfAnotherCluster(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := logsOf(x)
	p.Receive(logsChosen{nodes: []string{"talos-test01"}})
	x.pane(keymap.Nodes).Render(80, 10, true)
	x.board.Nodes.Set(cluster.Inventory{Nodes: []cluster.Node{referenceNode("other", "10.0.0.1", cluster.RoleWorker)}}, noon)
	x.pane(keymap.Nodes).Render(80, 10, true)
	p.Tick()
	p.Tick()
	if f := x.acts.followed[len(x.acts.followed)-1]; len(f) != 1 || f[0].Node != "other" {
		t.Errorf("followed %v", f)
	}
}

// Another context may have nodes of the same names: the board is cleared, and the
// chosen logs are asked for anew, at the addresses that these nodes have.
func TestLogsAreFollowedAgainAfterASwitch(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := logsOf(x)
	p.Receive(logsChosen{nodes: []string{"talos-test01"}})
	asked := x.acts.followed[len(x.acts.followed)-1]
	x.board.LogState.Set(cluster.LogState{Generation: x.board.Logs.Reset(), Sources: asked}, noon)
	p.Render(80, 10, true)
	before := len(x.acts.followed)
	x.board.Nodes.Clear()
	x.board.LogState.Clear()
	x.board.Logs.Reset()
	p.Render(80, 10, true)
	if len(x.acts.followed) != before {
		t.Errorf("followed %v although no node is known", x.acts.followed[before:])
	}
	x.board.Nodes.Set(cluster.Inventory{Nodes: []cluster.Node{referenceNode("talos-test01", "10.0.0.1", cluster.RoleWorker)}}, noon)
	p.Render(80, 10, true)
	p.Render(80, 10, true)
	if got := x.acts.followed[before:]; len(got) != 1 || len(got[0]) != 1 || got[0][0].Address != "10.0.0.1" {
		t.Errorf("followed %v, want the node at its new address once", got)
	}
}

func TestLogsCountStreamsThatDoNotRun(t *testing.T) {
	x := newTheatre(ui.Look{})
	st := cluster.LogState{Generation: 1}
	for i := range 40 {
		src := cluster.LogSource{Node: fmt.Sprintf("n%02d", i), Service: "kubelet"}
		st.Sources = append(st.Sources, src)
		st.Streams = append(st.Streams, cluster.StreamState{Source: src, State: "connecting", Since: noon})
	}
	x.board.LogState.Set(st, noon)
	has(t, screenOf(logsOf(x), 80, 20), "n04 kubelet: connecting for <5s", "35 more streams not running")
}

// TestLogsOfASilentNode: an endpoint may hold the stream of a node open that
// answers nothing any more; that is not following.
func TestLogsOfASilentNode(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := logsOf(x)
	has(t, screenOf(p, 80, 20), "○ talos-test04 kubelet: the node has given no answer for 45s: connection refus")
	inv := referenceInventory()
	inv.Nodes[0].Machine.Err = nil
	x.board.Nodes.Set(inv, noon)
	hasNot(t, screenOf(p, 80, 20), "no answer")
	_, right := p.Title()
	if got := plainText(right); got != "● follow · 201 lines" {
		t.Errorf("the title says %q", got)
	}
}

func TestReadable(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{"ts":1795409336812.1,"caller":"a.go:1","msg":"hello world","v":0,"pod":"x/y","n":3,"o":{"a":1}}`, `hello world pod=x/y n=3 o={"a":1}  a.go:1`},
		{`I1123 04:53:26.014000    1155 kubelet.go:2400] "Sync \"LOOP\"" source="api" pods=["a/b"]`, `Sync "LOOP" source="api" pods=["a/b"]  kubelet.go:2400`},
		{`{"msg":"m","pod":{"name":"a","namespace":"b"},"node":{"name":"n"}}`, `m pod=b/a node=n`},
		{`E1123 04:53:26.014000    1155 a.go:1] plain [x] text`, `plain [x] text  a.go:1`},
		{`time="2026-11-23T04:53:26Z" level=warning msg="no such \"image\"" ref=docker.io/a error="a b"`, `no such "image" ref=docker.io/a error="a b"`},
		{`level=info component=a`, `level=info component=a`},
		{`a=b and more msg=x`, `a=b and more msg=x`},
		{`msg="cut off`, `msg="cut off`},
		{`{"level":"info","msg":"m","err":"two words"}`, `m err="two words"`},
		{`{"msg":"\u001b[2Jx\u202e"}`, "x"},
		{`{"msg":"cut off`, `{"msg":"cut off`},
		{`{"msg":"a"} trailing`, `{"msg":"a"} trailing`},
		{"plain", "plain"},
		{"2026-11-23T04:53:26.014Z INFO text", "text"},
	} {
		r := feed.NewRing(1, 1<<20)
		r.AppendBatch(0, [][]byte{[]byte(c.in)}, noon)
		l, _ := r.Load().Line(1)
		if got, caller := readable(l); got != c.want || caller > len(got) {
			t.Errorf("%s is shown as %q, want %q", c.in, got, c.want)
		}
	}
}

func TestLogsCommand(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := logsOf(x)
	p.Render(80, 10, true)
	if got := p.command(); got != "talosctl -n 192.168.13.14 logs kubelet --follow --tail 200" {
		t.Error(got)
	}
	p.Receive(logsChosen{service: cluster.Dmesg})
	if got := p.command(); !strings.HasPrefix(got, "talosctl -n 192.168.13.11,192.168.13.12,") || !strings.HasSuffix(got, " dmesg --follow --tail") {
		t.Error(got)
	}
}

func TestLogsTitleCountsWhatIsDrawn(t *testing.T) {
	x := newTheatre(ui.Look{})
	p := newLogs(&desk{board: x.board, acts: x.acts, th: x.th, now: func() time.Time { return x.now }})
	x.numbered(1, 20)
	p.Render(120, 10, true)
	x.numbered(21, 30) // come between the lines and the title of a frame
	if _, right := p.Title(); !strings.Contains(right, "20 lines") {
		t.Errorf("the title over 20 lines says %q", right)
	}
	if _, right := p.Title(); !strings.Contains(right, "30 lines") {
		t.Errorf("a title alone says %q", right)
	}
}
