package session

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

// Trails: one sample of CPU and memory every trailStep, trailLength of them.
const (
	trailStep   = 5 * time.Second
	trailLength = 60
)

// trails keeps the last samples of each machine. A machine that did not answer
// at a step leaves a gap (NaN), never an old value.
type trails struct {
	mu sync.Mutex
	by map[string]*trail
}

type trail struct{ cpu, mem []float32 }

func newTrails() *trails { return &trails{by: map[string]*trail{}} }

// sample adds one step for all machines and reports whether any trail looks
// different now than before.
func (t *trails) sample(machines map[string]cluster.Reading[cluster.Machine]) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	changed := false
	for address, r := range machines {
		one := t.by[address]
		if one == nil {
			one = &trail{}
			t.by[address] = one
		}
		cpu, mem := float32(math.NaN()), float32(math.NaN())
		if r.Fresh() {
			if v, known := r.Value.CPU.Get(); known {
				cpu = float32(v)
			}
			if v, known := r.Value.Memory.Get(); known {
				mem = float32(v.Share())
			}
		}
		changed = push(&one.cpu, cpu) || changed
		changed = push(&one.mem, mem) || changed
	}
	for address := range t.by {
		if _, there := machines[address]; !there {
			delete(t.by, address)
		}
	}
	return changed
}

// push appends v to a new slice, so that slices handed out stay as they were. A
// full trail of one and the same level looks the same after another sample.
func push(trail *[]float32, v float32) bool {
	old := *trail
	next := append(slices.Clone(old[max(0, len(old)-trailLength+1):]), v)
	*trail = next
	return !slices.EqualFunc(old, next, sameLevel)
}

// sameLevel compares what a sparkline of eight levels and the rounded percentage show.
func sameLevel(a, b float32) bool {
	if a != a || b != b { // NaN
		return a != a && b != b
	}
	return int(a*8) == int(b*8)
}

func (t *trails) get(address string) (cpu, mem []float32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if one := t.by[address]; one != nil {
		return one.cpu, one.mem
	}
	return nil, nil
}
