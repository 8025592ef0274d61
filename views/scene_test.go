package views

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/talos-cockpit/talos-cockpit/board"
	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
	"github.com/talos-cockpit/talos-cockpit/health"
	"github.com/talos-cockpit/talos-cockpit/keymap"
	"github.com/talos-cockpit/talos-cockpit/ui"
)

// noon is the moment of all fixed scenes.
var noon = time.Date(2026, 8, 23, 14, 7, 21, 0, time.UTC)

func ago(d time.Duration) time.Time { return noon.Add(-d) }

const day = 24 * time.Hour

// fakeActs remembers what the screen asked for.
type fakeActs struct {
	followed [][]cluster.LogSource
	planned  []string
	did      []string
	answer   string
	err      error
	denied   string
}

func (a *fakeActs) FollowLogs(s []cluster.LogSource) {
	a.followed = append(a.followed, slices.Clone(s))
}
func (a *fakeActs) PlanFor(node string)  { a.planned = append(a.planned, node) }
func (a *fakeActs) Show(board.Visible)   {}
func (a *fakeActs) Refresh()             {}
func (a *fakeActs) SwitchContext(string) {}

func (a *fakeActs) Flux(_ context.Context, verb board.FluxVerb, o cluster.FluxObject) (string, error) {
	a.did = append(a.did, string(verb)+" "+refName(o.Ref))
	return a.answer, a.err
}

func (a *fakeActs) MayFlux(board.FluxVerb, cluster.FluxObject) (bool, string) {
	return a.denied == "", a.denied
}

// theatre is a board with its panes, and a clock that stands still until it is moved.
type theatre struct {
	board *board.Board
	acts  *fakeActs
	th    *ui.Theme
	now   time.Time
	panes []ui.Pane
}

func newTheatre(look ui.Look) *theatre {
	x := &theatre{board: board.New(1_100_000, 512<<20), acts: &fakeActs{}, th: ui.NewTheme(look), now: noon}
	x.panes = New(x.board, x.acts, x.th, func() time.Time { return x.now })
	return x
}

// reference fills the board with a cluster in which a bit of everything is wrong.
func (x *theatre) reference() *theatre {
	x.board.Status.Set(referenceStatus(), noon)
	x.board.Nodes.Set(referenceInventory(), noon)
	x.board.Flux.Set(referenceFlux(), noon)
	x.board.Plan.Set(referencePlan(), noon)
	x.logs(200)
	return x
}

func referenceStatus() cluster.Status {
	return cluster.Status{
		Cluster: "turingpi", Context: "admin@turingpi", TalosCtx: "turingpi", Server: "https://192.168.13.10:6443",
		Kubernetes: cluster.Reading[cluster.KubeVersion]{Value: cluster.KubeVersion{GitVersion: "v1.37.2"}, At: noon},
		Talos:      cluster.Reading[string]{Value: "v1.13.9", At: noon}, Proof: cluster.ProofSame,
	}
}

func trail(values ...float32) []float32 { return values }

var gapInTrail = float32(math.NaN())

