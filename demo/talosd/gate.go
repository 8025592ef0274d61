package talosd

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

const (
	// firstNoRoute is how long the first attempt at a machine that is off lasts:
	// the kernel asks for its hardware address three times. Later ones fail at once.
	firstNoRoute = 3 * time.Second
	// deadSilence is how long established connections to a machine that went off
	// stay silent before they break.
	deadSilence = 30 * time.Second
)

// gate stands between a node's port and its gRPC server: it knows the
// connections, can cut them, and makes them go silent with the machine.
type gate struct {
	n *Node

	mu    sync.Mutex
	inner net.Listener
	conns map[*gatedConn]struct{}
}

func newGate(n *Node) *gate { return &gate{n: n, conns: map[*gatedConn]struct{}{}} }

func (g *gate) isOpen() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inner != nil
}

// open takes a listener into service; false means one is in service already.
func (g *gate) open(inner net.Listener) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inner != nil {
		return false
	}
	g.inner = inner
	return true
}

// shut closes the port; connections stay.
func (g *gate) shut() {
	g.mu.Lock()
	inner := g.inner
	g.inner = nil
	g.mu.Unlock()
	if inner != nil {
		_ = inner.Close()
	}
}

// cut closes all connections.
func (g *gate) cut() {
	g.mu.Lock()
	conns := make([]*gatedConn, 0, len(g.conns))
	for c := range g.conns {
		conns = append(conns, c)
	}
	g.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
	}
}

func (g *gate) listener(inner net.Listener) net.Listener {
	return &gatedListener{Listener: inner, g: g}
}

type gatedListener struct {
	net.Listener
	g *gate
}

func (l *gatedListener) Accept() (net.Conn, error) {
	inner, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &gatedConn{Conn: inner, g: l.g, closed: make(chan struct{})}
	l.g.mu.Lock()
	l.g.conns[c] = struct{}{}
	l.g.mu.Unlock()
	return c, nil
}

// Close is called by the server when it stops; the gate must forget the port then.
func (l *gatedListener) Close() error {
	l.g.mu.Lock()
	if l.g.inner == l.Listener {
		l.g.inner = nil
	}
	l.g.mu.Unlock()
	return l.Listener.Close()
}

type gatedConn struct {
	net.Conn
	g      *gate
	once   sync.Once
	closed chan struct{}
}

func (c *gatedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.g.n.passable(c.closed)
	return n, err
}

func (c *gatedConn) Write(b []byte) (int, error) {
	c.g.n.passable(c.closed)
	return c.Conn.Write(b)
}

// closeWrite says that nothing more comes from this side.
func (c *gatedConn) closeWrite() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
}

func (c *gatedConn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.g.mu.Lock()
		delete(c.g.conns, c)
		c.g.mu.Unlock()
	})
	return c.Conn.Close()
}

// passable blocks while the machine is silent (off or hung), until done is closed.
func (n *Node) passable(done <-chan struct{}) {
	for {
		n.mu.Lock()
		silent := n.fault == scene.FaultDead || n.fault == scene.FaultHung
		changed := n.changed
		n.mu.Unlock()
		if !silent {
			return
		}
		select {
		case <-changed:
		case <-done:
			return
		}
	}
}

// reach is what happens between a node and another one that connects to it: nil
// when a connection comes about, a *net.OpError as the kernel gives it, or the
// context's error for a machine that hangs.
func (n *Node) reach(ctx context.Context) error {
	n.mu.Lock()
	fault, away, first := n.fault, n.away, !n.tried
	n.mu.Unlock()
	switch fault {
	case scene.FaultDead:
		if first {
			if !n.c.wait(ctx, firstNoRoute) {
				return ctx.Err()
			}
			n.mu.Lock()
			n.tried = true
			n.mu.Unlock()
		}
		return n.dialError(syscall.EHOSTUNREACH)
	case scene.FaultRefused:
		return n.dialError(syscall.ECONNREFUSED)
	case scene.FaultHung:
		n.passable(ctx.Done())
		return ctx.Err()
	case scene.FaultNone:
	}
	if away {
		return n.dialError(syscall.ECONNREFUSED)
	}
	return nil
}

func (n *Node) dialError(errno syscall.Errno) error { return dialError(n.spec.Address, errno) }

// dialError is the error of net.Dial to the Talos API at an address.
func dialError(address string, errno syscall.Errno) error {
	return &net.OpError{
		Op: "dial", Net: "tcp",
		Addr: &net.TCPAddr{IP: net.ParseIP(address), Port: 50000},
		Err:  os.NewSyscallError("connect", errno),
	}
}

// Dialer returns a dial function in which the scene's addresses, port 50000,
// lead to the loopback ports of the nodes; the virtual address leads to the
// first control plane that lives. Addresses of nobody give EHOSTUNREACH, other
// ports of the nodes ECONNREFUSED. Loopback addresses are dialled as they are.
func (c *Cluster) Dialer() func(ctx context.Context, addr string) (net.Conn, error) {
	return func(ctx context.Context, addr string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
		}
		if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
			return dialLoopback(ctx, addr)
		}
		n, ok := c.at(host)
		if !ok {
			return nil, dialError(host, syscall.EHOSTUNREACH)
		}
		if port != apidPort {
			return nil, dialError(host, syscall.ECONNREFUSED)
		}
		if n.Fault() == scene.FaultHung {
			return dialLoopback(ctx, n.Endpoint())
		}
		if err := n.reach(ctx); err != nil {
			return nil, err
		}
		conn, err := dialLoopback(ctx, n.Endpoint())
		if errors.Is(err, syscall.ECONNREFUSED) {
			return nil, dialError(host, syscall.ECONNREFUSED)
		}
		return conn, err
	}
}

func dialLoopback(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr)
}
