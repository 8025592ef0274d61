package talosapi_test

import (
	"bytes"
	"context"
	"net"
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

func TestMembers(t *testing.T) {
	t.Parallel()
	sim := start(t, "still", talosd.Options{TimeScale: 50})
	c := connect(t, sim, role.Reader, talosapi.Options{CallTimeout: time.Second, Probe: 100 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	var l latest[cluster.Reading[talosapi.Members]]
	done := make(chan struct{})
	go func() { defer close(done); c.WatchMembers(ctx, l.set) }()
	defer func() { cancel(); <-done }()
	eventually(t, "members", func() bool { return len(l.get().Value.Discovered) == 4 })
	r := l.get()
	m := r.Value.Discovered[0]
	if m.Hostname != "talos-test01" || m.Role != cluster.RoleControlPlane || !slices.Equal(m.Addresses, []string{node1}) || !strings.Contains(m.OS, "v1.13.9") || m.ID == "" {
		t.Errorf("member: %+v", m)
	}
	if len(r.Value.Configured) != 0 || r.Value.Via == "" {
		t.Errorf("beside the members: %v, via %q", r.Value.Configured, r.Value.Via)
	}
	first, _, _ := net.SplitHostPort(r.Value.Via)
	for _, n := range []string{"talos-test01", "talos-test02"} {
		if sim.Node(n).Address() == first {
			sim.Node(n).SetFault(scene.FaultHung)
		}
	}
	eventually(t, "another endpoint tells", func() bool { r := l.get(); return r.Value.Via != "" && !strings.HasPrefix(r.Value.Via, first) })
}

func TestWithoutDiscoveryTheTalosconfigTells(t *testing.T) {
	t.Parallel()
	sim := shared(t)
	refuse := func(context.Context, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: net.UnknownNetworkError("connection refused")}
	}
	c := connect(t, sim, role.Admin, talosapi.Options{Dial: refuse, CallTimeout: time.Second})
	ctx, cancel := context.WithCancel(t.Context())
	var l latest[cluster.Reading[talosapi.Members]]
	done := make(chan struct{})
	go func() { defer close(done); c.WatchMembers(ctx, l.set) }()
	defer func() { cancel(); <-done }()
	eventually(t, "an error", func() bool { return l.get().Err != nil })
	r := l.get()
	if !slices.Equal(r.Value.Configured, []string{node1, node2, node3, node4}) || r.Has() || r.Err.Kind != cluster.TroubleRefused {
		t.Errorf("configured %v, has %v, err %v", r.Value.Configured, r.Has(), r.Err)
	}
}

func TestEtcd(t *testing.T) {
	t.Parallel()
	sim := start(t, "six", talosd.Options{TimeScale: 50})
	c := connect(t, sim, role.Reader, talosapi.Options{CallTimeout: time.Second})
	planes := []string{node1, node2, node3}
	var e cluster.Etcd
	eventually(t, "all answer", func() bool {
		e = c.Etcd(t.Context(), planes)
		return e.AlarmsKnown && e.Answers[0].Status != nil && e.Answers[1].Status != nil && e.Answers[2].Status != nil
	})
	if len(e.Answers) != 3 || !e.AlarmsKnown || len(e.Alarms) != 0 {
		t.Fatalf("etcd: %+v", e)
	}
	for _, a := range e.Answers {
		if a.StatusErr != nil || a.MembersErr != nil || a.Status.Leader == 0 || len(a.Members) != 3 || a.Status.Version == "" || a.Status.DBSize == 0 {
			t.Errorf("answer: %+v %+v", a, a.Status)
		}
	}
	sim.Node("talos-test01").SetFault(scene.FaultDead)
	sim.Node("talos-test02").SetFault(scene.FaultDead)
	eventually(t, "the third endpoint takes over", func() bool {
		e = c.Etcd(t.Context(), planes)
		return e.Answers[2].Status != nil
	})
	if e.Answers[0].StatusErr == nil || e.Answers[1].StatusErr == nil {
		t.Errorf("the dead answer: %+v", e.Answers)
	}
	eventually(t, "no leader", func() bool {
		e = c.Etcd(t.Context(), planes)
		a := e.Answers[2]
		return a.Status != nil && a.Status.Leader == 0 && len(a.Status.Errors) > 0 && a.MembersErr != nil && a.MembersErr.Kind == cluster.TroubleNoLeader
	})
	if e.AlarmsKnown || e.AlarmsErr == nil {
		t.Errorf("alarms known without a leader: %+v", e)
	}
}

func TestEtcdOfAWorker(t *testing.T) {
	t.Parallel()
	sim := shared(t)
	c := connect(t, sim, role.Admin, talosapi.Options{})
	e := c.Etcd(t.Context(), []string{node3})
	if k := e.Answers[0].MembersErr.Kind; k != cluster.TroubleUnimplemented {
		t.Errorf("a worker's etcd: %q", k)
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	sim := shared(t)
	admin, reader := connect(t, sim, role.Admin, talosapi.Options{}), connect(t, sim, role.Reader, talosapi.Options{})
	id, err := admin.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(id.KubernetesCA, []byte("BEGIN CERTIFICATE")) || bytes.Contains(id.KubernetesCA, []byte("PRIVATE")) ||
		!strings.Contains(id.KubernetesEndpoint, "//192.168.13.10:") || id.CAErr != nil {
		t.Errorf("identity: %+v", id)
	}
	id, err = reader.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if id.KubernetesCA != nil || id.CAErr == nil || id.CAErr.Kind != cluster.TroubleForbidden || id.KubernetesEndpoint != "" {
		t.Errorf("a reader's identity: %+v, %v", id, id.CAErr)
	}
	kc, err := admin.Kubeconfig(t.Context())
	if err != nil || string(kc) != "kind: Config\n" {
		t.Errorf("kubeconfig %q, %v", kc, err)
	}
	if _, err = reader.Kubeconfig(t.Context()); kindOf(err) != cluster.TroubleForbidden {
		t.Errorf("a reader's kubeconfig: %v", err)
	}
}

func TestServices(t *testing.T) {
	t.Parallel()
	sim := shared(t)
	c := connect(t, sim, role.Reader, talosapi.Options{})
	services, err := c.Services(t.Context(), node3)
	if err != nil || !slices.ContainsFunc(services, func(s cluster.Service) bool { return s.ID == "kubelet" && s.State == "Running" && s.Healthy.V }) {
		t.Errorf("services %v, %v", services, err)
	}
}

func TestWorkerAsOnlyEndpoint(t *testing.T) {
	t.Parallel()
	sim := shared(t)
	c := connect(t, sim, role.Admin, talosapi.Options{}, node3)
	for range 2 {
		if _, err := c.Services(t.Context(), node1); kindOf(err) != cluster.TroubleNoForwarding {
			t.Errorf("a worker forwards: %v", err)
		}
	}
	if _, err := c.Services(t.Context(), node3); err != nil {
		t.Errorf("a worker does not answer for itself: %v", err)
	}
	if e := c.Endpoints()[0]; e.Forwards || e.State != talosapi.EndpointUp {
		t.Errorf("endpoint %+v", e)
	}
}

// meter counts the writes on each connection, by the address dialled.
type meter struct {
	mu     sync.Mutex
	writes map[string]int
}

type meteredConn struct {
	net.Conn
	m    *meter
	addr string
}

func (c *meteredConn) Write(b []byte) (int, error) {
	c.m.mu.Lock()
	c.m.writes[c.addr]++
	c.m.mu.Unlock()
	return c.Conn.Write(b)
}

func (m *meter) dial(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &meteredConn{conn, m, addr}, nil
}

func (m *meter) count(addr string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.writes[addr]
}

func TestWithoutNeverGoesThroughTheNode(t *testing.T) {
	t.Parallel()
	sim := shared(t)
	// By loopback addresses, so that only the endpoints' own word tells who they are.
	m := &meter{writes: map[string]int{}}
	c := connect(t, sim, role.Admin, talosapi.Options{Dial: m.dial}, sim.Endpoints()...)
	view := c.Without(node2)
	eventually(t, "one endpoint is left", func() bool {
		return len(view.Endpoints()) == 1 && view.Endpoints()[0].Node != nil && c.Endpoints()[1].Node != nil
	})
	before := m.count(sim.Endpoints()[1])
	for range 30 {
		if _, err := view.Services(t.Context(), node2); err != nil {
			t.Fatal(err)
		}
	}
	if n := m.count(sim.Endpoints()[1]) - before; n > 10 {
		t.Errorf("%d writes to the node that no call may be routed through", n)
	}
	if n := m.count(sim.Endpoints()[0]); n < 30 {
		t.Errorf("%d writes to the survivor for 30 calls", n)
	}
	none := c.Without(node1, "talos-test02")
	if _, err := none.Services(t.Context(), node3); err == nil {
		t.Error("a call found a way without endpoints")
	}
}

func TestVIPEndpointIsNamed(t *testing.T) {
	t.Parallel()
	sim := shared(t)
	c := connect(t, sim, role.Admin, talosapi.Options{}, "192.168.13.10", node2)
	eventually(t, "the VIP is named", func() bool { return len(c.VIPEndpoints("192.168.13.10")) == 1 })
	v := c.VIPEndpoints("192.168.13.10")[0]
	if v.Kind != cluster.TroubleVIPEndpoint || !strings.Contains(v.What, "192.168.13.10") || !strings.Contains(v.What, "talos-test01") {
		t.Errorf("named as %+v", v)
	}
	if _, err := c.Without(node1).Services(t.Context(), node1); err != nil {
		t.Errorf("the other endpoint is left: %v", err)
	}
	for _, e := range c.Without(node1).Endpoints() {
		if e.Address != node2+":50000" {
			t.Errorf("the VIP is used although the node holds it: %s", e.Address)
		}
	}
}

func TestNoEndpointAnswers(t *testing.T) {
	t.Parallel()
	sim := start(t, "still", talosd.Options{TimeScale: 50})
	sim.Node("talos-test01").SetFault(scene.FaultRefused)
	sim.Node("talos-test02").SetFault(scene.FaultHung)
	c := connect(t, sim, role.Admin, talosapi.Options{CallTimeout: 200 * time.Millisecond})
	_, err := c.Services(t.Context(), node3)
	if k := kindOf(err); k != cluster.TroubleRefused && k != cluster.TroubleTimeout {
		t.Errorf("told %v", err)
	}
}

func TestSlotsAreLimited(t *testing.T) {
	t.Parallel()
	sim := start(t, "hung-node", talosd.Options{TimeScale: 50})
	c := connect(t, sim, role.Admin, talosapi.Options{Limit: 4})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{}, 50)
	for range 50 { // far more calls to the hung node than there are slots
		go func() { _, _ = c.Services(ctx, node3); done <- struct{}{} }()
	}
	for range 20 {
		if _, err := c.Services(t.Context(), node4); err != nil {
			t.Errorf("a good node cannot be asked: %v", err)
		}
	}
	cancel()
	for range 50 {
		<-done
	}
}
