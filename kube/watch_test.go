package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

const (
	nodesPath = "/api/v1/nodes"
	podsPath  = "/api/v1/pods"
)

// seen collects what a watcher emits.
type seen[T any] struct {
	mu    sync.Mutex
	last  T
	err   *cluster.Trouble
	count int
}

func (s *seen[T]) emit(v T, err *cluster.Trouble) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last, s.err = v, err
	s.count++
}

func (s *seen[T]) get() (T, *cluster.Trouble, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last, s.err, s.count
}

// running runs f until the test ends, and waits for its end.
func running(t *testing.T, f func(ctx context.Context)) context.CancelFunc {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := background(plain, func() { f(ctx) })
	stop := func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

func watchNodes(t *testing.T, c *Client) *seen[[]cluster.KubeNode] {
	t.Helper()
	s := &seen[[]cluster.KubeNode]{}
	running(t, func(ctx context.Context) { c.WatchNodes(ctx, s.emit) })
	return s
}

func fakeNode(name, ready, heartbeat string) map[string]any {
	return map[string]any{
		"kind": "Node", "apiVersion": "v1",
		"metadata": map[string]any{"name": name, "uid": "u-" + name, "labels": map[string]any{"node-role.kubernetes.io/control-plane": ""}},
		"spec":     map[string]any{},
		"status": map[string]any{
			"addresses":   []any{map[string]any{"type": "Hostname", "address": name}, map[string]any{"type": "ExternalIP", "address": "1.2.3.4"}, map[string]any{"type": "InternalIP", "address": "192.168.13.11"}},
			"allocatable": map[string]any{"cpu": "3950m", "memory": "7Gi", "pods": "110"},
			"nodeInfo":    map[string]any{"kubeletVersion": "v1.37.2", "osImage": "Talos (v1.13.9)"},
			"images":      []any{map[string]any{"names": []any{"big"}, "sizeBytes": 1}},
			"conditions": []any{
				map[string]any{"type": "MemoryPressure", "status": "False"},
				map[string]any{"type": "DiskPressure", "status": "True"},
				map[string]any{"type": "Ready", "status": ready, "reason": "KubeletReady", "lastHeartbeatTime": heartbeat, "lastTransitionTime": "2026-01-01T00:00:00Z"},
			},
		},
	}
}

func TestWatchNodes(t *testing.T) {
	t.Parallel()
	f := newFakeAPI(t)
	f.put(nodesPath, fakeNode("talos-test02", "True", "2026-01-01T00:00:00Z"))
	f.put(nodesPath, fakeNode("talos-test01", "True", "2026-01-01T00:00:00Z"))
	s := watchNodes(t, f.open(t, nil))
	eventually(t, "two nodes", func() bool { n, _, _ := s.get(); return len(n) == 2 })
	nodes, err, _ := s.get()
	if err != nil || nodes[0].Name != "talos-test01" || nodes[1].Name != "talos-test02" {
		t.Fatalf("%v %v", nodes, err)
	}
	n := nodes[0]
	if n.Ready != "True" || n.CPUMilli != 3950 || n.Memory != 7<<30 || n.PodCapacity != 110 || n.Role != cluster.RoleControlPlane ||
		strings.Join(n.Addresses, " ") != "192.168.13.11 1.2.3.4" || strings.Join(n.Pressures, " ") != "DiskPressure" || n.Kubelet != "v1.37.2" {
		t.Errorf("%+v", n)
	}
	f.put(nodesPath, fakeNode("talos-test01", "Unknown", "2026-01-01T00:00:00Z"))
	eventually(t, "the change", func() bool { n, _, _ := s.get(); return n[0].Ready == "Unknown" })
	f.remove(nodesPath, "<nil>/talos-test02")
	eventually(t, "the removal", func() bool { n, _, _ := s.get(); return len(n) == 1 })
}

func TestHeartbeatsEmitNothing(t *testing.T) {
	t.Parallel()
	f := newFakeAPI(t)
	f.put(nodesPath, fakeNode("a", "True", "2026-01-01T00:00:00Z"))
	s := watchNodes(t, f.open(t, nil))
	eventually(t, "the node", func() bool { _, _, n := s.get(); return n == 1 })
	for i := range 5 {
		f.put(nodesPath, fakeNode("a", "True", fmt.Sprintf("2026-01-01T00:00:0%dZ", i+1)))
	}
	f.put(nodesPath, fakeNode("b", "True", "2026-01-01T00:00:00Z")) // what the heartbeats are followed by is seen
	eventually(t, "the second node", func() bool { n, _, _ := s.get(); return len(n) == 2 })
	if _, _, n := s.get(); n != 2 {
		t.Errorf("emitted %d times, want 2: a heartbeat is no change", n)
	}
}

func TestCordonSaysWho(t *testing.T) {
	t.Parallel()
	f := newFakeAPI(t)
	node := fakeNode("a", "True", "2026-01-01T00:00:00Z")
	node["spec"] = map[string]any{"unschedulable": true, "taints": []any{map[string]any{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}}}
	node["metadata"].(map[string]any)["managedFields"] = []any{
		map[string]any{"manager": "kubelet", "operation": "Update", "time": "2026-01-01T00:00:00Z", "fieldsV1": map[string]any{"f:spec": map[string]any{"f:podCIDR": map[string]any{}}}},
		map[string]any{"manager": "kubectl-cordon", "operation": "Update", "time": "2026-01-02T00:00:00Z", "fieldsV1": map[string]any{"f:spec": map[string]any{"f:unschedulable": map[string]any{}}}},
	}
	f.put(nodesPath, node)
	s := watchNodes(t, f.open(t, nil))
	eventually(t, "the node", func() bool { n, _, _ := s.get(); return len(n) == 1 })
	nodes, _, _ := s.get()
	c := nodes[0].Cordon
	if c == nil || c.By != "kubectl-cordon" || !c.At.Equal(time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)) || len(nodes[0].Taints) != 1 {
		t.Errorf("cordon %+v taints %v", c, nodes[0].Taints)
	}
}

