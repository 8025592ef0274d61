// Package board is what the screen reads and what it may ask for: the latest
// snapshot of each source, behind one gate, and the acts as an interface. It
// keeps the views apart from the packages that talk to the network.
package board

import (
	"context"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
	"github.com/talos-cockpit/talos-cockpit/health"
)

// The topics of the gate.
const (
	TopicStatus feed.Topic = iota
	TopicNodes
	TopicFlux
	TopicLogs
	TopicPlan
)

// Board holds the snapshots that the panes show. Its cells are written by the
// pollers and read by the event loop; reading never waits.
type Board struct {
	Gate     *feed.Gate
	Status   *feed.Cell[cluster.Status]
	Nodes    *feed.Cell[cluster.Inventory]
	Flux     *feed.Cell[cluster.FluxList]
	LogState *feed.Cell[cluster.LogState]
	Plan     *feed.Cell[health.Plan]
	Logs     *feed.Ring
}

// New returns a board with empty cells and a ring of the given bounds.
func New(maxLines int, maxBytes int64) *Board {
	g := feed.NewGate()
	return &Board{
		Gate:     g,
		Status:   feed.NewCell[cluster.Status](g, TopicStatus),
		Nodes:    feed.NewCell[cluster.Inventory](g, TopicNodes),
		Flux:     feed.NewCell[cluster.FluxList](g, TopicFlux),
		LogState: feed.NewCell[cluster.LogState](g, TopicLogs),
		Plan:     feed.NewCell[health.Plan](g, TopicPlan),
		Logs:     feed.NewRing(maxLines, maxBytes),
	}
}

// FluxVerb is what can be done to a Flux object.
type FluxVerb string

// The verbs, as the flux command names them.
const (
	FluxReconcile           FluxVerb = "reconcile"
	FluxReconcileWithSource FluxVerb = "reconcile --with-source"
	FluxSuspend             FluxVerb = "suspend"
	FluxResume              FluxVerb = "resume"
)

// Acts is what the screen may ask for. Calls that do not take a context return
// at once; the others wait and are called inside a tea.Cmd only.
type Acts interface {
	// FollowLogs replaces the followed selection; the ring starts anew.
	FollowLogs(sources []cluster.LogSource)
	// PlanFor chooses the node whose exchange is planned; empty: none.
	PlanFor(node string)
	// Show tells what is visible, so that the rest may rest.
	Show(scopes Visible)
	// Refresh asks all pollers to read at once.
	Refresh()
	// SwitchContext connects to another talosconfig context.
	SwitchContext(name string)
	// Flux does verb to the object and follows it to its outcome, which it
	// returns as one sentence.
	Flux(ctx context.Context, verb FluxVerb, object cluster.FluxObject) (string, error)
	// MayFlux says whether verb is allowed on the object's kind, and if not, why.
	MayFlux(verb FluxVerb, object cluster.FluxObject) (ok bool, why string)
}

// Visible says which panes are on the screen.
type Visible struct {
	Nodes, Logs, Flux, Exchange bool
}
