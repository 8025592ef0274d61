package kube

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

// healths collects what WatchHealth emits.
type healths struct {
	mu  sync.Mutex
	all []Health
}

func (h *healths) emit(v Health) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, v)
}

func (h *healths) last() Health {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.all) == 0 {
		return Health{}
	}
	return h.all[len(h.all)-1]
}

func (h *healths) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.all)
}

func watchHealth(t *testing.T, c *Client) *healths {
	t.Helper()
	h := &healths{}
	running(t, func(ctx context.Context) { c.WatchHealth(ctx, h.emit) })
	return h
}

func TestStoppedServerComesBack(t *testing.T) {
	t.Parallel()
	f, l := newFakeAPI(t), &link{}
	f.put(nodesPath, fakeNode("a", "True", "2026-01-01T00:00:00Z"))
	c := f.open(t, l.dial)
	nodes, health := watchNodes(t, c), watchHealth(t, c)
	eventually(t, "the node", func() bool { n, _, _ := nodes.get(); return len(n) == 1 })
	eventually(t, "the version", func() bool { return health.last().Version.GitVersion == "v1.37.2" })
	up := health.last().Since

	l.refuse(true)
	f.put(nodesPath, fakeNode("b", "True", "2026-01-01T00:00:00Z")) // while nobody looks
	eventually(t, "the nodes' trouble", func() bool { _, err, _ := nodes.get(); return err != nil && err.Kind == cluster.TroubleRefused })
	eventually(t, "the trouble", func() bool { h := health.last(); return h.Err != nil && h.Err.Kind == cluster.TroubleRefused })
	if n, _, _ := nodes.get(); len(n) != 1 {
		t.Errorf("the last nodes are lost: %v", n)
	}
	h := health.last()
	if !h.Since.After(up) || h.Version.GitVersion != "v1.37.2" || h.At.IsZero() {
		t.Errorf("%+v", h)
	}

	l.refuse(false)
	eventually(t, "both nodes", func() bool { n, err, _ := nodes.get(); return len(n) == 2 && err == nil })
	eventually(t, "health", func() bool { return health.last().Err == nil })
	if n := f.called("limit=500"); n != 1 {
		t.Errorf("listed %d times, want once", n)
	}
}

// TestRestartedServerForgets is what a real API server does: after its restart
// it knows no version from before, which is no trouble of its own.
func TestRestartedServerForgets(t *testing.T) {
	t.Parallel()
	f, l := newFakeAPI(t), &link{}
	f.put(nodesPath, fakeNode("a", "True", "2026-01-01T00:00:00Z"))
	nodes := &seen[[]cluster.KubeNode]{}
	var mu sync.Mutex
	var told []string
	c := f.open(t, l.dial)
	running(t, func(ctx context.Context) {
		c.WatchNodes(ctx, func(n []cluster.KubeNode, err *cluster.Trouble) {
			if err != nil {
				mu.Lock()
				told = append(told, err.What)
				mu.Unlock()
			}
			nodes.emit(n, err)
		})
	})
	nodes.until(t, "the node", func(n []cluster.KubeNode, _ *cluster.Trouble) bool { return len(n) == 1 })
	l.refuse(true)
	nodes.until(t, "the trouble", func(_ []cluster.KubeNode, err *cluster.Trouble) bool { return err != nil })
	f.put(nodesPath, fakeNode("b", "True", "2026-01-01T00:00:00Z"))
	f.forget()
	l.refuse(false)
	nodes.until(t, "both nodes", func(n []cluster.KubeNode, err *cluster.Trouble) bool { return len(n) == 2 && err == nil })
	mu.Lock()
	defer mu.Unlock()
	for _, what := range told {
		if !strings.Contains(what, "refuses the connection") {
			t.Errorf("told of %q", what)
		}
	}
}