func TestForgottenVersion(t *testing.T) {
	t.Parallel()
	f := newFakeAPI(t)
	f.put(nodesPath, fakeNode("a", "True", "2026-01-01T00:00:00Z"))
	s := watchNodes(t, f.open(t, nil))
	eventually(t, "the node", func() bool { n, _, _ := s.get(); return len(n) == 1 })
	f.set(func() { f.objects[nodesPath] = map[string]any{} }) // gone without an event
	f.forget()
	eventually(t, "a new list", func() bool { n, _, _ := s.get(); return len(n) == 0 })
	f.put(nodesPath, fakeNode("b", "True", "2026-01-01T00:00:00Z"))
	eventually(t, "a new watch", func() bool { n, err, _ := s.get(); return len(n) == 1 && n[0].Name == "b" && err == nil })
}

func TestEndedWatchResumes(t *testing.T) {
	t.Parallel()
	f := newFakeAPI(t)
	f.put(nodesPath, fakeNode("a", "True", "2026-01-01T00:00:00Z"))
	s := watchNodes(t, f.open(t, nil))
	eventually(t, "the watch", func() bool { return f.called("watch=true") == 1 })
	f.endWatches()
	f.put(nodesPath, fakeNode("b", "True", "2026-01-01T00:00:00Z"))
	eventually(t, "the next watch", func() bool { n, err, _ := s.get(); return len(n) == 2 && err == nil })
	if n := f.called("limit=500"); n != 1 {
		t.Errorf("listed %d times, want once: the watch resumes where it ended", n)
	}
}

func TestWatchesThatEndAtOnce(t *testing.T) {
	t.Parallel()
	f := newFakeAPI(t)
	f.put(nodesPath, fakeNode("a", "True", "2026-01-01T00:00:00Z"))
	f.set(func() { f.short = true })
	s := watchNodes(t, f.open(t, nil))
	eventually(t, "the reason", func() bool {
		n, err, _ := s.get()
		return len(n) == 1 && err != nil && strings.Contains(err.What, "ends each watch at once")
	})
	if n := f.called("watch=true"); n > 6 {
		t.Errorf("%d watches already: there is no backoff", n)
	}
}

func TestRefusalsOfAStartingServer(t *testing.T) {
	t.Parallel()
	f := follower[int]{tries: 100} // it was away for long
	refusal, away := apierrors.NewForbidden(schema.GroupResource{Resource: "nodes"}, "", nil), errors.New("away")
	for i := range surelyNot {
		if d := f.delay(refusal); d > 2*retryMost {
			t.Fatalf("refused for the time %d: asked again after %s", i+1, d)
		}
	}
	if d := f.delay(refusal); d < 2*retryMost {
		t.Errorf("a right that stays missing is asked for after %s", d)
	}
	f.delay(away)
	if d := f.delay(refusal); d > 2*retryMost {
		t.Errorf("after a restart: asked again after %s", d)
	}
}

