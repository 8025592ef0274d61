// Package feed carries values from goroutines to the event loop: Cell holds the
// latest Snapshot of a source, Gate turns any number of changes into one wake,
// Ring keeps log lines. It imports the standard library only and knows nothing
// of any screen.
package feed

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Topic is one kind of change that panes can wait for.
type Topic uint

// Topics is a set of topics.
type Topics uint64

// Set returns the set that holds just t.
func (t Topic) Set() Topics { return 1 << t }

// With returns the set with t in it.
func (s Topics) With(t Topic) Topics { return s | t.Set() }

// Has reports whether the sets have a topic in common.
func (s Topics) Has(other Topics) bool { return s&other != 0 }

// Snapshot is one immutable state of a source.
type Snapshot[T any] struct {
	Value T
	Seq   uint64    // grows with each change, of the value or of the error
	At    time.Time // when Value was read; zero: there never was a good value
	Err   error     // why the last read failed; nil: it was good
	Since time.Time // of the first failure in a row
}

// Has reports whether there ever was a good value.
func (s Snapshot[T]) Has() bool { return !s.At.IsZero() }

// Cell holds the latest Snapshot of one source. Reading never waits. The zero
// Cell is ready for use and marks no gate; NewCell makes one that does.
type Cell[T any] struct {
	mu    sync.Mutex // writers only
	cur   atomic.Pointer[Snapshot[T]]
	gate  *Gate
	topic Topic
}

// NewCell returns a cell that marks topic on gate with each change.
func NewCell[T any](gate *Gate, topic Topic) *Cell[T] {
	return &Cell[T]{gate: gate, topic: topic}
}

// Load returns the latest snapshot; the zero Snapshot before the first Set.
func (c *Cell[T]) Load() Snapshot[T] {
	if s := c.cur.Load(); s != nil {
		return *s
	}
	return Snapshot[T]{}
}

// Set stores a good value that was read at the given time.
func (c *Cell[T]) Set(v T, at time.Time) {
	c.swap(func(s *Snapshot[T]) { s.Value, s.At, s.Err, s.Since = v, at, nil, time.Time{} })
}

// Touch says that the value was read again and is the same: its age starts
// anew, and nothing is marked.
func (c *Cell[T]) Touch(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.Load()
	if s.Err != nil || !s.Has() {
		return
	}
	s.At = at
	c.cur.Store(&s)
}

// Fail stores why the value could not be read; the last good value stays.
func (c *Cell[T]) Fail(err error, at time.Time) {
	c.swap(func(s *Snapshot[T]) {
		if s.Err == nil {
			s.Since = at
		}
		s.Err = err
	})
}

// Part stores a value of which something is missing or old, and why.
func (c *Cell[T]) Part(v T, err error, at time.Time) {
	c.swap(func(s *Snapshot[T]) {
		s.Value, s.At = v, at
		if s.Err == nil {
			s.Since = at
		}
		s.Err = err
	})
}

// Clear forgets the value and the error, as if nothing had ever been read.
func (c *Cell[T]) Clear() {
	c.swap(func(s *Snapshot[T]) { *s = Snapshot[T]{Seq: s.Seq} })
}

func (c *Cell[T]) swap(change func(*Snapshot[T])) {
	c.mu.Lock()
	s := c.Load()
	change(&s)
	s.Seq++
	c.cur.Store(&s)
	c.mu.Unlock()
	if c.gate != nil {
		c.gate.Mark(c.topic.Set())
	}
}

// Gate gathers dirty topics and wakes one reader.
type Gate struct {
	dirty atomic.Uint64
	wake  chan struct{}
}

// NewGate returns a gate with nothing marked.
func NewGate() *Gate { return &Gate{wake: make(chan struct{}, 1)} }

// Mark adds the topics and wakes the pump; it never waits.
func (g *Gate) Mark(t Topics) {
	g.dirty.Or(uint64(t))
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// Pump calls send with the topics marked since the last call, at most once
// every interval, until ctx ends. send may wait; marks made meanwhile are kept.
func (g *Gate) Pump(ctx context.Context, interval time.Duration, send func(Topics)) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.wake:
		}
		if t := Topics(g.dirty.Swap(0)); t != 0 {
			send(t)
		}
		timer.Reset(interval)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
	}
}
