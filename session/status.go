package session

import (
	"sync"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
)

// The sources of trouble, in the order in which they are shown.
const (
	fromTalosconfig = iota
	fromKubeconfig
	fromTalos
	fromEndpoints
	fromKube
	fromCheckout
	sources
)

// status keeps the identity and the connection, and publishes each change.
type status struct {
	cell     *feed.Cell[cluster.Status]
	readOnly bool

	mu       sync.Mutex
	now      cluster.Status
	troubles [sources][]cluster.Trouble
}

// change alters the status and publishes it.
func (s *status) change(alter func(*cluster.Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	alter(&s.now)
	s.publish()
}

// trouble replaces what is wrong with a source; none: all is well there.
func (s *status) trouble(source int, all ...cluster.Trouble) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(all) == 0 && len(s.troubles[source]) == 0 {
		return
	}
	s.troubles[source] = all
	s.now.Troubles = nil
	for _, some := range s.troubles {
		s.now.Troubles = append(s.now.Troubles, some...)
	}
	s.publish()
}

func (s *status) publish() {
	s.now.ReadOnly = s.whyReadOnly()
	s.cell.Set(s.now, time.Now())
}

// whyReadOnly says why nothing may be done; empty: actions are allowed.
func (s *status) whyReadOnly() string {
	switch {
	case s.readOnly:
		return "--read-only: the cockpit was started to look only"
	case s.now.Proof == cluster.ProofDifferent:
		return "talosconfig and kubeconfig are different clusters: no action is possible"
	case s.now.Proof != cluster.ProofSame:
		return "it is not proven that talosconfig and kubeconfig are the same cluster: no action is possible"
	}
	return ""
}

func (s *status) get() cluster.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}
