// Package kubed is the Kubernetes side of a simulated cluster: an API server on
// loopback with an object store of its own, and small controllers that keep the
// cluster alive. It speaks the real protocol: client-go and kubectl work against
// it, and the Flux kinds react to requests as Flux's controllers do. It needs no
// other program and no privileges.
package kubed

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

// Identity is what a node's kubelet reports about its machine.
type Identity struct {
	MachineID  string // /etc/machine-id
	SystemUUID string // the SMBIOS UUID
	BootID     string // changes with every boot
	Kernel     string // such as 6.18.24-talos
	Containerd string // such as 2.2.4
}

// Options configures a Server. The zero value works.
type Options struct {
	// CACert and CAKey are the cluster's certificate authority in PEM. Without
	// them the server makes one of its own.
	CACert, CAKey []byte
	// Now is the simulated clock; nil is the real one.
	Now func() time.Time
	// TimeScale makes the cluster's own delays shorter: 10 is ten times as fast. Zero is 1.
	TimeScale float64
	// NodeUsage gives a node's CPU in millicores and memory in bytes to the
	// metrics API, so that both sides of the demo agree. nil, or ok false: the
	// server makes up its own.
	NodeUsage func(node string) (cpuMilli, memBytes int64, ok bool)
	// Identity gives what a node's kubelet reports. nil, or empty fields: derived from the scene.
	Identity func(node string) Identity
	// History is how many changes of each resource a watch can go back; zero is 2000.
	History int
}

// Server is a simulated Kubernetes API with the cluster behind it.
type Server struct {
	scene scene.Scene
	opts  Options
	store *store
	certs *authority
	sim   *sim
	calls callLog
	pages pageCache

	mu      sync.Mutex
	ctx     context.Context
	cancel  context.CancelFunc
	address string
	http    *http.Server
	paused  bool
	loops   sync.WaitGroup
	busy    inflight
}

// New builds the cluster of the scene; it does not listen yet.
func New(s scene.Scene, opts Options) *Server {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.TimeScale <= 0 {
		opts.TimeScale = 1
	}
	if opts.History <= 0 {
		opts.History = 2000
	}
	srv := &Server{scene: s, opts: opts, store: newStore(s.Seed, opts.History, opts.Now)}
	srv.pages.byVersion = map[pageKey][]object{}
	srv.sim = newSim(srv)
	seed(srv.sim)
	return srv
}

// Start listens on a free loopback port and sets the cluster in motion. It ends
// when ctx ends or Stop is called.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx != nil {
		return errors.New("the simulated Kubernetes API is already started")
	}
	certs, err := newAuthority(s.scene, s.opts)
	if err != nil {
		return err
	}
	s.certs = certs
	s.ctx, s.cancel = context.WithCancel(ctx)
	if err := s.listen("127.0.0.1:0"); err != nil {
		s.cancel()
		s.ctx = nil
		return err
	}
	s.loops.Add(2)
	go func() {
		defer s.loops.Done()
		s.sim.run(s.ctx)
	}()
	go func() {
		defer s.loops.Done()
		<-s.ctx.Done()
		s.closeServer()
	}()
	return nil
}

// listen serves on the address; the caller holds the lock.
func (s *Server) listen(address string) error {
	var config net.ListenConfig
	ln, err := config.Listen(s.ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen for the simulated Kubernetes API: %w", err)
	}
	s.address = ln.Addr().String()
	base, end := context.WithCancel(s.ctx)
	srv := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		TLSConfig:         s.certs.tlsConfig(),
		BaseContext:       func(net.Listener) context.Context { return base },
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	s.http, s.paused = srv, false
	s.loops.Add(1)
	go func() {
		defer s.loops.Done()
		defer end()
		// It always ends with an error, when it is closed.
		_ = srv.Serve(tls.NewListener(ln, srv.TLSConfig))
	}()
	return nil
}

func (s *Server) closeServer() {
	s.mu.Lock()
	srv := s.http
	s.http = nil
	s.mu.Unlock()
	if srv != nil {
		_ = srv.Close() // the connections are dropped in any case
	}
}

// Stop ends the server and its cluster and waits until nothing of it runs any more.
func (s *Server) Stop() {
	s.mu.Lock()
	cancel := s.cancel
	s.mu.Unlock()
	if cancel == nil {
		return
	}
	cancel()
	s.closeServer()
	s.loops.Wait()
	s.busy.wait()
}

// Pause takes the API away: the port is closed and every connection dropped,
// and the cluster stands still as it does without an API server.
func (s *Server) Pause() {
	s.mu.Lock()
	s.paused = true
	s.mu.Unlock()
	s.closeServer()
}

// Resume brings the API back on the port that it had. It fails when another
// program has taken the port meanwhile, or the server has not been started.
func (s *Server) Resume() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil || s.ctx.Err() != nil {
		return errors.New("the simulated Kubernetes API is not running")
	}
	if !s.paused {
		return nil
	}
	if err := s.listen(s.address); err != nil {
		return err
	}
	s.sim.kick()
	return nil
}

func (s *Server) isPaused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.paused
}

// URL is the address of the API, such as https://127.0.0.1:34567. It is empty before Start.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.address == "" {
		return ""
	}
	return "https://" + s.address
}

// inflight counts the requests under way.
type inflight struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n falls to zero while somebody waits
}

func (f *inflight) add(d int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n += d
	if f.n == 0 && f.idle != nil {
		close(f.idle)
		f.idle = nil
	}
}

func (f *inflight) wait() {
	f.mu.Lock()
	if f.n == 0 {
		f.mu.Unlock()
		return
	}
	if f.idle == nil {
		f.idle = make(chan struct{})
	}
	idle := f.idle
	f.mu.Unlock()
	<-idle
}