func referenceNode(name, address string, role cluster.Role) cluster.Node {
	services := []cluster.Service{
		{ID: "apid", State: "Running", Healthy: cluster.Some(true)},
		{ID: "containerd", State: "Running", Healthy: cluster.Some(true)},
		{ID: "cri", State: "Running", Healthy: cluster.Some(true)},
		{ID: "kubelet", State: "Running", Healthy: cluster.Some(true)},
		{ID: "machined", State: "Running", Healthy: cluster.Some(true)},
		{ID: "udevd", State: "Running", Healthy: cluster.Some(true)},
	}
	if role == cluster.RoleControlPlane {
		services = append(services, cluster.Service{ID: "etcd", State: "Running", Healthy: cluster.Some(true)},
			cluster.Service{ID: "trustd", State: "Running", Healthy: cluster.Some(true)})
	}
	return cluster.Node{
		Name: name, Address: address, Role: role, KubeAt: noon,
		Machine: cluster.Reading[cluster.Machine]{At: noon, Value: cluster.Machine{
			Address: address, Endpoint: "192.168.13.11", Hostname: name, Version: "v1.13.9", Arch: "arm64", Platform: "metal", Role: role,
			Stage: cluster.StageRunning, Ready: cluster.Some(true), Services: services, CPU: cluster.Some(0.21), Cores: cluster.Some(4),
			Memory: cluster.Some(cluster.Usage{Used: 3 << 30, Total: 7634747392}), Disk: cluster.Some(cluster.Usage{Used: 11 << 30, Total: 58 << 30}),
			BootTime: cluster.Some(ago(41 * day)), BootID: "7f9c2ba4-e88f-4827-a6a2-0f0c6e1d7c11", UUID: "4c4c4544-0042-4d10-8035-b4c04f4a3033",
			Schematic: "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba", Extensions: []string{"iscsi-tools v0.2.0", "util-linux-tools 2.41"},
			Kernel: "6.18.44-talos", TimeSynced: cluster.Some(true),
		}},
		Member: &cluster.Member{ID: "m-" + name, Hostname: name, Role: role, OS: "Talos (v1.13.9)", Addresses: []string{address}},
		Kube: &cluster.KubeNode{
			Name: name, UID: "5d3f-" + name, Addresses: []string{address}, Role: role, Ready: "True", ReadySince: ago(12 * day), Kubelet: "v1.37.2",
			OSImage: "Talos (v1.13.9)", Runtime: "containerd://2.2.1", PodCapacity: 110,
			Labels:     map[string]string{"kubernetes.io/arch": "arm64", "kubernetes.io/hostname": name},
			Conditions: []cluster.Condition{{Type: "MemoryPressure", Status: "False"}, {Type: "Ready", Status: "True", Reason: "KubeletReady", Since: ago(12 * day)}},
		},
		Pods:     cluster.Some(cluster.PodCount{Total: 23}),
		CPUTrail: trail(.1, .2, .25, .2, .3, .5, .3, .21), MemTrail: trail(.4, .4, .41, .41, .42, .42, .42, .42),
		Repo: &cluster.RepoNode{Hostname: name, Version: "v1.13.9", Kubernetes: "v1.37.2", InstallDisk: "/dev/nvme0n1", ConfigFile: "turingpi-" + name + ".yaml", ConfigState: "absent"},
	}
}

