package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

// kind is a sort of mishap.
type kind string

const (
	releaseFails   kind = "a HelmRelease fails to upgrade"
	podCrashes     kind = "a pod crash loops"
	kubeletChokes  kind = "a worker's kubelet is unhealthy"
	kubeletCrashes kind = "a worker's kubelet restarts"
	workerReboots  kind = "a worker reboots"
)

// mishap is something that goes wrong, and how long after the one before.
type mishap struct {
	after time.Duration
	kind  kind
	app   app    // of the mishaps of Kubernetes
	node  string // of the mishaps of machines
	lasts time.Duration
}

func (m mishap) String() string {
	on := m.node
	if on == "" {
		on = m.app.namespace + "/" + m.app.name
	}
	return fmt.Sprintf("after %s: %s: %s", m.after, m.kind, on)
}

// app is a HelmRelease and the app that it installs, which has the same name.
type app struct{ namespace, name string }

var apps = []app{{"monitoring", "grafana"}, {"media", "radarr"}, {"network", "ingress"}, {"media", "sonarr"}}

// The first mishap leaves time to look at a healthy cluster.
const (
	firstMishap  = 3 * time.Minute
	mishapSpread = time.Minute
	mishapGap    = 2 * time.Minute
	mishapSlack  = 140 * time.Second
)

// fate hands out a scene's mishaps, always the same ones for the same seed.
type fate struct {
	rng     *rand.Rand
	workers []string
	deck    []kind // what is still to come of this round
	dealt   int
}

func newFate(s scene.Scene) *fate {
	f := &fate{rng: rand.New(rand.NewPCG(uint64(s.Seed), 0x6d6973686170))}
	for _, n := range s.Nodes {
		if !n.ControlPlane {
			f.workers = append(f.workers, n.Name)
		}
	}
	return f
}

// next is the mishap after the last one.
func (f *fate) next() mishap {
	if len(f.deck) == 0 {
		f.shuffle()
	}
	m := mishap{kind: f.deck[0], after: mishapGap + time.Duration(f.rng.Int64N(int64(mishapSlack)))}
	f.deck = f.deck[1:]
	if f.dealt == 0 {
		m.after = firstMishap + time.Duration(f.rng.Int64N(int64(mishapSpread)))
	}
	f.dealt++
	m.after = m.after.Truncate(time.Second)
	switch m.kind {
	case releaseFails, podCrashes:
		m.app = apps[f.rng.IntN(len(apps))]
	case kubeletChokes, kubeletCrashes, workerReboots:
		m.node = f.workers[f.rng.IntN(len(f.workers))]
		m.lasts = 15*time.Second + time.Duration(f.rng.IntN(15))*time.Second // Kubernetes does not mind that
	}
	return m
}

// shuffle makes a round: everything once or twice, and a reboot not at its start.
func (f *fate) shuffle() {
	f.deck = []kind{releaseFails, podCrashes, releaseFails, podCrashes}
	if len(f.workers) > 0 {
		f.deck = append(f.deck, kubeletChokes, kubeletCrashes, workerReboots)
	}
	f.rng.Shuffle(len(f.deck), func(i, j int) { f.deck[i], f.deck[j] = f.deck[j], f.deck[i] })
	last := len(f.deck) - 1
	if i := slices.Index(f.deck, workerReboots); i >= 0 && i < last/2 {
		f.deck[i], f.deck[last] = f.deck[last], f.deck[i]
	}
}

// misfortune lets mishaps happen until ctx ends.
func (c *Cluster) misfortune(ctx context.Context) {
	play(ctx, newFate(c.Scene), c.now, c.befall)
}

// play does each mishap when its time has come by the clock, which it looks at
// every few seconds.
func play(ctx context.Context, f *fate, now func() time.Time, befall func(mishap)) {
	const look = 5 * time.Second
	timer := time.NewTimer(0)
	defer timer.Stop()
	m := f.next()
	last := now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		left := last.Add(m.after).Sub(now())
		if left <= 0 {
			befall(m)
			m, last, left = f.next(), now(), look
		}
		timer.Reset(min(left, look))
	}
}

// befall lets a mishap happen. A machine is left alone when it is in trouble
// already, and none reboots while anything else is out of order.
func (c *Cluster) befall(m mishap) {
	switch m.kind {
	case releaseFails:
		c.Kube.FailRelease(m.app.namespace, m.app.name)
	case podCrashes:
		c.Kube.CrashPod(m.app.namespace, m.app.name)
	case kubeletChokes:
		c.Talos.Node(m.node).ChokeKubelet(m.lasts)
	case kubeletCrashes:
		c.Talos.Node(m.node).CrashKubelet()
	case workerReboots:
		if c.calm() {
			c.Talos.Node(m.node).Reboot()
		}
	}
}
