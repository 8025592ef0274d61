package talosapi_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/role"
	"go.uber.org/goleak"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/demo/pki"
	"github.com/talos-cockpit/talos-cockpit/demo/scene"
	"github.com/talos-cockpit/talos-cockpit/demo/talosd"
	"github.com/talos-cockpit/talos-cockpit/talosapi"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// The tests wait far more than they work.
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	code := m.Run()
	if still.cluster != nil {
		still.cluster.Stop()
	}
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// still is one simulated cluster for all tests that change nothing in it.
var still struct {
	once    sync.Once
	cluster *talosd.Cluster
}

// shared gives a cluster where nothing moves, which the test must not change.
func shared(t testing.TB) *talosd.Cluster {
	t.Helper()
	still.once.Do(func() {
		s, err := scene.Get("still")
		if err != nil {
			panic(err)
		}
		p, err := pki.New(time.Now())
		if err != nil {
			panic(err)
		}
		kubeconfig := func(context.Context) ([]byte, error) { return []byte("kind: Config\n"), nil }
		still.cluster = talosd.New(s, p, talosd.Options{Kubeconfig: kubeconfig, TimeScale: 50})
		if err := still.cluster.Start(context.Background()); err != nil {
			panic(err)
		}
	})
	return still.cluster
}

const (
	node1 = "192.168.13.11"
	node2 = "192.168.13.12"
	node3 = "192.168.13.13" // a worker
	node4 = "192.168.13.14" // a worker with Talos 1.14
)

// start runs the simulated cluster of a scene until the test ends.
func start(t testing.TB, name string, opts talosd.Options) *talosd.Cluster {
	t.Helper()
	s, err := scene.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	p, err := pki.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c := talosd.New(s, p, opts)
	if err := c.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c
}

// write stores a talosconfig and gives its path.
func write(t testing.TB, raw []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "talosconfig")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// connect opens a client with that role; endpoints may be empty: all control planes.
func connect(t testing.TB, c *talosd.Cluster, r role.Role, opt talosapi.Options, endpoints ...string) *talosapi.Client {
	t.Helper()
	raw, err := c.Talosconfig(r, endpoints)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := talosapi.LoadConfig(write(t, raw), "")
	if err != nil {
		t.Fatal(err)
	}
	if opt.Dial == nil {
		opt.Dial = c.Dialer()
	}
	cl, err := talosapi.Open(cfg, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(60 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatalf("waited in vain: %s", what)
		case <-tick.C:
		}
	}
}

// latest keeps the last of the values that a callback gets, and counts them.
type latest[T any] struct {
	mu    sync.Mutex
	value T
	count int
}

func (l *latest[T]) set(v T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.value = v
	l.count++
}

func (l *latest[T]) get() T {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.value
}

func (l *latest[T]) n() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

// kindOf is the kind of a trouble; empty: no trouble.
func kindOf(err error) cluster.TroubleKind {
	var t *cluster.Trouble
	if errors.As(err, &t) {
		return t.Kind
	}
	if err != nil {
		return "not a trouble: " + cluster.TroubleKind(err.Error())
	}
	return ""
}
