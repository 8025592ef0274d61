package kube

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"
	"unique"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
)

// Pod is the little that is kept of each pod.
type Pod struct {
	Namespace, Name, UID string
	Node                 string // empty: not bound yet
	Phase                string // Pending, Running, Succeeded, Failed, Unknown
	OwnerKind            string // of the controlling owner, such as ReplicaSet or Node; empty: a bare pod
	Ready                bool
	Deleting             time.Time // since when it is being deleted; zero: it is not
}

func samePod(a, b Pod) bool { return a == b }

// WatchPodCounts follows all pods until ctx ends. It calls emit, from one
// goroutine at a time, with the pods bound to each node (by the node's name)
// once they are listed and after each change of a count. An error says why the
// counts, kept as they were last known, cannot be followed at the moment; a nil
// map with an error: they were never known. At most one call at a time.
func (c *Client) WatchPodCounts(ctx context.Context, emit func(map[string]cluster.PodCount, *cluster.Trouble)) {
	changed := newBell()
	c.pods.onChange(changed.ring)
	changed.ring() // a second call starts with what is known
	f := builtin(c, "pods", "list pods", c.pods, func() runtime.Object { return &corev1.PodList{} }, podRow)
	done := background(c.spawn, func() { f.run(ctx) })
	var last map[string]cluster.PodCount
	var lastErr *cluster.Trouble
	changed.each(ctx, pause, func() {
		counts, err := countPods(c.pods)
		if counts == nil && err == nil {
			return
		}
		if last != nil && maps.Equal(counts, last) && sameTrouble(err, lastErr) {
			return
		}
		last, lastErr = counts, err
		emit(maps.Clone(counts), err)
	})
	<-done
}

func countPods(t *table[Pod]) (counts map[string]cluster.PodCount, trouble *cluster.Trouble) {
	t.read(func(rows map[types.NamespacedName]Pod, synced bool, err *cluster.Trouble) {
		trouble = err
		if !synced {
			return
		}
		counts = map[string]cluster.PodCount{}
		for _, p := range rows {
			if p.Node == "" {
				continue
			}
			n := counts[p.Node]
			n.Total++
			if !p.Ready && p.Phase != string(corev1.PodSucceeded) {
				n.NotReady++
			}
			counts[p.Node] = n
		}
	})
	return counts, trouble
}

// Pods returns the pods bound to a node, sorted by namespace and name, and
// whether they are known and followed live: WatchPodCounts must be running.
func (c *Client) Pods(node string) (pods []Pod, live bool) {
	c.pods.read(func(rows map[types.NamespacedName]Pod, synced bool, err *cluster.Trouble) {
		live = synced && err == nil
		for _, p := range rows {
			if p.Node == node {
				pods = append(pods, p)
			}
		}
	})
	slices.SortFunc(pods, func(a, b Pod) int {
		if d := strings.Compare(a.Namespace, b.Namespace); d != 0 {
			return d
		}
		return strings.Compare(a.Name, b.Name)
	})
	return pods, live
}

func podRow(o runtime.Object) (Pod, bool) {
	p, ok := o.(*corev1.Pod)
	if !ok {
		return Pod{}, false
	}
	row := Pod{
		Namespace: shared(p.Namespace), Name: feed.Clean(p.Name), UID: feed.Clean(string(p.UID)),
		Node: shared(p.Spec.NodeName), Phase: shared(string(p.Status.Phase)),
	}
	for _, owner := range p.OwnerReferences {
		if owner.Controller != nil && *owner.Controller {
			row.OwnerKind = shared(owner.Kind)
		}
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			row.Ready = c.Status == corev1.ConditionTrue
		}
	}
	if p.DeletionTimestamp != nil {
		row.Deleting = p.DeletionTimestamp.Time
	}
	return row, true
}

// shared is one clean copy of a text that many pods have.
func shared(s string) string { return unique.Make(feed.Clean(s)).Value() }
