package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

// outage is how long the API server is away: TALOS_COCKPIT_E2E_OUTAGE, such as 60s.
func outage(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("TALOS_COCKPIT_E2E_OUTAGE")
	if text == "" {
		return 5 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("TALOS_COCKPIT_E2E_OUTAGE: %v", err)
	}
	return d
}

// apiAway runs f while the API server is away, and brings it back in any case.
func apiAway(t *testing.T, away func(context.Context) error, f func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if err := away(ctx); err != nil {
		t.Fatal(err)
	}
	back := false
	defer func() {
		if !back { // f ended the test
			after, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
			defer cancel()
			if err := lab.bed.StartAPI(after); err != nil {
				t.Error(err)
			}
		}
	}()
	f()
	back = true
	if err := lab.bed.StartAPI(ctx); err != nil {
		t.Fatal(err)
	}
}

// silent are the sources that do not say that Kubernetes is away.
func (w *world) silent(kind cluster.TroubleKind) string {
	var out []string
	say := func(source string, err error) {
		t, ok := err.(*cluster.Trouble) //nolint:errorlint // the data layer hands over nothing else
		if !ok || t == nil || t.Kind != kind {
			out = append(out, fmt.Sprintf("%s says %v", source, err))
		}
	}
	say("nodes", w.board.Nodes.Load().Value.KubeErr)
	say("flux", w.board.Flux.Load().Err)
	say("status", w.board.Status.Load().Value.Kubernetes.Err)
	return strings.Join(out, ", ")
}

// troubled are the sources that still say that Kubernetes is away.
func (w *world) troubled() string {
	s := w.board.Status.Load().Value
	nodes, flux := w.board.Nodes.Load().Value.KubeErr, w.board.Flux.Load().Err
	return yes(nodes == nil && flux == nil && s.Kubernetes.Err == nil && len(s.Troubles) == 0,
		fmt.Sprintf("nodes: %v, flux: %v, status: %v, troubles: %v", nodes, flux, s.Kubernetes.Err, s.Troubles))
}

// rows are what must stay on the board while Kubernetes is away.
func (w *world) rows() string {
	return strings.Join(w.boardNodes(), "\n") + fmt.Sprint("\n", w.boardPods(), "\n") + strings.Join(w.fluxRows(), "\n")
}

// hold fails the test if a condition does not hold all the time.
func hold(t *testing.T, d time.Duration, amiss func() string) {
	t.Helper()
	end := time.NewTimer(d)
	defer end.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if last := amiss(); last != "" {
			t.Fatalf("it does not last %s: %s", d, last)
		}
		select {
		case <-end.C:
			return
		case <-tick.C:
		}
	}
}

const (
	noticed  = 13 * time.Second // until a server that hangs is called so: 8 s for the connection, 4 s for a last question
	comeback = 10 * time.Second // until all is followed again once the server is ready
)

func TestAPIServerGoesAndComesBack(t *testing.T) {
	for _, c := range []struct {
		name string
		away func(context.Context) error
		says cluster.TroubleKind
		soon time.Duration
		as   string // kubeconfig
	}{
		{"stops", lab.bed.StopAPI, cluster.TroubleRefused, promise, lab.bed.Kubeconfig()},
		{"hangs", lab.bed.FreezeAPI, cluster.TroubleTimeout, noticed, lab.bed.Kubeconfig()},
		{"stops-for-a-viewer", lab.bed.StopAPI, cluster.TroubleRefused, promise, viewer(t)},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := ready(t, c.as)
			before := w.rows()
			apiAway(t, c.away, func() {
				start := time.Now()
				within(t, slow(c.soon), "the board says why", func() string { return w.silent(c.says) })
				t.Logf("said after %s: %v", time.Since(start).Round(time.Millisecond), w.board.Status.Load().Value.Kubernetes.Err)
				since := w.board.Flux.Load().Since
				hold(t, outage(t), func() string {
					if now := w.rows(); now != before {
						return "what was known has changed: " + now
					}
					if f := w.board.Flux.Load(); !f.Since.Equal(since) || since.Before(start) {
						return fmt.Sprintf("away since %s, then since %s", since, f.Since)
					}
					for _, n := range w.board.Nodes.Load().Value.Nodes {
						if !n.Machine.Fresh() {
							return n.Name + " is not asked any more: " + n.Machine.Err.Error()
						}
					}
					return w.silent(c.says)
				})
			})
			t.Logf("all is followed again %s after the API server is ready", within(t, slow(comeback), "it comes back by itself", w.troubled).Round(time.Millisecond))
			kubectl(t, "label", "node", "talos-test02", "example.com/after="+c.name)
			promptly(t, "a change after the outage", func() string {
				return yes(w.kubeNode("talos-test02").Labels["example.com/after"] == c.name, "not seen")
			})
			kubectl(t, "label", "node", "talos-test02", "example.com/after-")
			w.samePods(t, "pods after the outage")
			until(t, "Flux is calm", func() string {
				o := w.flux("kustomization", "web")
				return yes(o.State == cluster.FluxReady, string(o.State))
			})
		})
	}
}

// TestStartedWhileAway starts the cockpit while nobody answers.
func TestStartedWhileAway(t *testing.T) {
	var w *world
	apiAway(t, lab.bed.StopAPI, func() {
		w = connect(t, lab.admin, lab.bed.Kubeconfig())
		within(t, slow(noticed), "the board says why", func() string { return w.silent(cluster.TroubleRefused) })
		until(t, "the Talos side is shown", func() string {
			fresh := 0
			for _, n := range w.board.Nodes.Load().Value.Nodes {
				if n.Machine.Fresh() && n.Kube == nil && !n.Pods.Known {
					fresh++
				}
			}
			return yes(fresh == 4, fmt.Sprint(fresh, " nodes"))
		})
		if s := w.board.Status.Load().Value; s.Proof == cluster.ProofSame || s.ReadOnly == "" {
			t.Errorf("proven without Kubernetes: %s, %s", s.Proof, s.ProofWhy)
		}
	})
	within(t, slow(comeback), "it connects by itself", func() string {
		return w.troubled() + yes(w.board.Status.Load().Value.Proof == cluster.ProofSame && w.kubeNode("talos-test01").Ready == "True", "not proven")
	})
	until(t, "Flux", func() string { return yes(len(w.board.Flux.Load().Value.Objects) >= 6, "not listed") })
	w.sameFlux(t, "all in sync")
}
