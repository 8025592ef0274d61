package talosapi

import (
	"context"
	"sync"
)

const (
	// perNode is how many unary calls to one node may be under way.
	perNode = 2
	// forSick is how many calls under way may go to nodes that did not answer
	// their last one, all together, so that they cannot take all slots.
	forSick = 4
)

// slots limits the unary calls under way: in all, for each node, and for all the
// nodes together that did not answer their last call.
type slots struct {
	all, sick chan struct{}

	mu    sync.Mutex
	nodes map[string]*nodeState
}

// nodeState is what the client remembers of one node.
type nodeState struct {
	calls chan struct{}

	mu        sync.Mutex
	sick      bool
	recovered chan struct{} // closed and replaced when the node answers again
}

func newSlots(limit int) *slots {
	return &slots{
		all:   make(chan struct{}, limit),
		sick:  make(chan struct{}, max(1, min(forSick, limit/2))),
		nodes: map[string]*nodeState{},
	}
}

func (s *slots) node(name string) *nodeState {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.nodes[name]
	if n == nil {
		n = &nodeState{calls: make(chan struct{}, perNode), recovered: make(chan struct{})}
		s.nodes[name] = n
	}
	return n
}

// acquire waits for leave to call the node; release gives it back.
func (s *slots) acquire(ctx context.Context, n *nodeState) (release func(), err error) {
	wanted := []chan struct{}{n.calls, s.all}
	if n.isSick() {
		wanted = []chan struct{}{n.calls, s.sick, s.all}
	}
	for i, ch := range wanted {
		select {
		case ch <- struct{}{}:
		case <-ctx.Done():
			giveBack(wanted[:i])
			return nil, ctx.Err()
		}
	}
	return func() { giveBack(wanted) }, nil
}

func giveBack(held []chan struct{}) {
	for _, ch := range held {
		<-ch
	}
}

func (n *nodeState) isSick() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sick
}

// answered notes whether the node answered a call. The first answer after a
// failure closes the channel that back returned before.
func (n *nodeState) answered(ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if ok && n.sick {
		close(n.recovered)
		n.recovered = make(chan struct{})
	}
	n.sick = !ok
}

// back is closed when the node answers again after it did not.
func (n *nodeState) back() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.recovered
}
