package kube

import (
	"context"
	"testing"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

func TestPodsOfANodeAreListedOnceWhileNothingHappens(t *testing.T) {
	t.Parallel()
	f := newFakeAPI(t)
	f.put(podsPath, fakePod(1, "node-0", "True"))
	c := f.open(t, nil)
	ask := func(node string, lists int) {
		t.Helper()
		before := f.called(podsPath, "fieldSelector")
		pods, err := c.podsOnce(t.Context(), node)
		if err != nil || len(pods) == 0 || pods[0].Name == "" {
			t.Fatalf("%v %v", pods, err)
		}
		if n := f.called(podsPath, "fieldSelector") - before; n != lists {
			t.Errorf("%d lists, want %d", n, lists)
		}
	}
	ask("node-0", 1)
	ask("node-0", 1) // nobody follows the pods
	s := &seen[map[string]cluster.PodCount]{}
	stop := running(t, func(ctx context.Context) { c.WatchPodCounts(ctx, s.emit) })
	eventually(t, "the counts", func() bool { n, _, _ := s.get(); return n["node-0"].Total == 1 })
	ask("node-0", 1)
	ask("node-0", 0)
	ask("node-1", 1)
	before, _ := c.pods.seen()
	pod := fakePod(1, "node-0", "True")
	pod["metadata"].(map[string]any)["labels"] = map[string]any{"x": "y"}
	f.put(podsPath, pod) // shows nothing, but a budget may look at it
	eventually(t, "the event", func() bool { now, _ := c.pods.seen(); return now != before })
	ask("node-1", 1)
	ask("node-1", 0)
	stop()
}
