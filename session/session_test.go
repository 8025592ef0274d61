package session

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/role"
	"go.uber.org/goleak"

	"github.com/talos-cockpit/talos-cockpit/board"
	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/demo"
	"github.com/talos-cockpit/talos-cockpit/health"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 40 * time.Second

// world is a demo cluster with its files and a session connected to it.
type world struct {
	demo  *demo.Cluster
	dir   string
	board *board.Board
	s     *Session
}

func startDemo(t *testing.T, scene string) (*demo.Cluster, string) {
	t.Helper()
	c, err := demo.Start(t.Context(), scene, demo.Options{TimeScale: 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	dir := t.TempDir()
	if err := c.WriteFiles(t.Context(), dir, true); err != nil {
		t.Fatal(err)
	}
	return c, dir
}

func places(dir string) Places {
	return Places{Dir: dir, Home: dir, Repo: dir, Talosconfig: filepath.Join(dir, "talosconfig"), Kubeconfig: filepath.Join(dir, "kubeconfig"), Env: func(string) string { return "" }}
}

func start(t *testing.T, scene string, change func(*Options)) *world {
	t.Helper()
	c, dir := startDemo(t, scene)
	w := &world{demo: c, dir: dir, board: board.New(100_000, 8<<20)}
	o := Options{Places: places(dir), Dial: c.Dialer(), Version: "test"}
	if change != nil {
		change(&o)
	}
	w.run(t, o)
	return w
}

func (w *world) run(t *testing.T, o Options) {
	t.Helper()
	w.s = New(w.board, o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.s.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

// until waits for the condition and says what was seen last if it never holds.
func until(t *testing.T, what string, ok func() (bool, string)) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		good, seen := ok()
		if good {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s; seen last: %s", what, patience, seen)
		}
		<-tick.C
	}
}

func (w *world) node(name string) cluster.Node {
	for _, n := range w.board.Nodes.Load().Value.Nodes {
		if n.Name == name {
			return n
		}
	}
	return cluster.Node{}
}

func (w *world) untilNodes(t *testing.T, want int) {
	t.Helper()
	until(t, "all sources know all nodes", func() (bool, string) {
		good, seen := 0, ""
		for _, n := range w.board.Nodes.Load().Value.Nodes {
			seen += n.Name + " "
			if n.Machine.Fresh() && n.Kube != nil && n.Member != nil && n.Repo != nil && n.Pods.Known {
				good++
			}
		}
		return good == want && len(w.board.Nodes.Load().Value.Nodes) == want, seen
	})
}

func (w *world) untilProof(t *testing.T, want cluster.Proof) cluster.Status {
	t.Helper()
	until(t, "the proof", func() (bool, string) {
		s := w.board.Status.Load().Value
		return s.Proof == want, string(s.Proof) + ": " + s.ProofWhy
	})
	return w.board.Status.Load().Value
}

func TestReferenceCluster(t *testing.T) {
	w := start(t, "turingpi", nil)
	w.untilNodes(t, 4)
	s := w.untilProof(t, cluster.ProofSame)
	if s.ReadOnly != "" {
		t.Errorf("read-only although proven: %s", s.ReadOnly)
	}
	if s.Cluster != "turingpi" || s.Context != "admin@turingpi" || len(s.Endpoints) != 2 {
		t.Errorf("identity is %q %q %v", s.Cluster, s.Context, s.Endpoints)
	}
	until(t, "etcd", func() (bool, string) {
		a, b := w.node("talos-test01"), w.node("talos-test02")
		return a.EtcdID != 0 && b.EtcdID != 0 && a.EtcdLead != b.EtcdLead, "no leader"
	})
	until(t, "all is well", func() (bool, string) {
		for _, n := range w.board.Nodes.Load().Value.Nodes {
			if n.Severity > cluster.Info {
				return false, fmt.Sprint(n.Name, n.Notes)
			}
		}
		return true, ""
	})
	until(t, "Flux", func() (bool, string) {
		f := w.board.Flux.Load()
		return f.Has() && f.Value.Installed && len(f.Value.Objects) > 10, "not listed"
	})
}

func TestHungAndRefusedNodes(t *testing.T) {
	w := start(t, "hung-and-refused", nil)
	for name, kind := range map[string]cluster.TroubleKind{"talos-test03": cluster.TroubleTimeout, "talos-test04": cluster.TroubleRefused} {
		until(t, name+" says why", func() (bool, string) {
			r := w.node(name).Machine
			if r.Err == nil {
				return false, "no trouble"
			}
			return r.Err.Kind == kind && !r.Since.IsZero(), r.Err.Error()
		})
	}
	for _, name := range []string{"talos-test01", "talos-test02"} {
		until(t, name+" is fresh", func() (bool, string) { return w.node(name).Machine.Fresh(), "not fresh" })
	}
	if n := w.node("talos-test04"); n.Severity != cluster.Unknown {
		t.Errorf("talos-test04 is %s (%v), want unknown", n.Severity, n.Notes)
	}
}

func TestNodeComesBack(t *testing.T) {
	w := start(t, "refused-node", nil)
	until(t, "trouble", func() (bool, string) { return w.node("talos-test04").Machine.Err != nil, "none" })
	w.demo.Talos.Node("talos-test04").SetFault("")
	until(t, "back by itself", func() (bool, string) {
		r := w.node("talos-test04").Machine
		if r.Err != nil {
			return false, r.Err.Error()
		}
		return r.Fresh(), "not fresh"
	})
}

func TestKubernetesGoesAndComesBack(t *testing.T) {
	w := start(t, "turingpi", nil)
	w.untilNodes(t, 4)
	w.demo.Kube.Pause()
	until(t, "the trouble is told", func() (bool, string) {
		return w.board.Nodes.Load().Value.KubeErr != nil && w.board.Flux.Load().Err != nil && w.board.Status.Load().Value.Kubernetes.Err != nil, "silence"
	})
	if inv := w.board.Nodes.Load().Value; len(inv.Nodes) != 4 || w.node("talos-test01").Kube == nil {
		t.Errorf("the last known nodes are gone: %d rows", len(inv.Nodes))
	}
	if err := w.demo.Kube.Resume(); err != nil {
		t.Fatal(err)
	}
	until(t, "it catches up by itself", func() (bool, string) {
		inv := w.board.Nodes.Load().Value
		if inv.KubeErr != nil {
			return false, inv.KubeErr.Error()
		}
		return w.board.Flux.Load().Err == nil && w.board.Status.Load().Value.Kubernetes.Err == nil, "still old"
	})
}

func TestDifferentClusters(t *testing.T) {
	_, other := startDemo(t, "single")
	w := start(t, "turingpi", func(o *Options) { o.Places.Kubeconfig = filepath.Join(other, "kubeconfig") })
	s := w.untilProof(t, cluster.ProofDifferent)
	if !strings.Contains(s.ReadOnly, "different clusters") {
		t.Errorf("actions are allowed on two different clusters: %q", s.ReadOnly)
	}
	o := cluster.FluxObject{Ref: cluster.Ref{Kind: "Kustomization", Namespace: "flux-system", Name: "apps"}, State: cluster.FluxReady}
	if ok, why := w.s.MayFlux(board.FluxSuspend, o); ok || !strings.Contains(why, "different clusters") {
		t.Errorf("suspend is offered: %v %q", ok, why)
	}
	if _, err := w.s.Flux(t.Context(), board.FluxSuspend, o); err == nil || !strings.Contains(err.Error(), "different clusters") {
		t.Errorf("suspend was not refused: %v", err)
	}
}

func TestReaderRoleIsProvenByItsNodes(t *testing.T) {
	c, dir := startDemo(t, "turingpi")
	reader, err := c.Talos.Talosconfig(role.Reader, []string{c.Scene.Nodes[0].Address})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "reader")
	if err := os.WriteFile(path, reader, 0o600); err != nil {
		t.Fatal(err)
	}
	w := &world{demo: c, dir: dir, board: board.New(1000, 1<<20)}
	p := places(dir)
	p.Talosconfig = path
	w.run(t, Options{Places: p, Dial: c.Dialer()})
	w.untilNodes(t, 4)
	if s := w.untilProof(t, cluster.ProofSame); !strings.Contains(s.ProofWhy, "members") {
		t.Errorf("a reader cannot know the CA, but the proof is %q", s.ProofWhy)
	}
}

func TestKubeconfigFetchedThroughTalos(t *testing.T) {
	w := start(t, "turingpi", func(o *Options) {
		o.Places.Kubeconfig, o.Places.Repo, o.Places.Home, o.Places.Dir = "", "", t.TempDir(), t.TempDir()
	})
	w.untilProof(t, cluster.ProofSame)
	if s := w.board.Status.Load().Value; s.Kubeconfig != "the Talos API" {
		t.Errorf("kubeconfig is from %q", s.Kubeconfig)
	}
}

func TestBadFilesAreNamed(t *testing.T) {
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken")
	if err := os.WriteFile(broken, []byte("context: a\ncontexts:\n  a: {\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := &world{board: board.New(1, 1)}
	w.run(t, Options{Places: Places{Talosconfig: broken, Kubeconfig: filepath.Join(dir, "missing"), Dir: dir, Home: dir, Env: func(string) string { return "" }}})
	until(t, "both are named", func() (bool, string) {
		text := ""
		for _, tr := range w.board.Status.Load().Value.Troubles {
			text += tr.What + " | "
		}
		return strings.Contains(text, broken+":3") && strings.Contains(text, "missing"), text
	})
}

func TestFollowLogs(t *testing.T) {
	w := start(t, "turingpi", nil)
	source := cluster.LogSource{Node: "talos-test03", Address: "192.168.13.13", Service: "kubelet"}
	w.s.FollowLogs([]cluster.LogSource{source})
	until(t, "lines", func() (bool, string) { return w.board.Logs.Load().Len() > 10, "none" })
	until(t, "following", func() (bool, string) {
		st := w.board.LogState.Load().Value
		return len(st.Streams) == 1 && st.Streams[0].State == "following", "not following"
	})
	first := w.board.Logs.Load().Generation
	w.s.FollowLogs([]cluster.LogSource{{Node: "talos-test01", Address: "192.168.13.11", Service: cluster.Dmesg}})
	until(t, "the new selection", func() (bool, string) {
		st := w.board.LogState.Load().Value
		return st.Generation > first && len(st.Sources) == 1 && st.Sources[0].Service == cluster.Dmesg && w.board.Logs.Load().Len() > 0, "old"
	})
}

func TestPlan(t *testing.T) {
	w := start(t, "turingpi", nil)
	w.untilNodes(t, 4)
	w.untilProof(t, cluster.ProofSame)
	w.s.Show(board.Visible{Nodes: true, Exchange: true})
	w.s.PlanFor("talos-test03")
	until(t, "the plan of a worker", func() (bool, string) {
		p := w.board.Plan.Load().Value
		seen := ""
		unknown := 0
		for _, c := range p.Checks {
			if c.Verdict == health.UnknownV {
				unknown++
				seen += c.Name + ": " + c.Evidence + "; "
			}
		}
		return p.Node == "talos-test03" && len(p.Checks) == 17 && len(p.Steps) == 16 && unknown == 0, p.Node + " " + seen
	})
	for _, c := range w.board.Plan.Load().Value.Checks {
		t.Logf("%2d %-20s %-12s %s", c.Number, c.Name, c.Verdict, c.Evidence)
	}
}

func TestFluxActs(t *testing.T) {
	w := start(t, "turingpi", nil)
	w.untilProof(t, cluster.ProofSame)
	find := func() (o cluster.FluxObject) {
		for _, o := range w.board.Flux.Load().Value.Objects {
			if o.Kind == "Kustomization" && o.Name == "apps" {
				return o
			}
		}
		return o
	}
	until(t, "ready", func() (bool, string) { return find().State == cluster.FluxReady, string(find().State) })
	if _, err := w.s.Flux(t.Context(), board.FluxSuspend, find()); err != nil {
		t.Fatal(err)
	}
	until(t, "suspended", func() (bool, string) { return find().Suspended, "not suspended" })
	if o := find(); o.SuspendedBy != "talos-cockpit" {
		t.Errorf("suspended by %q", o.SuspendedBy)
	}
	if ok, why := w.s.MayFlux(board.FluxReconcile, find()); ok || !strings.Contains(why, "suspended") {
		t.Errorf("reconcile of a suspended object is offered: %v %q", ok, why)
	}
	if _, err := w.s.Flux(t.Context(), board.FluxResume, find()); err != nil {
		t.Fatal(err)
	}
	said, err := w.s.Flux(t.Context(), board.FluxReconcile, find())
	if err != nil || !strings.Contains(said, "reconciled") {
		t.Errorf("reconcile: %q %v", said, err)
	}
}

func TestReadOnlyRefuses(t *testing.T) {
	w := start(t, "turingpi", func(o *Options) { o.ReadOnly = true })
	w.untilProof(t, cluster.ProofSame)
	if _, err := w.s.Flux(t.Context(), board.FluxReconcile, cluster.FluxObject{}); err == nil || !strings.Contains(err.Error(), "--read-only") {
		t.Errorf("not refused: %v", err)
	}
}

func TestSwitchContext(t *testing.T) {
	one, dir := startDemo(t, "turingpi")
	w := &world{demo: one, dir: dir, board: board.New(1000, 1<<20)}
	cfg, err := os.ReadFile(filepath.Join(dir, "talosconfig"))
	if err != nil {
		t.Fatal(err)
	}
	// A second context of the same file, with the endpoints in another order.
	text := string(cfg)
	body := text[strings.Index(text, "    turingpi:\n"):]
	text += strings.Replace(body, "    turingpi:\n", "    second:\n", 1)
	if err := os.WriteFile(filepath.Join(dir, "talosconfig"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w.run(t, Options{Places: places(dir), Dial: one.Dialer()})
	w.untilProof(t, cluster.ProofSame)
	if s := w.board.Status.Load().Value; len(s.Contexts) != 2 {
		t.Fatalf("contexts %v, want two", s.Contexts)
	}
	w.s.Show(board.Visible{Nodes: true, Exchange: true})
	w.s.PlanFor("talos-test03")
	planned := func() (bool, string) {
		p := w.board.Plan.Load()
		return p.Has() && p.Value.Node == "talos-test03", p.Value.Node
	}
	until(t, "a plan", planned)
	w.s.SwitchContext("second")
	until(t, "the other context", func() (bool, string) {
		s := w.board.Status.Load().Value
		return s.TalosCtx == "second" && s.Proof == cluster.ProofSame, s.TalosCtx
	})
	w.untilNodes(t, 4)
	until(t, "the plan of the same node", planned)
}
