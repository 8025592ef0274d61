package session

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
)

// mergeEvery is the shortest time between two merges.
const mergeEvery = 100 * time.Millisecond

// inventory gathers what the watchers of one connection tell and merges it for
// the screen. Its methods may be called from any goroutine.
type inventory struct {
	cell   *feed.Cell[cluster.Inventory]
	trails *trails
	wake   chan struct{}
	named  chan struct{} // rings when a source may name other machines than before
	planes chan struct{} // rings with it, for whoever asks the control planes

	mu sync.Mutex
	in cluster.Input
}

func newInventory(cell *feed.Cell[cluster.Inventory]) *inventory {
	i := &inventory{cell: cell, trails: newTrails(), wake: make(chan struct{}, 1), named: make(chan struct{}, 1), planes: make(chan struct{}, 1)}
	i.in.Machines = map[string]cluster.Reading[cluster.Machine]{}
	i.in.Trails = i.trails.get
	return i
}

// tell changes the input and asks for a merge.
func (i *inventory) tell(change func(*cluster.Input)) {
	i.mu.Lock()
	change(&i.in)
	i.mu.Unlock()
	i.ring()
}

// name is tell for the sources that say which machines there are.
func (i *inventory) name(change func(*cluster.Input)) {
	i.tell(change)
	i.renamed()
}

func (i *inventory) renamed() {
	ring(i.named)
	ring(i.planes)
}

// note changes the input without a merge: ages that nothing shows.
func (i *inventory) note(change func(*cluster.Input)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change(&i.in)
}

func (i *inventory) ring() { ring(i.wake) }

// ring wakes the reader of the bell, once for any number of rings.
func ring(bell chan struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}

// now merges what is known at this moment.
func (i *inventory) now() cluster.Inventory { return cluster.Merge(i.copy()) }

func (i *inventory) copy() cluster.Input {
	i.mu.Lock()
	defer i.mu.Unlock()
	in := i.in
	in.Machines = maps.Clone(i.in.Machines)
	return in
}

// run merges after changes, at most every mergeEvery, and samples the trails,
// until ctx ends.
func (i *inventory) run(ctx context.Context) {
	step := time.NewTimer(feed.OnBeat(time.Now(), trailStep))
	defer step.Stop()
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-step.C:
			step.Reset(feed.OnBeat(time.Now(), trailStep))
			if i.trails.sample(i.copy().Machines) {
				i.ring()
			}
			continue
		case <-i.wake:
		}
		i.cell.Set(i.now(), time.Now())
		pause.Reset(mergeEvery)
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
	}
}
