package talosapi

import (
	"context"
	"crypto/tls"
	"errors"
	"hash/fnv"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/client"
	"github.com/siderolabs/talos/pkg/machinery/client/dialer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
)

// Options of Open; the zero value is ready for use.
type Options struct {
	// Dial opens the connection to an endpoint (host:port); nil: TCP with
	// keepalive, through HTTPS_PROXY where that is set, as talosctl does it.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	// Limit of unary calls under way; 0: 16.
	Limit int
	// CallTimeout is the deadline of one call; 0: 5 s.
	CallTimeout time.Duration
	// Probe is after how much silence an endpoint is asked whether it lives; 0: 15 s.
	Probe time.Duration
	// Go runs f in a goroutine of its own; nil: a plain one. A panic in f is its business.
	Go func(f func())
}

// Client reaches the nodes of one cluster through its endpoints. It is safe for
// concurrent use.
type Client struct {
	*core
	without []string // nodes that no call may be routed through
}

// core is what a Client and all its views share.
type core struct {
	cfg       *Config
	tls       *tls.Config
	dial      func(ctx context.Context, addr string) (net.Conn, error)
	timeout   time.Duration // of one call
	probe     time.Duration // the silence after which an endpoint is asked
	endpoints []*endpoint
	slots     *slots
	spawn     func(f func())

	ctx    context.Context
	cancel context.CancelFunc
	start  sync.Once
	closed sync.Once
	work   sync.WaitGroup

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when an endpoint changes
	vips    map[string]bool
}

// Open prepares a client for cfg. It connects to nothing: the first call does.
// The client must be closed.
func Open(cfg *Config, opt Options) (*Client, error) {
	if len(cfg.Endpoints) == 0 {
		return nil, &cluster.Trouble{Kind: cluster.TroubleBadFile, What: "there are no Talos endpoints", Do: "add the control plane nodes: talosctl config endpoint ADDRESS..."}
	}
	if opt.Dial == nil {
		opt.Dial = dialer.DynamicProxyDialer
	}
	if opt.Limit <= 0 {
		opt.Limit = 16
	}
	if opt.CallTimeout <= 0 {
		opt.CallTimeout = 5 * time.Second
	}
	if opt.Probe <= 0 {
		opt.Probe = 15 * time.Second
	}
	if opt.Go == nil {
		opt.Go = func(f func()) { go f() }
	}
	c := &core{spawn: opt.Go, cfg: cfg, tls: cfg.tls, dial: opt.Dial, timeout: opt.CallTimeout, probe: opt.Probe, slots: newSlots(opt.Limit), changed: make(chan struct{}), vips: map[string]bool{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	for _, written := range cfg.Endpoints {
		e := newEndpoint(c, written)
		if !slices.ContainsFunc(c.endpoints, func(o *endpoint) bool { return o.addr == e.addr }) {
			c.endpoints = append(c.endpoints, e)
		}
	}
	return &Client{core: c}, nil
}

// Close ends all calls and streams and waits for the client's own goroutines.
// It closes the views made by Without too.
func (c *Client) Close() {
	c.closed.Do(func() {
		c.cancel()
		c.start.Do(func() {}) // none starts any more
		c.work.Wait()
	})
}

// Config is the talosconfig context that the client was opened with.
func (c *Client) Config() *Config { return c.cfg }

// Without is a view of the client that routes no call through the node with any
// of the given addresses or host names: only through endpoints that are proven,
// for their present connection, to be somebody else.
func (c *Client) Without(names ...string) *Client {
	return &Client{core: c.core, without: append(slices.Clone(c.without), names...)}
}

// Endpoints is the state of each endpoint that this client (or view) may use,
// in the order of the talosconfig.
func (c *Client) Endpoints() []EndpointStatus {
	c.begin()
	var out []EndpointStatus
	for _, e := range c.endpoints {
		if c.allows(e) != forbidden {
			out = append(out, e.status())
		}
	}
	return out
}

// Changed is closed when the state of an endpoint changes after the call.
func (c *Client) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

func (c *core) announce() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.changed)
	c.changed = make(chan struct{})
}

// begin starts the endpoints' probes, once.
func (c *core) begin() {
	c.start.Do(func() {
		for _, e := range c.endpoints {
			c.launch(&c.work, func() { e.run(c.ctx) })
		}
	})
}

// launch runs f in a goroutine that the group waits for.
func (c *core) launch(group *sync.WaitGroup, f func()) {
	group.Add(1)
	c.spawn(func() {
		defer group.Done()
		f()
	})
}

type permission int

const (
	allowed permission = iota
	unproven
	forbidden
)

func (c *Client) allows(e *endpoint) permission {
	if len(c.without) == 0 {
		return allowed
	}
	switch is, known := e.isTarget(c.without); {
	case is:
		return forbidden
	case !known:
		return unproven
	default:
		return allowed
	}
}

// route finds an endpoint for a call to the node (empty: to the endpoint itself),
// other than those tried. It waits while none is up and one may still come up.
func (c *Client) route(ctx context.Context, node string, tried []*endpoint) (*endpoint, error) {
	c.begin()
	for {
		changed := c.Changed()
		e, hope, why := c.best(node, tried)
		if e != nil {
			return e, nil
		}
		if !hope {
			return nil, why
		}
		select {
		case <-ctx.Done():
			return nil, &cluster.Trouble{Kind: cluster.TroubleTimeout, What: "no Talos endpoint has answered yet", Do: "check the network to the endpoints, or name others with talosctl config endpoint"}
		case <-c.ctx.Done():
			return nil, errClosed
		case <-changed:
		}
	}
}

