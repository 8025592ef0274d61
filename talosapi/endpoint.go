package talosapi

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	machineapi "github.com/siderolabs/talos/pkg/machinery/api/machine"
	"github.com/siderolabs/talos/pkg/machinery/constants"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
)

// EndpointState says whether calls go through an endpoint.
type EndpointState string

// The states of an endpoint.
const (
	EndpointConnecting EndpointState = "connecting" // not tried to the end yet
	EndpointUp         EndpointState = "up"
	EndpointSuspect    EndpointState = "suspect" // a call through it failed; its probe is under way
	EndpointDown       EndpointState = "down"
)

const (
	connectTimeout = 5 * time.Second // of TCP and TLS
	suspectProbe   = 3 * time.Second // for an endpoint that was up a moment ago
	identityEvery  = 10 * time.Minute
	maxProbeWait   = 15 * time.Second
)

// EndpointStatus is the state of one endpoint at one moment.
type EndpointStatus struct {
	Address string           `json:"address"` // host:port that is dialled
	State   EndpointState    `json:"state"`
	Err     *cluster.Trouble `json:"error,omitempty"` // why it is down
	Since   time.Time        `json:"since"`           // of the state
	Version string           `json:"version,omitempty"`
	// Node is who answers there; nil: not known for the present connection.
	Node *EndpointNode `json:"node,omitempty"`
	// Forwards is false once it refused to forward: it is a worker.
	Forwards bool `json:"forwards"`
}

// endpoint is one address of the Talos API with its connection and its health.
type endpoint struct {
	addr, host string
	client     *core
	kick       chan struct{} // asks for a probe now

	mu        sync.Mutex
	conn      *grpc.ClientConn
	state     EndpointState
	since     time.Time
	trouble   *cluster.Trouble
	lastOK    time.Time
	version   string
	dials     uint64 // TCP connections opened so far
	node      *EndpointNode
	nodeDials uint64 // dials when node was asked
	nodeAt    time.Time
	noForward bool
}

// endpointAddress gives host:port to dial for an endpoint as written in a talosconfig.
func endpointAddress(written string) string {
	def := fmt.Sprint(constants.ApidPort)
	if rest, ok := strings.CutPrefix(written, "https://"); ok {
		written, def = strings.TrimSuffix(rest, "/"), "443"
	}
	if host, port, err := net.SplitHostPort(written); err == nil {
		return net.JoinHostPort(host, port)
	}
	return net.JoinHostPort(strings.Trim(written, "[]"), def)
}

func newEndpoint(c *core, written string) *endpoint {
	addr := endpointAddress(written)
	host, _, _ := net.SplitHostPort(addr) // it was joined just now
	return &endpoint{
		addr: addr, host: host, client: c, kick: make(chan struct{}, 1),
		state: EndpointConnecting, since: time.Now(),
	}
}

// run keeps the endpoint's state true until ctx ends.
func (e *endpoint) run(ctx context.Context) {
	defer e.recycle()
	for failures := 0; ctx.Err() == nil; {
		if e.quiet() && !e.alive(ctx) {
			failures++
			wait(ctx, probeWait(failures), nil)
			continue
		}
		failures = 0
		e.identify(ctx)
		wait(ctx, jitter(e.client.probe), e.kick)
	}
}

// quiet reports whether the endpoint should be asked: it is not plainly up.
func (e *endpoint) quiet() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state != EndpointUp || time.Since(e.lastOK) > e.client.probe*9/10
}

func probeWait(failures int) time.Duration {
	d := time.Second << min(failures-1, 5)
	return jitter(min(d, maxProbeWait))
}

// jitter spreads d by a tenth either way.
func jitter(d time.Duration) time.Duration {
	return d + time.Duration((rand.Float64()-0.5)*0.2*float64(d))
}

// wait ends after d, on a kick, or with ctx; it reports whether ctx goes on.
func wait(ctx context.Context, d time.Duration, kick <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
	case <-kick:
	}
	return true
}

// alive asks the endpoint itself and sets its state by the answer.
func (e *endpoint) alive(ctx context.Context) bool {
	timeout := e.client.timeout
	if s := e.status().State; s == EndpointSuspect || s == EndpointUp {
		timeout = min(timeout, suspectProbe)
	}
	call, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := e.connection()
	if err == nil {
		var v *machineapi.VersionResponse
		v, err = machineapi.NewMachineServiceClient(conn).Version(call, &emptypb.Empty{})
		if err == nil && len(v.GetMessages()) > 0 {
			e.setVersion(feed.Clean(v.GetMessages()[0].GetVersion().GetTag()))
		}
	}
	if ctx.Err() != nil {
		return false
	}
	if err != nil && !serverSaid(err) {
		e.set(EndpointDown, Explain(err, "endpoint "+e.addr))
		e.recycle()
		return false
	}
	e.set(EndpointUp, nil)
	return true
}

