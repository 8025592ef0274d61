package kube

import (
	"context"
	"testing"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/demo/kubed"
	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

// simulated starts a scene's Kubernetes API and opens a client of it.
func simulated(t *testing.T, name, user string) (*kubed.Server, *Client) {
	t.Helper()
	s, err := scene.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	server := kubed.New(s, kubed.Options{TimeScale: 20})
	if err := server.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	file, err := server.Kubeconfig(user)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := FromBytes(file, "the simulated cluster", "")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Open(cfg, Options{Version: "1.0.0", pace: &quick})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return server, c
}

func TestSimulatedNodesAndPods(t *testing.T) {
	t.Parallel()
	server, c := simulated(t, "still", kubed.UserAdmin)
	server.RecordCalls(1000)
	nodes := watchNodes(t, c)
	pods := &seen[map[string]cluster.PodCount]{}
	running(t, func(ctx context.Context) { c.WatchPodCounts(ctx, pods.emit) })
	list := nodes.until(t, "four nodes", func(n []cluster.KubeNode, err *cluster.Trouble) bool { return len(n) == 4 && err == nil })
	counts := pods.until(t, "pods", func(m map[string]cluster.PodCount, err *cluster.Trouble) bool { return len(m) == 4 && err == nil })
	for _, n := range list {
		if n.Ready != "True" || n.CPUMilli != 3950 || n.Kubelet == "" || len(n.Addresses) == 0 || n.UID == "" || counts[n.Name].Total == 0 {
			t.Errorf("%+v %+v", n, counts[n.Name])
		}
		if live, ok := c.Pods(n.Name); !ok || len(live) != counts[n.Name].Total {
			t.Errorf("%s: %d pods, counted %d", n.Name, len(live), counts[n.Name].Total)
		}
	}
	if list[0].Role != cluster.RoleControlPlane {
		t.Errorf("role %q", list[0].Role)
	}
	for _, call := range server.Calls() {
		if call.UserAgent != "talos-cockpit/1.0.0" {
			t.Errorf("user agent %q", call.UserAgent)
		}
	}
	if err := server.SetCordon("talos-test03", true, "kubectl-cordon"); err != nil {
		t.Fatal(err)
	}
	list = nodes.until(t, "the cordon", func(n []cluster.KubeNode, _ *cluster.Trouble) bool { return n[2].Unschedulable })
	if cordon := list[2].Cordon; cordon == nil || cordon.By != "kubectl-cordon" || cordon.At.IsZero() {
		t.Errorf("%+v", cordon)
	}
	server.SetKubelet("talos-test04", false)
	nodes.until(t, "a node that is not ready", func(n []cluster.KubeNode, _ *cluster.Trouble) bool { return n[3].Ready == "Unknown" })
}

func TestStillClusterEmitsNothing(t *testing.T) {
	t.Parallel()
	server, c := simulated(t, "still", kubed.UserAdmin)
	nodes, flux, health := watchNodes(t, c), watchFlux(t, c), watchHealth(t, c)
	pods := &seen[map[string]cluster.PodCount]{}
	running(t, func(ctx context.Context) { c.WatchPodCounts(ctx, pods.emit) })
	nodes.until(t, "nodes", func(n []cluster.KubeNode, _ *cluster.Trouble) bool { return len(n) == 4 })
	pods.until(t, "pods", func(m map[string]cluster.PodCount, _ *cluster.Trouble) bool { return len(m) == 4 })
	flux.until(t, "Flux", func(l cluster.FluxList, err *cluster.Trouble) bool { return len(l.Objects) > 0 && err == nil })
	_, _, a := nodes.get()
	_, _, b := pods.get()
	_, _, d := flux.get()
	server.RecordCalls(1000)
	eventually(t, "five looks at the health", func() bool {
		looks := 0
		for _, call := range server.Calls() {
			if call.Path == "/version" {
				looks++
			}
		}
		return looks >= 5
	})
	_, _, a2 := nodes.get()
	_, _, b2 := pods.get()
	_, _, d2 := flux.get()
	if a != a2 || b != b2 || d != d2 || health.count() != 1 {
		t.Errorf("emitted: nodes %d then %d, pods %d then %d, Flux %d then %d, health %d", a, a2, b, b2, d, d2, health.count())
	}
	for _, call := range server.Calls() {
		if call.Path != "/version" && call.Path != "/apis" {
			t.Errorf("asked for %s in a still cluster", call.Path)
		}
	}
}

func TestSimulatedOutage(t *testing.T) {
	t.Parallel()
	server, c := simulated(t, "still", kubed.UserAdmin)
	nodes, health := watchNodes(t, c), watchHealth(t, c)
	nodes.until(t, "nodes", func(n []cluster.KubeNode, _ *cluster.Trouble) bool { return len(n) == 4 })
	eventually(t, "a version", func() bool { return health.last().Version.GitVersion != "" })
	server.Pause()
	nodes.until(t, "the trouble", func(n []cluster.KubeNode, err *cluster.Trouble) bool { return len(n) == 4 && err != nil })
	eventually(t, "the health's trouble", func() bool { return health.last().Err != nil })
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
	nodes.until(t, "its end", func(_ []cluster.KubeNode, err *cluster.Trouble) bool { return err == nil })
	eventually(t, "health", func() bool { return health.last().Err == nil })
}

func TestSimulatedFlux(t *testing.T) {
	t.Parallel()
	_, c := simulated(t, "failing-kustomization", kubed.UserAdmin)
	s := watchFlux(t, c)
	list := s.until(t, "the failure", func(l cluster.FluxList, err *cluster.Trouble) bool {
		return err == nil && len(l.Objects) > 5 && failing(l) != nil
	})
	bad := failing(list)
	if bad.Name != "web" || bad.Reason == "" || bad.Message == "" || bad.Since.IsZero() || bad.Revision == "" {
		t.Errorf("%+v", bad)
	}
	good := object(list, "Kustomization", "flux-system")
	if good == nil || good.State != cluster.FluxReady || good.Source == nil {
		t.Fatalf("%+v", good)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	token, err := c.Reconcile(ctx, *good, true)
	if err != nil {
		t.Fatal(err)
	}
	if o, err := c.Outcome(ctx, *good, token); err != nil || o.State != cluster.FluxReady {
		t.Errorf("%+v %v", o, err)
	}
	if err := c.Suspend(ctx, *good); err != nil {
		t.Fatal(err)
	}
	list = s.until(t, "the suspension", func(l cluster.FluxList, _ *cluster.Trouble) bool {
		o := object(l, "Kustomization", "flux-system")
		return o != nil && o.State == cluster.FluxSuspended
	})
	if o := object(list, "Kustomization", "flux-system"); o.SuspendedBy != Manager || o.SuspendedAt.IsZero() {
		t.Errorf("suspended by %q at %s", o.SuspendedBy, o.SuspendedAt)
	}
	if err := c.Resume(ctx, *good); err != nil {
		t.Fatal(err)
	}
	if o, err := c.Outcome(ctx, *good, ""); err != nil {
		t.Errorf("%+v %v", o, err)
	}
}

func failing(l cluster.FluxList) *cluster.FluxObject {
	for i := range l.Objects {
		if l.Objects[i].State == cluster.FluxFailed {
			return &l.Objects[i]
		}
	}
	return nil
}

func object(l cluster.FluxList, kind, name string) *cluster.FluxObject {
	for i := range l.Objects {
		if o := &l.Objects[i]; o.Kind == kind && o.Name == name {
			return o
		}
	}
	return nil
}

func TestSimulatedRights(t *testing.T) {
	t.Parallel()
	_, admin := simulated(t, "still", kubed.UserAdmin)
	_, view := simulated(t, "still", kubed.UserView)
	wants := []Access{PatchNodes, EvictPods, DeleteNodes, DeletePods, CreateLeases, PatchFlux("kustomize.toolkit.fluxcd.io", "kustomizations", "apps")}
	for c, want := range map[*Client]bool{admin: true, view: false} {
		got, err := c.Can(t.Context(), wants)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range wants {
			if allowed, known := got[w].Get(); !known || allowed != want {
				t.Errorf("%+v: %v %v, want %v", w, allowed, known, want)
			}
		}
	}
	list, err := view.FluxKinds(t.Context())
	if err != nil || len(list) == 0 {
		t.Fatalf("%v %v", list, err)
	}
	s := watchFlux(t, view)
	objects := s.until(t, "objects", func(l cluster.FluxList, _ *cluster.Trouble) bool { return len(l.Objects) > 0 })
	checkTrouble(t, view.Suspend(t.Context(), objects.Objects[0]), cluster.TroubleForbidden, "may not patch")
	if _, err := view.MaintenanceLock(t.Context()); err != nil {
		t.Errorf("the lock of a view-only user: %v", err)
	}
}
