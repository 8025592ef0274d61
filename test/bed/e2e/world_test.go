package e2e

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/talos-cockpit/talos-cockpit/board"
	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/session"
)

const (
	patience = time.Minute // for what has no promise
	promise  = 2 * time.Second
)

// slow stretches the promises on a machine that is busy with other things.
func slow(d time.Duration) time.Duration {
	factor, err := strconv.ParseFloat(os.Getenv("TALOS_COCKPIT_E2E_SLOW"), 64)
	if err != nil || factor < 1 {
		return d
	}
	return time.Duration(float64(d) * factor)
}

// within waits until seen says nothing is amiss, and returns how long that took;
// otherwise the test ends with what was amiss last.
func within(t *testing.T, limit time.Duration, what string, amiss func() string) time.Duration {
	t.Helper()
	start := time.Now()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		last := amiss()
		took := time.Since(start)
		if last == "" {
			return took
		}
		if took > limit {
			t.Fatalf("%s: not within %s: %s", what, limit, last)
		}
		<-tick.C
	}
}

func until(t *testing.T, what string, amiss func() string) {
	t.Helper()
	if took := within(t, patience, what, amiss); took > promise {
		t.Logf("%s: it took %s", what, took.Round(time.Millisecond))
	}
}

// promptly waits for what must be seen two seconds after the API server has it.
func promptly(t *testing.T, what string, amiss func() string) {
	t.Helper()
	t.Logf("%s: seen after %s", what, within(t, slow(promise), what, amiss).Round(time.Millisecond))
}

// yes turns a condition into nothing amiss.
func yes(ok bool, otherwise string) string {
	if ok {
		return ""
	}
	return otherwise + " "
}

// world is a session with its board.
type world struct {
	board *board.Board
	s     *session.Session
}

// connect starts a session on two files; it ends with the test.
func connect(t *testing.T, talosconfig, kubeconfig string) *world {
	t.Helper()
	w := &world{board: board.New(1000, 1<<20)}
	w.s = session.New(w.board, session.Options{Version: "e2e", Places: session.Places{
		Talosconfig: talosconfig, Kubeconfig: kubeconfig, Repo: lab.dir, Dir: lab.dir, Home: t.TempDir(),
		Env: func(string) string { return "" },
	}})
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
	return w
}

// ready is a session that has seen all nodes and Flux.
func ready(t *testing.T, kubeconfig string) *world {
	t.Helper()
	w := connect(t, lab.admin, kubeconfig)
	w.untilProof(t, cluster.ProofSame)
	until(t, "all nodes from all sources", func() string {
		seen := ""
		for _, n := range w.board.Nodes.Load().Value.Nodes {
			if n.Machine.Fresh() && n.Kube != nil && n.Member != nil && n.Pods.Known && n.Repo != nil {
				seen += "1"
			}
		}
		return yes(seen == "1111", "seen "+seen)
	})
	until(t, "Flux", func() string { return yes(len(w.board.Flux.Load().Value.Objects) >= 5, "not listed") })
	return w
}

func (w *world) untilProof(t *testing.T, want cluster.Proof) cluster.Status {
	t.Helper()
	until(t, "the proof is "+string(want), func() string {
		s := w.board.Status.Load().Value
		return yes(s.Proof == want, string(s.Proof)+": "+s.ProofWhy)
	})
	return w.board.Status.Load().Value
}

func (w *world) node(name string) cluster.Node {
	for _, n := range w.board.Nodes.Load().Value.Nodes {
		if n.Name == name {
			return n
		}
	}
	return cluster.Node{}
}

// kubeNode is Kubernetes' side of a node; empty while it is not known.
func (w *world) kubeNode(name string) cluster.KubeNode {
	if n := w.node(name); n.Kube != nil {
		return *n.Kube
	}
	return cluster.KubeNode{}
}

// flux is the Flux object as the board has it; kind in lower case.
func (w *world) flux(kind, name string) cluster.FluxObject {
	for _, o := range w.board.Flux.Load().Value.Objects {
		if strings.EqualFold(o.Kind, kind) && o.Name == name {
			return o
		}
	}
	return cluster.FluxObject{}
}

func timeout(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := lab.bed.Kubectl(timeout(t), args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

func flux(t *testing.T, args ...string) string {
	t.Helper()
	out, err := lab.bed.Flux(timeout(t), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// kubectlAfter is kubectl in a cleanup, when the test's own context has ended.
func kubectlAfter(t *testing.T, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	if _, err := lab.bed.Kubectl(ctx, args...); err != nil {
		t.Error(err)
	}
}