// best ranks the endpoints: the node itself first, then by a hash of the node's
// name, so that the load spreads and a node keeps its endpoint. A suspect one is
// taken only where no other is up. hope says that waiting may help.
func (c *Client) best(node string, tried []*endpoint) (pick *endpoint, hope bool, why error) {
	n := len(c.endpoints)
	offset := int(hash(node) % uint32(n))
	var suspect *endpoint
	for i := range n {
		e := c.endpoints[(i+offset)%n]
		if slices.Contains(tried, e) {
			continue
		}
		may := c.allows(e)
		st := e.status()
		itself := node != "" && (e.host == node || st.Node != nil && st.Node.Has(node))
		if may == forbidden || !st.Forwards && node != "" && !itself {
			continue
		}
		switch {
		case st.State == EndpointDown:
			why = st.Err
		case may == unproven || st.State == EndpointConnecting:
			hope = true
		case st.State == EndpointSuspect:
			suspect = e
		case itself:
			return e, false, nil
		case pick == nil:
			pick = e
		}
	}
	if pick == nil {
		pick = suspect
	}
	return pick, hope, orNoEndpoint(why, len(tried) > 0)
}

func orNoEndpoint(why error, tried bool) error {
	if t := (*cluster.Trouble)(nil); errors.As(why, &t) && t != nil {
		return t
	}
	if tried {
		return errExhausted
	}
	return &cluster.Trouble{Kind: cluster.TroubleNoForwarding, What: "there is no endpoint to route the call through", Do: "add another control plane node as endpoint: talosctl config endpoint ADDRESS..."}
}

// errClosed says that the client was closed.
var errClosed = errors.New("the Talos client is closed")

// errExhausted says that each endpoint was tried; the last error tells more.
var errExhausted = errors.New("no other endpoint")

func hash(s string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s)) // never fails
	return h.Sum32()
}

// nodeName is the node as the metadata wants it: without a port.
func nodeName(addr string) string {
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return strings.Trim(addr, "[]")
}

func toNode(ctx context.Context, node string) context.Context {
	if node == "" {
		return ctx
	}
	return client.WithNode(ctx, node)
}

// read makes one reading call to a node (empty: to the endpoint that carries it)
// and tries again through other endpoints where the first one is at fault, or
// once where a connection broke. via is the endpoint that carried the last try.
func (c *Client) read(ctx context.Context, node string, do func(context.Context, *grpc.ClientConn) error) (via string, err error) {
	node = nodeName(node)
	state := c.slots.node(node)
	release, err := c.slots.acquire(ctx, state)
	if err != nil {
		return "", err
	}
	defer release()
	wasSick := state.isSick()
	var tried []*endpoint
	for {
		limited, cancel := context.WithTimeout(ctx, c.timeout)
		e, routeErr := c.route(limited, node, tried)
		if routeErr != nil {
			cancel()
			if err == nil {
				return "", routeErr // no endpoint: that says nothing of the node
			}
			break
		}
		tried, via = append(tried, e), e.addr
		began := time.Now()
		err = c.once(limited, e, node, do)
		cancel()
		if ctx.Err() != nil {
			return via, err // the caller gave up: that says nothing of the node
		}
		if !c.again(e, err, began, len(tried), wasSick) {
			break
		}
	}
	state.answered(!unreachable(err))
	return via, err
}

func (c *Client) once(ctx context.Context, e *endpoint, node string, do func(context.Context, *grpc.ClientConn) error) error {
	conn, err := e.connection()
	if err != nil {
		return err
	}
	err = do(toNode(ctx, node), conn)
	if err == nil || serverSaid(err) {
		e.answered()
	}
	return err
}

// again judges a try: whose fault was it, and does another endpoint help?
func (c *Client) again(e *endpoint, err error, began time.Time, tries int, wasSick bool) bool {
	switch {
	case err == nil:
		return false
	case serverSaid(err):
		if strings.Contains(err.Error(), "no request forwarding") {
			e.refusesForwarding()
			return true
		}
		return status.Code(err) == codes.Unavailable && tries == 1 && !wasSick
	case isTimeout(err):
		if e.spokeSince(began) {
			return false // the endpoint talks to others: the node hangs
		}
		e.suspect()
		return tries == 1 && !wasSick
	case status.Code(err) == codes.Unavailable || status.Code(err) == codes.Canceled:
		e.suspect() // Canceled: its connection was closed under the call
		return true
	default:
		return false
	}
}

func isTimeout(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || status.Code(err) == codes.DeadlineExceeded
}

// unreachable reports whether err says that the node itself cannot be asked, as
// opposed to the node answering with a refusal, or with something unreadable.
func unreachable(err error) bool {
	if err == nil {
		return false
	}
	var noEndpoint *cluster.Trouble
	if errors.As(err, &noEndpoint) || isTimeout(err) {
		return true
	}
	st, fromGRPC := status.FromError(err)
	if serverSaid(err) {
		return st.Code() == codes.Unavailable || st.Code() == codes.Internal && strings.Contains(st.Message(), "invalid target")
	}
	return fromGRPC || errors.Is(err, errClosed) || errors.Is(err, errExhausted)
}

// whom names the node in a sentence.
func whom(node string) string {
	if node == "" {
		return "the Talos API"
	}
	return feed.Clean(nodeName(node))
}
