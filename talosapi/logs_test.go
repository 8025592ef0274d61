package talosapi_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/role"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/demo/scene"
	"github.com/talos-cockpit/talos-cockpit/demo/talosd"
	"github.com/talos-cockpit/talos-cockpit/talosapi"
)

// record keeps what a followed log hands over.
type record struct {
	mu     sync.Mutex
	lines  []string
	events []talosapi.StreamEvent
	at     []int // lines before each event
}

func (r *record) sink(b talosapi.Batch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range b {
		r.lines = append(r.lines, string(l))
	}
}

func (r *record) tell(ev talosapi.StreamEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, ev)
	r.at = append(r.at, len(r.lines))
}

func (r *record) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.lines)
}

func (r *record) has(kind talosapi.StreamKind) bool { return r.count(kind) > 0 }

func (r *record) count(kind talosapi.StreamKind) (n int) {
	for _, k := range r.kinds() {
		if k == kind {
			n++
		}
	}
	return n
}

func (r *record) kinds() (out []talosapi.StreamKind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		out = append(out, e.Kind)
	}
	return out
}

// before is how many lines came before the first event of the kind.
func (r *record) before(kind talosapi.StreamKind) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, e := range r.events {
		if e.Kind == kind {
			return r.at[i]
		}
	}
	return len(r.lines)
}

// followLog follows a log until the test ends.
func followLog(t *testing.T, c *talosapi.Client, addr, service string, opt talosapi.LogOptions) *record {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, done := &record{}, make(chan struct{})
	go func() { defer close(done); c.FollowLogs(ctx, addr, service, opt, r.sink, r.tell) }()
	t.Cleanup(func() { cancel(); <-done })
	return r
}

func TestLogIsReadToItsEnd(t *testing.T) {
	t.Parallel()
	sim := shared(t)
	c := connect(t, sim, role.Reader, talosapi.Options{})
	for _, service := range []string{"kubelet", "machined", cluster.Dmesg} {
		whole, tail := &record{}, &record{}
		c.FollowLogs(t.Context(), node3, service, talosapi.LogOptions{Tail: -1}, whole.sink, whole.tell)
		c.FollowLogs(t.Context(), node3, service, talosapi.LogOptions{Tail: 5}, tail.sink, tail.tell)
		all, last := whole.all(), tail.all()
		if len(all) < 6 || len(last) != 5 || !slices.Equal(strip(all[len(all)-5:]), strip(last)) {
			t.Errorf("%s: %d lines, the tail is %q, want %q", service, len(all), last, all[max(0, len(all)-5):])
		}
		if !whole.has(talosapi.StreamEnded) || !tail.has(talosapi.StreamEnded) {
			t.Errorf("%s: events %v %v", service, whole.kinds(), tail.kinds())
		}
		for _, l := range all {
			if strings.ContainsAny(l, "\n\r") || l == "" {
				t.Errorf("%s: line %q", service, l)
			}
		}
	}
}

// strip drops the kernel log's times.
func strip(in []string) (out []string) {
	for _, l := range in {
		_, after, ok := strings.Cut(l, "]: ")
		if !ok {
			after = l
		}
		out = append(out, after)
	}
	return out
}

func TestLogIsFollowed(t *testing.T) {
	t.Parallel()
	sim := start(t, "still", talosd.Options{})
	c := connect(t, sim, role.Reader, talosapi.Options{})
	r := followLog(t, c, node3, "kubelet", talosapi.LogOptions{Tail: 3, Follow: true})
	eventually(t, "the tail", func() bool { return len(r.all()) == 3 })
	long := strings.Repeat("x", 5000)
	for i := range 10 {
		sim.Node("talos-test03").WriteLog("kubelet", fmt.Sprintf("new %d %s", i, long))
	}
	eventually(t, "new lines", func() bool { return len(r.all()) == 13 })
	for i, l := range r.all()[3:] {
		if l != fmt.Sprintf("new %d %s", i, long) {
			t.Errorf("line %d is %.20q of %d bytes", i, l, len(l))
		}
	}
}

func TestUnknownLogIsRefused(t *testing.T) {
	t.Parallel()
	sim := shared(t)
	c := connect(t, sim, role.Reader, talosapi.Options{})
	r := &record{}
	c.FollowLogs(t.Context(), node3, "nosuch", talosapi.LogOptions{Tail: 3}, r.sink, r.tell)
	if last := r.events[len(r.events)-1]; last.Kind != talosapi.StreamRefused || last.Err.Kind != cluster.TroubleNotFound {
		t.Errorf("told %v: %v", last.Kind, last.Err)
	}
}

// numbers reads the counters of burst lines.
func numbers(lines []string) (out []int) {
	for _, l := range lines {
		if _, after, ok := strings.Cut(l, "burst line "); ok {
			var n int
			if _, err := fmt.Sscanf(after, "%d", &n); err == nil {
				out = append(out, n)
			}
		}
	}
	return out
}

func TestBrokenLinkLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	sim := start(t, "still", talosd.Options{TimeScale: 50})
	c := connect(t, sim, role.Reader, talosapi.Options{CallTimeout: time.Second, Probe: 100 * time.Millisecond})
	stop := sim.BurstLogs("talos-test03", "kubelet", 2000)
	defer stop()
	r := followLog(t, c, node3, "kubelet", talosapi.LogOptions{Tail: 0, Follow: true})
	defer func() {
		if t.Failed() {
			for _, e := range r.events {
				t.Logf("%s %s lines %d %v", e.At.Format("05.000"), e.Kind, e.Lines, e.Err)
			}
		}
	}()
	l := watch(t, c, node3, talosapi.MachineOptions{}) // polls notice what a quiet stream does not
	eventually(t, "lines", func() bool { return len(r.all()) > 500 && l.get().Fresh() })
	for round, fault := range []scene.Fault{scene.FaultRefused, scene.FaultHung} {
		sim.Node("talos-test03").SetFault(fault)
		eventually(t, "silence", func() bool { return l.get().Err != nil })
		sim.Node("talos-test03").SetFault(scene.FaultNone)
		eventually(t, "resumed", func() bool { return r.count(talosapi.StreamResumed) > round })
		seen := len(r.all())
		eventually(t, "more lines", func() bool { return len(r.all()) > seen+500 })
	}
	got := numbers(r.all())
	for i := 1; i < len(got); i++ {
		if got[i] != got[i-1]+1 {
			t.Fatalf("line %d follows line %d; events %v", got[i], got[i-1], r.kinds())
		}
	}
	if r.has(talosapi.StreamGap) {
		t.Errorf("a gap was told: %v", r.kinds())
	}
}

func TestRebootLeavesAGap(t *testing.T) {
	t.Parallel()
	for _, service := range []string{"kubelet", cluster.Dmesg} {
		t.Run(service, func(t *testing.T) {
			t.Parallel()
			sim := start(t, scene.Default, talosd.Options{TimeScale: 40})
			c := connect(t, sim, role.Reader, talosapi.Options{CallTimeout: time.Second})
			r := followLog(t, c, node4, service, talosapi.LogOptions{Tail: 20, Follow: true})
			eventually(t, "lines", func() bool { return len(r.all()) >= 20 && r.has(talosapi.StreamFollowing) })
			sim.Node("talos-test04").Reboot()
			eventually(t, "a gap", func() bool { return r.has(talosapi.StreamGap) })
			eventually(t, "lines of the new boot", func() bool { return len(r.all()) > r.before(talosapi.StreamGap) })
		})
	}
}

func TestHungNodeIsResumedWhenItIsBack(t *testing.T) {
	t.Parallel()
	sim := start(t, "still", talosd.Options{TimeScale: 50})
	c := connect(t, sim, role.Reader, talosapi.Options{CallTimeout: time.Second, Probe: 100 * time.Millisecond})
	r := followLog(t, c, node3, "kubelet", talosapi.LogOptions{Tail: 2, Follow: true})
	l := watch(t, c, node3, talosapi.MachineOptions{})
	eventually(t, "both", func() bool { return len(r.all()) == 2 && l.get().Fresh() })
	node := sim.Node("talos-test03")
	node.SetFault(scene.FaultHung)
	eventually(t, "silence is noticed", func() bool { return l.get().Err != nil })
	node.WriteLog("kubelet", "written meanwhile")
	node.SetFault(scene.FaultNone)
	eventually(t, "the line comes once", func() bool { return slices.Contains(r.all(), "written meanwhile") })
	node.WriteLog("kubelet", "written later")
	eventually(t, "and the next", func() bool { return slices.Contains(r.all(), "written later") })
	if got := r.all(); len(got) != 4 {
		t.Errorf("lines %q, events %v", got, r.kinds())
	}
}

func BenchmarkFollow(b *testing.B) {
	sim := start(b, "still", talosd.Options{})
	c := connect(b, sim, role.Reader, talosapi.Options{})
	stop := sim.BurstLogs("talos-test01", "kubelet", 2_000_000)
	n := 0
	for n < 9_000 { // fill the log
		n = 0
		c.FollowLogs(b.Context(), node1, "kubelet", talosapi.LogOptions{Tail: -1}, func(l talosapi.Batch) { n += len(l) }, func(talosapi.StreamEvent) {})
	}
	stop()
	var size int64
	b.ResetTimer()
	for b.Loop() {
		size = 0
		c.FollowLogs(b.Context(), node1, "kubelet", talosapi.LogOptions{Tail: -1}, func(l talosapi.Batch) { size += int64(len(bytes.Join(l, nil))) }, func(talosapi.StreamEvent) {})
	}
	b.SetBytes(size)
}