func TestHungServerIsNoticed(t *testing.T) {
	t.Parallel()
	f, l := newFakeAPI(t), &link{}
	f.put(nodesPath, fakeNode("a", "True", "2026-01-01T00:00:00Z"))
	p := quick
	p.pingAfter, p.pingTimeout = 300*time.Millisecond, 200*time.Millisecond
	nodes := watchNodes(t, f.openAt(t, l.dial, p)) // and nothing else is asked: only the pings can tell
	eventually(t, "the watch", func() bool { return f.called("watch=true") == 1 })
	l.set(true)
	eventually(t, "the trouble", func() bool { _, err, _ := nodes.get(); return err != nil && err.Kind == cluster.TroubleTimeout })
	l.set(false)
	f.put(nodesPath, fakeNode("b", "True", "2026-01-01T00:00:00Z"))
	eventually(t, "both nodes", func() bool { n, err, _ := nodes.get(); return len(n) == 2 && err == nil })
	if limit := usual.pingAfter + usual.pingTimeout; limit > 10*time.Second {
		t.Errorf("a hung server is noticed after %s only", limit)
	}
}

func TestQuietHealthEmitsOnce(t *testing.T) {
	t.Parallel()
	f := newFakeAPI(t)
	h := watchHealth(t, f.open(t, nil))
	eventually(t, "several looks", func() bool { return f.called("/version") >= 3 })
	if n := h.count(); n != 1 {
		t.Errorf("emitted %d times, want once", n)
	}
}

func TestVersionIsDenied(t *testing.T) {
	t.Parallel()
	f := newFakeAPI(t)
	f.set(func() { f.denied["/version"] = "no" })
	v, err := f.open(t, nil).Version(t.Context())
	if err != nil || v.GitVersion != "" {
		t.Errorf("%+v %v: the server answers, the version is unknown", v, err)
	}
}

func TestCan(t *testing.T) {
	t.Parallel()
	f := newFakeAPI(t)
	c := f.open(t, nil)
	wants := []Access{PatchNodes, EvictPods, DeleteNodes, PatchFlux("kustomize.toolkit.fluxcd.io", "kustomizations", "apps")}
	for range 2 {
		got, err := c.Can(t.Context(), wants)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range wants {
			if allowed, known := got[w].Get(); !known || allowed != (w.Verb == "patch") {
				t.Errorf("%+v: %v %v", w, allowed, known)
			}
		}
	}
	if n := f.called("POST"); n != len(wants) {
		t.Errorf("asked %d times, want %d: the answers are kept", n, len(wants))
	}
	f.set(func() { f.denied["/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"] = "no" })
	got, err := c.Can(t.Context(), []Access{PatchNodes, DeletePods})
	if _, known := got[DeletePods].Get(); known || err == nil {
		t.Errorf("an answer that did not come is known: %v %v", got, err)
	}
	if allowed, known := got[PatchNodes].Get(); !known || !allowed {
		t.Errorf("the kept answer is lost: %v", got)
	}
}

func TestMaintenanceLock(t *testing.T) {
	t.Parallel()
	f := newFakeAPI(t)
	c := f.open(t, nil)
	if l, err := c.MaintenanceLock(t.Context()); err != nil || l.Held(time.Now()) {
		t.Errorf("%+v %v: there is no lease", l, err)
	}
	renewed := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	f.put("/apis/coordination.k8s.io/v1/leases", map[string]any{
		"kind": "Lease", "apiVersion": "coordination.k8s.io/v1", "metadata": map[string]any{"name": lockName, "namespace": lockNamespace},
		"spec": map[string]any{"holderIdentity": "jane@laptop", "leaseDurationSeconds": 60, "renewTime": "2026-01-01T10:00:00.000000Z", "acquireTime": "2026-01-01T09:00:00.000000Z"},
	})
	l, err := c.MaintenanceLock(t.Context())
	if err != nil || l.Holder != "jane@laptop" || !l.Renewed.Equal(renewed) || l.Duration != time.Minute {
		t.Errorf("%+v %v", l, err)
	}
	if !l.Held(renewed.Add(59*time.Second)) || l.Held(renewed.Add(61*time.Second)) {
		t.Error("the lock is not held for its duration")
	}
}