func TestForbiddenNodes(t *testing.T) {
	t.Parallel()
	f := newFakeAPI(t)
	f.set(func() {
		f.denied[nodesPath] = `nodes is forbidden: User "jane" cannot list resource "nodes" in API group "" at the cluster scope`
	})
	s := watchNodes(t, f.open(t, nil))
	eventually(t, "the refusal", func() bool { _, err, _ := s.get(); return err != nil })
	nodes, err, _ := s.get()
	if nodes != nil || err.Kind != cluster.TroubleForbidden || !strings.Contains(err.What, `user "jane" may not list nodes`) {
		t.Errorf("%v %+v", nodes, err)
	}
}

func fakePod(i int, node string, ready string) map[string]any {
	return map[string]any{
		"kind": "Pod", "apiVersion": "v1",
		"metadata": map[string]any{
			"name": fmt.Sprintf("pod-%05d", i), "namespace": "apps", "uid": fmt.Sprintf("uid-%d", i),
			"ownerReferences": []any{map[string]any{"kind": "ReplicaSet", "name": "r", "controller": true}},
		},
		"spec":   map[string]any{"nodeName": node},
		"status": map[string]any{"phase": "Running", "conditions": []any{map[string]any{"type": "Ready", "status": ready}}},
	}
}

func TestPodCounts(t *testing.T) {
	t.Parallel()
	f := newFakeAPI(t)
	for i := range 1203 {
		f.put(podsPath, fakePod(i, fmt.Sprintf("node-%d", i%3), "True"))
	}
	done := fakePod(2000, "node-0", "False")
	done["status"] = map[string]any{"phase": "Succeeded"}
	f.put(podsPath, done)
	f.put(podsPath, fakePod(2001, "node-0", "False"))
	f.put(podsPath, fakePod(2002, "", "False"))
	c := f.open(t, nil)
	if _, live := c.Pods("node-0"); live {
		t.Error("pods are live before anybody watches")
	}
	s := &seen[map[string]cluster.PodCount]{}
	stop := running(t, func(ctx context.Context) { c.WatchPodCounts(ctx, s.emit) })
	eventually(t, "the counts", func() bool { n, _, _ := s.get(); return len(n) == 3 })
	counts, err, _ := s.get()
	if err != nil || counts["node-0"] != (cluster.PodCount{Total: 403, NotReady: 1}) || counts["node-1"] != (cluster.PodCount{Total: 401}) {
		t.Errorf("%v %v", counts, err)
	}
	if n := f.called("limit=500"); n != 3 {
		t.Errorf("%d pages, want 3: %v", n, f.calls)
	}
	pods, live := c.Pods("node-0")
	if !live || len(pods) != 403 || pods[0].Name != "pod-00000" || pods[0].OwnerKind != "ReplicaSet" || !pods[0].Ready || pods[0].UID != "uid-0" {
		t.Errorf("%v %d %+v", live, len(pods), pods[0])
	}
	pod := fakePod(1, "node-1", "True")
	pod["metadata"].(map[string]any)["annotations"] = map[string]any{"x": "y"}
	f.put(podsPath, pod) // shows nothing
	f.put(podsPath, fakePod(4, "node-1", "False"))
	eventually(t, "the change", func() bool { n, _, _ := s.get(); return n["node-1"].NotReady == 1 })
	if _, _, n := s.get(); n != 2 {
		t.Errorf("emitted %d times, want 2", n)
	}
	stop()
}

func TestPagesThatAreForgotten(t *testing.T) {
	t.Parallel()
	f := newFakeAPI(t)
	for i := range 700 {
		f.put(podsPath, fakePod(i, "node-0", "True"))
	}
	f.forget()
	c := f.open(t, nil)
	s := &seen[map[string]cluster.PodCount]{}
	running(t, func(ctx context.Context) { c.WatchPodCounts(ctx, s.emit) })
	eventually(t, "the counts", func() bool { n, _, _ := s.get(); return n["node-0"].Total == 700 })
	if f.called("continue=500") != 1 {
		t.Error("the second page was not asked for")
	}
}
