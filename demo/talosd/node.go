package talosd

import (
	"context"
	"crypto/tls"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/talos-cockpit/talos-cockpit/demo/pki"
	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

// Node is one machine of a simulated cluster.
type Node struct {
	c     *Cluster
	index int
	spec  scene.Node
	load  loadModel

	certOnce sync.Once
	cert     tls.Certificate
	certErr  error

	telling  sync.Mutex // held while listeners hear, so that they hear in order
	mu       sync.Mutex
	fault    scene.Fault
	changed  chan struct{} // closed and renewed at every change of fault or stage
	faults   int           // counts the changes of fault
	tried    bool          // somebody has waited for "no route to host" already
	away     bool          // apid does not listen: in the middle of a reboot, or off
	busy     bool          // a reboot or shutdown is under way
	cordoned bool          // Kubernetes puts no pods here
	notReady bool          // Kubernetes says that the node is not ready
	life     *life
	endpoint string
	gate     *gate
	server   *grpc.Server
	stopped  bool
}

func newNode(c *Cluster, index int, spec scene.Node) *Node {
	n := &Node{c: c, index: index, spec: spec, fault: spec.Fault, changed: make(chan struct{})}
	rng := n.random("boot")
	up := 3*time.Hour + time.Duration(rng.Int64N(int64(38*24*time.Hour))).Round(time.Second)
	n.load = newLoadModel(n.random("load"), spec)
	if c.scene.Still {
		n.load = n.load.still()
	}
	n.life = newLife(n, c.born.Add(-up), uuid(rng))
	return n
}

// random returns a source of chance that depends on the scene's seed, the node and the purpose.
func (n *Node) random(purpose string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(n.spec.Name + "/" + purpose))
	return rand.New(rand.NewPCG(uint64(n.c.scene.Seed), h.Sum64()))
}

func uuid(rng *rand.Rand) string {
	hi, lo := rng.Uint64(), rng.Uint64()
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(3<<62) | 2<<62
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xffff, lo>>48, lo&0xffffffffffff)
}

// Name returns the node's name.
func (n *Node) Name() string { return n.spec.Name }

// Address returns the node's own address, without a port.
func (n *Node) Address() string { return n.spec.Address }

// Endpoint returns the loopback host:port at which the node's API listens, empty before Start.
func (n *Node) Endpoint() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.endpoint
}

// BootID returns the identity of the current boot.
func (n *Node) BootID() string { return n.current().bootID }

// UUID returns the machine's hardware identity, as its firmware tells it.
func (n *Node) UUID() string { return uuid(n.random("uuid")) }

// Reachable reports whether the node's API answers: no fault, and not rebooting.
func (n *Node) Reachable() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.fault == scene.FaultNone && !n.away
}

// Fault returns what is wrong with the node now.
func (n *Node) Fault() scene.Fault {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.fault
}

func (n *Node) current() *life {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.life
}

// SetFault breaks or mends the node while the cluster runs. Connections of a
// machine that died or hangs go silent; those of one that refuses are cut. A
// machine that was dead boots when it is mended.
func (n *Node) SetFault(f scene.Fault) {
	n.mu.Lock()
	was := n.fault
	if was == f {
		n.mu.Unlock()
		return
	}
	n.fault, n.tried = f, false
	n.faults++
	turn := n.faults
	if was == scene.FaultDead && f == scene.FaultNone {
		n.away = true
	}
	close(n.changed)
	n.changed = make(chan struct{})
	n.mu.Unlock()
	n.c.etcd.setDown(n, f == scene.FaultDead || n.isAway())
	n.c.goDo(func(ctx context.Context) { n.settle(ctx, was, turn) })
	n.tellMachine()
}