func referenceInventory() cluster.Inventory {
	one := referenceNode("talos-test01", "192.168.13.11", cluster.RoleControlPlane)
	one.EtcdID, one.EtcdLead = 0x7310146d862230d8, true
	one.Etcd = &cluster.EtcdStatus{MemberID: one.EtcdID, Leader: one.EtcdID, Version: "3.7.0", DBSize: 43 << 20, DBInUse: 21 << 20, RaftIndex: 88123, RaftApplied: 88123, RaftTerm: 4}
	two := referenceNode("talos-test02", "192.168.13.12", cluster.RoleControlPlane)
	two.EtcdID = 0xc3d3020cf75b8728
	two.Etcd = &cluster.EtcdStatus{MemberID: two.EtcdID, Leader: one.EtcdID, Version: "3.7.0", DBSize: 43 << 20, DBInUse: 21 << 20, RaftIndex: 88121, RaftApplied: 88121, RaftTerm: 4}
	two.Kube.Unschedulable, two.Kube.Cordon = true, &cluster.Cordon{By: "kubectl-cordon", At: ago(6 * day)}
	two.Notes, two.Severity = []cluster.Note{{Severity: cluster.Info, Text: "cordoned by kubectl-cordon"}}, cluster.Info
	three := referenceNode("talos-test03", "192.168.13.13", cluster.RoleWorker)
	three.Machine.Value.CPU, three.CPUTrail = cluster.Some(0.94), trail(.6, .7, .9, gapInTrail, .95, .9, .99, .94)
	three.Machine.Value.Memory = cluster.Some(cluster.Usage{Used: 7 << 30, Total: 7634747392})
	three.Pods = cluster.Some(cluster.PodCount{Total: 41, NotReady: 2})
	three.Notes = []cluster.Note{{Severity: cluster.Warn, Text: "memory 98%"}, {Severity: cluster.Info, Text: "Talos v1.13.10 is pinned"}}
	three.Repo.Version, three.Severity = "v1.13.10", cluster.Warn
	four := referenceNode("talos-test04", "192.168.13.14", cluster.RoleWorker)
	four.Machine.At, four.Machine.Since = ago(52*time.Second), ago(48*time.Second)
	four.Machine.Err = &cluster.Trouble{Kind: cluster.TroubleRefused, What: "192.168.13.14 refuses the connection", Do: "see whether the machine is up"}
	four.Kube.Ready = "Unknown"
	four.Notes = []cluster.Note{{Severity: cluster.Bad, Text: "NotReady: the kubelet stopped reporting"}, {Severity: cluster.Unknown, Text: "Talos API: connection refused"}}
	four.Severity = cluster.Bad
	members := []cluster.EtcdMember{{ID: one.EtcdID, Hostname: one.Name}, {ID: two.EtcdID, Hostname: two.Name}}
	return cluster.Inventory{
		Nodes: []cluster.Node{four, three, one, two},
		Etcd: cluster.Etcd{AlarmsKnown: true, Answers: []cluster.EtcdAnswer{
			{Address: one.Address, Status: one.Etcd, Members: members, At: noon}, {Address: two.Address, Status: two.Etcd, Members: members, At: noon},
		}},
	}
}

func referenceFlux() cluster.FluxList {
	object := func(kind, short, namespace, name string, state cluster.FluxState, revision, message string, since time.Duration) cluster.FluxObject {
		return cluster.FluxObject{
			Ref: cluster.Ref{Kind: kind, Namespace: namespace, Name: name}, Group: "x.toolkit.fluxcd.io", Version: "v1", Plural: strings.ToLower(kind) + "s",
			Short: short, State: state, Revision: revision, Message: message, Since: ago(since), Interval: 10 * time.Minute, Generation: 3, Observed: 3,
		}
	}
	const rev = "main@sha1:1c9f3e2aa1b2c3d4e5f60718293a4b5c6d7e8f90"
	git := object("GitRepository", "git", "flux-system", "cluster", cluster.FluxReady, rev, "stored artifact for revision '"+rev+"'", 3*time.Minute)
	apps := object("Kustomization", "ks", "flux-system", "apps", cluster.FluxWaiting, rev, "dependency 'flux-system/infra' is not ready", 4*time.Minute)
	apps.DependsOn, apps.Source = []cluster.Ref{{Kind: "Kustomization", Namespace: "flux-system", Name: "infra"}}, &git.Ref
	infra := object("Kustomization", "ks", "flux-system", "infra", cluster.FluxFailed, rev, "kustomize build failed: accumulating resources: accumulation err='accumulating resources from './cilium': missing file", 4*time.Minute)
	infra.Source, infra.Attempted = &git.Ref, "main@sha1:aa10b7d0c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f6"
	infra.Reason = "BuildFailed"
	infra.Conditions = []cluster.Condition{{Type: "Ready", Status: "False", Reason: "BuildFailed", Message: infra.Message, Since: ago(4 * time.Minute)}}
	media := object("Kustomization", "ks", "flux-system", "media", cluster.FluxSuspended, rev, "", 6*day)
	media.Suspended, media.SuspendedBy, media.SuspendedAt = true, "flux", ago(6*day)
	cilium := object("HelmRelease", "hr", "kube-system", "cilium", cluster.FluxReady, "1.18.2", "Helm install succeeded for release kube-system/cilium.v1", 41*day)
	jellyfin := object("HelmRelease", "hr", "media", "jellyfin", cluster.FluxStalled, "3.4.1", "Failed to upgrade after 4 attempt(s)", 4*time.Hour)
	chart := object("HelmRepository", "helmrepo", "flux-system", "charts", cluster.FluxReady, "sha256:1234567890abcdef", "stored artifact: revision 'sha256:1234'", 3*time.Hour)
	cluster2 := object("Kustomization", "ks", "flux-system", "cluster", cluster.FluxReconciling, rev, "Reconciliation in progress", 8*time.Second)
	return cluster.FluxList{Installed: true, Objects: []cluster.FluxObject{git, apps, infra, media, cilium, jellyfin, chart, cluster2}}
}

