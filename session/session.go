// Package session connects the cockpit to a cluster: it finds the configuration,
// opens the clients, proves that both are the same cluster, and runs the
// goroutines behind the panes, which write to the board.
package session

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/talos-cockpit/talos-cockpit/board"
	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
)

// Options of a session.
type Options struct {
	Places       Places
	TalosContext string // empty: the talosconfig's own choice
	KubeContext  string // empty: the kubeconfig's own choice
	ReadOnly     bool
	Version      string // of the cockpit, for the user agent
	// Demo is the name of the simulated scene, empty for a real cluster; Dial
	// then reaches its Talos nodes.
	Demo string
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Prepare, if not nil, runs first and may change the options, such as start
	// the simulated cluster and name its files. Its error is shown and final.
	Prepare func(ctx context.Context, o *Options) error
	// Go runs f in a goroutine whose panic restores the terminal; nil: a plain one.
	Go func(f func())
}

// Session is the connection of one cockpit. It implements board.Acts.
type Session struct {
	board   *board.Board
	opts    Options
	switchC chan string // talosconfig context to switch to
	follow  chan []cluster.LogSource
	target  chan string
	planned string // node whose exchange is planned, in whichever cluster; plans alone uses it
	visible atomic.Pointer[board.Visible]
	kicks   kicks

	link atomic.Pointer[link] // the present connection; nil: none
}

// New prepares a session; Run connects.
func New(b *board.Board, o Options) *Session {
	if o.Go == nil {
		o.Go = func(f func()) { go f() }
	}
	s := &Session{
		board: b, opts: o, switchC: make(chan string, 1),
		follow: make(chan []cluster.LogSource, 1), target: make(chan string, 1),
	}
	s.visible.Store(&board.Visible{Nodes: true, Logs: true, Flux: true})
	return s
}

// Run connects and keeps the board fed until ctx ends. It returns when all its
// goroutines have.
func (s *Session) Run(ctx context.Context) {
	if s.opts.Prepare != nil {
		if err := s.opts.Prepare(ctx, &s.opts); err != nil {
			t := trouble(err)
			s.board.Status.Set(cluster.Status{Proof: cluster.ProofPending, ReadOnly: t.What, Troubles: []cluster.Trouble{t}}, time.Now())
			<-ctx.Done()
			return
		}
	}
	talosContext := s.opts.TalosContext
	for ctx.Err() == nil {
		talosContext = s.connect(ctx, talosContext)
	}
}

// connect runs one generation: it lives until ctx ends or another context is
// chosen, which it returns. Nothing of an older generation is written after it.
func (s *Session) connect(ctx context.Context, talosContext string) (next string) {
	generation, cancel := context.WithCancel(ctx)
	l := newLink(generation, s, talosContext)
	s.link.Store(l)
	done := make(chan struct{})
	s.opts.Go(func() {
		defer close(done)
		l.run(generation)
	})
	next = talosContext
	select {
	case <-ctx.Done():
	case next = <-s.switchC:
	}
	s.link.Store(nil)
	cancel()
	<-done
	if ctx.Err() == nil {
		s.clear()
	}
	return next
}

// clear empties the board before another cluster is shown on it.
func (s *Session) clear() {
	s.board.Status.Clear()
	s.board.Nodes.Clear()
	s.board.Flux.Clear()
	s.board.Plan.Clear()
	s.board.LogState.Clear()
	s.board.Logs.Reset()
}

// FollowLogs implements board.Acts.
func (s *Session) FollowLogs(sources []cluster.LogSource) { latest(s.follow, sources) }

// PlanFor implements board.Acts.
func (s *Session) PlanFor(node string) { latest(s.target, node) }

// SwitchContext implements board.Acts.
func (s *Session) SwitchContext(name string) { latest(s.switchC, name) }

// Show implements board.Acts.
func (s *Session) Show(v board.Visible) {
	s.visible.Store(&v)
	s.kicks.ring()
}

// Refresh implements board.Acts.
func (s *Session) Refresh() { s.kicks.ring() }

// latest puts v into a channel of one place, over whatever is still waiting there.
func latest[T any](c chan T, v T) {
	for {
		select {
		case c <- v:
			return
		default:
		}
		select {
		case <-c:
		default:
		}
	}
}

// kicks wakes everyone who waits, at once.
type kicks struct {
	mu sync.Mutex
	c  chan struct{}
}

// wait returns a channel that is closed by the next ring.
func (k *kicks) wait() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.c == nil {
		k.c = make(chan struct{})
	}
	return k.c
}

func (k *kicks) ring() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.c != nil {
		close(k.c)
		k.c = nil
	}
}

// sleep waits for about d, for a kick or for the end of ctx; it reports whether ctx lives.
func (s *Session) sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(feed.OnBeat(time.Now(), d))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
	case <-s.kicks.wait():
	}
	return ctx.Err() == nil
}