// settle brings the node's connections in line with its fault.
func (n *Node) settle(ctx context.Context, was scene.Fault, turn int) {
	switch n.Fault() {
	case scene.FaultDead:
		n.gateNow().shut()
		if n.c.wait(ctx, deadSilence) && n.isTurn(turn) {
			n.gateNow().cut()
			n.current().cut()
		}
	case scene.FaultRefused:
		n.gateNow().shut()
		n.gateNow().cut()
		n.current().cut()
	case scene.FaultHung:
		n.current().mend()
		n.listen(ctx)
	case scene.FaultNone:
		if was == scene.FaultDead {
			n.powerOn(ctx)
			return
		}
		n.current().mend()
		n.listen(ctx)
	}
}

func (n *Node) isTurn(turn int) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.faults == turn
}

func (n *Node) gateNow() *gate {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.gate
}

func (n *Node) isAway() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.away
}

// tellMachine tells the listeners how the machine fares now.
func (n *Node) tellMachine() {
	n.telling.Lock()
	defer n.telling.Unlock()
	n.mu.Lock()
	l, fault, away := n.life, n.fault, n.away
	n.mu.Unlock()
	// A hung or refusing apid says nothing about the rest of the machine.
	dead := fault == scene.FaultDead
	n.c.tell(MachineEvent{
		Node: n.spec.Name, Up: fault == scene.FaultNone && !away,
		KubeletUp: !dead && l.kubeletUp(), Stage: l.stageName(), BootID: l.bootID,
	})
}

func (n *Node) start(ctx context.Context) error {
	var lc net.ListenConfig
	inner, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("opening a loopback port: %w", err)
	}
	n.mu.Lock()
	n.endpoint = inner.Addr().String()
	n.gate = newGate(n)
	n.server = n.newServer()
	refuses := n.fault == scene.FaultDead || n.fault == scene.FaultRefused
	n.mu.Unlock()
	if refuses {
		return inner.Close()
	}
	n.serve(inner)
	return nil
}

// listen opens the node's port again after it was shut.
func (n *Node) listen(ctx context.Context) {
	var lc net.ListenConfig
	for ctx.Err() == nil && !n.isAway() && !n.gateNow().isOpen() {
		inner, err := lc.Listen(ctx, "tcp", n.Endpoint())
		if err == nil {
			n.serve(inner)
			return
		}
		// Somebody else was given the port meanwhile: wait for it.
		if !n.c.wait(ctx, 100*time.Millisecond) {
			return
		}
	}
}

func (n *Node) serve(inner net.Listener) {
	n.mu.Lock()
	g, server, stopped := n.gate, n.server, n.stopped
	n.mu.Unlock()
	if stopped || !g.open(inner) {
		_ = inner.Close()
		return
	}
	if !n.c.goDo(func(context.Context) { _ = server.Serve(g.listener(inner)) }) {
		_ = inner.Close()
	}
}

func (n *Node) stop() {
	n.mu.Lock()
	n.stopped = true
	g, server, l := n.gate, n.server, n.life
	n.mu.Unlock()
	if g != nil {
		g.shut()
		g.cut()
	}
	l.end()
	l.cut()
	if server != nil {
		server.Stop()
	}
}

// newServer makes the gRPC server of one boot.
func (n *Node) newServer() *grpc.Server {
	conf := &tls.Config{
		MinVersion: tls.VersionTLS13,
		ClientAuth: tls.RequireAndVerifyClientCert,
		ClientCAs:  n.c.pki.Talos.Pool(),
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return n.certificate()
		},
	}
	server := grpc.NewServer(
		grpc.Creds(patientCreds{credentials.NewTLS(conf)}),
		grpc.UnaryInterceptor(n.unary),
		grpc.StreamInterceptor(n.stream),
		grpc.MaxRecvMsgSize(maxMessage),
	)
	register(server, n.c)
	return server
}

// certificate issues the node's server certificate at the first handshake.
func (n *Node) certificate() (*tls.Certificate, error) {
	n.certOnce.Do(func() {
		now := time.Now() // certificates are judged by the real clock
		pair, err := n.c.pki.Talos.Server(n.spec.Name, n.c.hosts(n), now.Add(-time.Hour), now.Add(pki.ClientLife))
		if err != nil {
			n.certErr = err
			return
		}
		n.cert, n.certErr = pair.TLS()
	})
	return &n.cert, n.certErr
}