func referencePlan() health.Plan {
	p := health.Plan{Node: "talos-test04", Role: cluster.RoleWorker, Refuse: "check 6 (other nodes) failed"}
	names := []string{"credentials", "clocks", "endpoints", "etcd", "quorum", "other nodes", "nobody else at work", "etcd snapshot", "machine config saved", "config to apply", "version and schematic", "install disk", "network", "drain forecast", "room for the pods", "Longhorn", "Flux"}
	for i, n := range names {
		c := health.Check{Number: i + 1, Name: n, Verdict: health.Pass, Evidence: "as it should be", At: ago(8 * time.Second), Command: "talosctl -n 192.168.13.14 version"}
		switch i + 1 {
		case 2:
			c.Verdict, c.Evidence, c.Remedy = health.UnknownV, "talos-test04 does not answer", "start the machine, or take the dead-node path"
		case 6:
			c.Verdict, c.Evidence, c.Details = health.Fail, "talos-test02 is cordoned by kubectl-cordon", []string{"talos-test02: cordoned by kubectl-cordon since 17 Aug", "talos-test03: memory 98%"}
			c.Remedy = "uncordon it, or find out who works there"
		case 17:
			c.Verdict, c.Evidence = health.WarnV, "3 of 8 objects are not ready"
		case 8, 9, 10, 11, 12, 13, 15, 16:
			c.Verdict, c.Evidence, c.Command = health.NotChecked, "not examined by this version", ""
		}
		p.Checks = append(p.Checks, c)
	}
	for i, n := range []string{"lock", "save", "cordon", "Longhorn", "drain", "consent", "reset", "delete the Node", "swap", "diff", "apply", "wait", "put back", "Longhorn disks", "uncordon", "compare"} {
		p.Steps = append(p.Steps, health.Step{
			Number: i + 1, Name: n, What: "what the step " + n + " does", Asks: i == 5 || i == 8, Final: i == 6,
			Command: []string{"kubectl drain talos-test04 --ignore-daemonsets --delete-emptydir-data"},
		})
	}
	return p
}

var sources = []cluster.LogSource{{Node: "talos-test04", Address: "192.168.13.14", Service: "kubelet"}}

// logs writes n kubelet lines, as the session does after a selection.
func (x *theatre) logs(n int) {
	gen := x.board.Logs.Reset()
	x.board.LogState.Set(cluster.LogState{Generation: gen, Sources: sources, Streams: []cluster.StreamState{
		{Source: sources[0], State: "following", Since: ago(time.Minute), Lines: uint64(n)},
	}}, noon)
	for i := range n {
		x.board.Logs.AppendBatch(0, [][]byte{logLine(i)}, noon)
		if i == n-12 {
			x.board.Logs.Mark(gen, 0, "talos-test04 kubelet: reconnected after 4s, 31 lines recovered", noon)
		}
	}
}

