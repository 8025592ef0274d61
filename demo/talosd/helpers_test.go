package talosd_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/client"
	"github.com/siderolabs/talos/pkg/machinery/client/config"
	"github.com/siderolabs/talos/pkg/machinery/role"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/talos-cockpit/talos-cockpit/demo/pki"
	"github.com/talos-cockpit/talos-cockpit/demo/scene"
	"github.com/talos-cockpit/talos-cockpit/demo/talosd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	node1 = "192.168.13.11"
	node2 = "192.168.13.12"
	node3 = "192.168.13.13" // a worker
	node4 = "192.168.13.14" // a worker with Talos 1.14
)

// start runs the cluster of a scene until the test ends.
func start(t *testing.T, name string, opts talosd.Options) *talosd.Cluster {
	t.Helper()
	s, err := scene.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	return startScene(t, s, opts)
}

func startScene(t *testing.T, s scene.Scene, opts talosd.Options) *talosd.Cluster {
	t.Helper()
	p, err := pki.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c := talosd.New(s, p, opts)
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c
}

// connect makes a real client that reaches the scene's addresses through the Dialer.
func connect(t *testing.T, c *talosd.Cluster, r role.Role, endpoints ...string) *client.Client {
	t.Helper()
	raw, err := c.Talosconfig(r, endpoints)
	if err != nil {
		t.Fatal(err)
	}
	return connectConfig(t, c, raw)
}

func connectConfig(t *testing.T, c *talosd.Cluster, raw []byte) *client.Client {
	t.Helper()
	conf, err := config.FromBytes(raw)
	if err != nil {
		t.Fatal(err)
	}
	cl, err := client.New(t.Context(), client.WithConfig(conf), client.WithGRPCDialOptions(grpc.WithContextDialer(c.Dialer())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cl.Close() })
	return cl
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func on(t *testing.T, node string) context.Context {
	t.Helper()
	return client.WithNode(within(t, 15*time.Second), node)
}

// refused fails the test unless err is the gRPC error with that code and text.
func refused(t *testing.T, err error, code codes.Code, text string) {
	t.Helper()
	want := fmt.Sprintf("rpc error: code = %s desc = %s", code, text)
	if err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got  %v,\nwant %s", err, want)
	}
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatalf("waited in vain: %s", what)
		case <-tick.C:
		}
	}
}

// drain receives until the stream ends and returns the messages and the error, nil for a clean end.
func drain[T any](recv func() (T, error)) ([]T, error) {
	var out []T
	for {
		m, err := recv()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, m)
	}
}