func (e *endpoint) setVersion(v string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.version = v
}

// set changes the state and wakes whoever waits for that.
func (e *endpoint) set(s EndpointState, why *cluster.Trouble) {
	e.mu.Lock()
	now := time.Now()
	if s == EndpointUp {
		e.lastOK = now
	}
	changed := e.state != s
	if changed {
		e.since = now
	}
	e.state, e.trouble = s, why
	e.mu.Unlock()
	if changed {
		e.client.announce()
	}
}

// answered notes that the server behind the endpoint has spoken.
func (e *endpoint) answered() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lastOK = time.Now()
}

// spokeSince reports whether the endpoint answered anyone since t.
func (e *endpoint) spokeSince(t time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.lastOK.After(t)
}

// suspect says that a call through the endpoint failed in a way that may be the
// endpoint's fault. Its probe decides.
func (e *endpoint) suspect() {
	e.mu.Lock()
	up := e.state == EndpointUp
	e.mu.Unlock()
	if up {
		e.set(EndpointSuspect, nil)
	}
	select {
	case e.kick <- struct{}{}:
	default:
	}
}

func (e *endpoint) refusesForwarding() {
	e.mu.Lock()
	e.noForward = true
	e.mu.Unlock()
	e.client.announce()
}

func (e *endpoint) status() EndpointStatus {
	e.mu.Lock()
	defer e.mu.Unlock()
	st := EndpointStatus{
		Address: e.addr, State: e.state, Err: e.trouble, Since: e.since,
		Version: e.version, Forwards: !e.noForward,
	}
	if e.node != nil && e.nodeDials == e.dials {
		st.Node = e.node
	}
	return st
}

// connection returns the connection, opened lazily.
func (e *endpoint) connection() (*grpc.ClientConn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.client.ctx.Err() != nil {
		return nil, context.Canceled
	}
	if e.conn == nil {
		conn, err := grpc.NewClient("passthrough:///"+e.addr, e.dialOptions()...)
		if err != nil {
			return nil, fmt.Errorf("endpoint %s: %w", e.addr, err)
		}
		e.conn = conn
	}
	return e.conn, nil
}

// dialOptions has no gRPC keepalive: Talos' server takes pings more often than
// every five minutes for abuse and closes the connection. The probe does its work.
func (e *endpoint) dialOptions() []grpc.DialOption {
	back := backoff.DefaultConfig
	back.BaseDelay, back.MaxDelay = 500*time.Millisecond, 5*time.Second
	return []grpc.DialOption{
		grpc.WithTransportCredentials(credentials.NewTLS(e.client.tls)),
		grpc.WithContextDialer(e.dial),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: back, MinConnectTimeout: connectTimeout}),
		grpc.WithIdleTimeout(0),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(constants.GRPCMaxMessageSize)),
		grpc.WithUserAgent("talos-cockpit"),
		grpc.WithDisableServiceConfig(),
		grpc.WithReadBufferSize(16 << 10),
		grpc.WithInitialWindowSize(1 << 20),
		grpc.WithInitialConnWindowSize(2 << 20),
		grpc.WithUnaryInterceptor(noteUnary),
		grpc.WithStreamInterceptor(noteStream),
	}
}

func (e *endpoint) dial(ctx context.Context, addr string) (net.Conn, error) {
	e.mu.Lock()
	e.dials++
	e.mu.Unlock()
	return e.client.dial(ctx, addr)
}

// recycle closes the connection, which ends every stream on it.
func (e *endpoint) recycle() {
	e.mu.Lock()
	conn := e.conn
	e.conn = nil
	e.mu.Unlock()
	if conn != nil {
		_ = conn.Close() // only says that it was closed already
	}
}

// isTarget reports whether the endpoint is the node with one of the given
// addresses or host names; known is false while nobody has told who it is.
func (e *endpoint) isTarget(names []string) (is, known bool) {
	if slices.Contains(names, e.host) || slices.Contains(names, e.addr) {
		return true, true
	}
	node := e.status().Node
	if node == nil {
		return false, false
	}
	return slices.ContainsFunc(names, node.Has), true
}
