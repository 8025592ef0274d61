package demo

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/talos-cockpit/talos-cockpit/board"
	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/health"
	"github.com/talos-cockpit/talos-cockpit/session"
)

// watched is a session that looks at a cluster.
func watched(t *testing.T, c *Cluster) (*board.Board, *session.Session) {
	t.Helper()
	dir := t.TempDir()
	if err := c.WriteFiles(t.Context(), dir, true); err != nil {
		t.Fatal(err)
	}
	b := board.New(1000, 1<<20)
	s := session.New(b, session.Options{
		Places: session.Places{
			Dir: dir, Home: dir, Repo: dir, Env: func(string) string { return "" },
			Talosconfig: filepath.Join(dir, "talosconfig"), Kubeconfig: filepath.Join(dir, "kubeconfig"),
		},
		Dial: c.Dialer(), Version: "test",
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return b, s
}

// TestStillAfterAWhile looks at a still scene that began more than a minute ago.
func TestStillAfterAWhile(t *testing.T) {
	var late atomic.Bool
	c := run(t, "still", Options{Now: func() time.Time {
		if late.Load() {
			return time.Now()
		}
		return time.Now().Add(-70 * time.Second)
	}})
	late.Store(true)
	b, s := watched(t, c)
	s.Show(board.Visible{Nodes: true, Exchange: true})
	s.PlanFor("talos-test03")

	shown := map[string]bool{}
	rounds := 0
	var seen time.Time
	eventually(t, "the CPU of every node is known, twice", func() string {
		inv := b.Nodes.Load().Value
		if len(inv.Nodes) != 4 {
			return fmt.Sprintf("%d nodes", len(inv.Nodes))
		}
		text, oldest := "", time.Now()
		for _, n := range inv.Nodes {
			if !n.Machine.Fresh() || !n.Machine.Value.CPU.Known {
				return n.Name + ": CPU not known"
			}
			m := n.Machine.Value
			text += fmt.Sprintf("%s %.0f%% %d; ", n.Name, 100*m.CPU.V, m.Memory.V.Used)
			if n.Machine.At.Before(oldest) {
				oldest = n.Machine.At
			}
			if want := c.Talos.Node(n.Name).CPUBusy(); math.Abs(want-m.CPU.V) > 1e-9 {
				return fmt.Sprintf("%s: CPU %.4f, want %.4f", n.Name, m.CPU.V, want)
			}
		}
		shown[text] = true
		if oldest.After(seen) {
			rounds, seen = rounds+1, oldest
		}
		if rounds < 2 {
			return fmt.Sprintf("%d rounds", rounds)
		}
		return ""
	})
	if len(shown) != 1 {
		t.Errorf("the values moved: %v", shown)
	}
	eventually(t, "the clocks pass", func() string {
		for _, check := range b.Plan.Load().Value.Checks {
			if check.Number != 2 {
				continue
			}
			if check.Verdict == health.Pass {
				return ""
			}
			return fmt.Sprintf("%s: %s", check.Verdict, check.Evidence)
		}
		return "no plan"
	})
	for _, n := range b.Nodes.Load().Value.Nodes {
		if off := n.Machine.Value.ClockOffset; !off.Known || off.V.Abs() > 2*time.Second {
			t.Errorf("%s: the clock is off by %v", n.Name, off)
		}
		if n.Severity > cluster.Info {
			t.Errorf("%s is %s: %v", n.Name, n.Severity, n.Notes)
		}
	}
}