func logLine(i int) []byte {
	at := noon.Add(time.Duration(i-200) * 137 * time.Millisecond)
	switch i % 9 {
	case 4:
		return fmt.Appendf(nil, `{"ts":%d.5,"caller":"eviction/eviction_manager.go:369","msg":"Eviction manager: node memory pressure","v":0,"pod":"media/jellyfin-0"}`, at.UnixMilli())
	case 7:
		return []byte(at.Format("E0102 15:04:05.000000") + "    1155 kuberuntime_sandbox.go:1172] KillPodSandbox failed: rpc error: code = DeadlineExceeded")
	case 2:
		return []byte(at.Format("W0102 15:04:05.000000") + "    1155 watcher.go:93] Error while processing event 0x40000100 日本語 é: no such file")
	case 8:
		return []byte("a line that says neither when nor how grave")
	default:
		return []byte(at.Format("I0102 15:04:05.000000") + "    1155 kubelet.go:2400] \"SyncLoop UPDATE\" source=\"api\" pods=[\"kube-system/cilium-x7r2p\"]")
	}
}

// pane finds a pane by its scope.
func (x *theatre) pane(s keymap.Scope) ui.Pane {
	for _, p := range x.panes {
		if p.Scope() == s {
			return p
		}
	}
	return nil
}

// do carries out actions and hands what their commands return to the panes.
func (x *theatre) do(t *testing.T, p ui.Pane, actions ...keymap.Action) []tea.Msg {
	t.Helper()
	var out []tea.Msg
	for _, a := range actions {
		cmd, ok := p.Do(a)
		if !ok {
			t.Fatalf("%s does not know %s", p.Name(), a)
		}
		out = append(out, x.settle(cmd)...)
	}
	return out
}

// settle runs commands until nothing is left but messages for the shell.
func (x *theatre) settle(cmd tea.Cmd) []tea.Msg {
	if cmd == nil {
		return nil
	}
	var out []tea.Msg
	var take func(msg tea.Msg)
	take = func(msg tea.Msg) {
		if cmds, ok := sequence(msg); ok {
			for _, c := range cmds {
				if c != nil {
					take(c())
				}
			}
			return
		}
		for _, p := range x.panes {
			if r, ok := p.(ui.Receiver); ok {
				if next, taken := r.Receive(msg); taken {
					out = append(out, x.settle(next)...)
					return
				}
			}
		}
		out = append(out, msg)
	}
	take(cmd())
	return out
}

// typeText types into the prompt of the pane.
func typeText(t *testing.T, p ui.Pane, text string, end rune) {
	t.Helper()
	ty, ok := p.(ui.Typist)
	if !ok || !ty.Typing() {
		t.Fatalf("%s takes no text", p.Name())
	}
	for _, r := range text {
		ty.Type(tea.KeyPressMsg{Code: r, Text: string(r)})
	}
	if end != 0 {
		ty.Type(tea.KeyPressMsg{Code: end})
	}
}

// screenOf is the pane's lines without their looks.
func screenOf(p ui.Pane, w, h int) string {
	return plainText(strings.Join(p.Render(w, h, true), "\n"))
}

// plainText is s without escape sequences.
func plainText(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == 0x1b {
			for i < len(s) && s[i] != 'm' {
				i++
			}
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// searched waits until a filter has searched all lines.
func searched(t *testing.T, l *logs) {
	t.Helper()
	limit := time.Now().Add(20 * time.Second)
	for !l.filter.Matches().Done || l.filter.Matches().To < l.board.Logs.Load().Next {
		if time.Now().After(limit) {
			t.Fatal("the filter did not come to an end")
		}
		l.filter.Advance()
		waitForMark(l.board.Gate)
	}
}

// waitForMark waits until the gate is marked, at most a moment.
func waitForMark(g *feed.Gate) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	g.Pump(ctx, time.Nanosecond, func(feed.Topics) { cancel() })
}

var errBoom = errors.New("boom")

// sequence takes the commands out of tea.Sequence and tea.Batch.
func sequence(msg tea.Msg) ([]tea.Cmd, bool) {
	v := reflect.ValueOf(msg)
	if !v.IsValid() || v.Kind() != reflect.Slice || v.Type().Elem() != reflect.TypeFor[tea.Cmd]() {
		return nil, false
	}
	out := make([]tea.Cmd, v.Len())
	for i := range out {
		out[i], _ = v.Index(i).Interface().(tea.Cmd)
	}
	return out, true
}
