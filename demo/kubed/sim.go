package kubed

import (
	"container/heap"
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

// sim is everything that a cluster does by itself: the controllers, the
// scheduler, the kubelets and Flux. All of it runs in one goroutine.
type sim struct {
	s     *Server
	store *store
	scene scene.Scene
	began time.Time // the simulated time of New

	wake chan struct{}

	mu       sync.Mutex
	timers   timerHeap
	waiting  map[string]bool // the names of the timers that are set
	dirty    []func()
	queued   map[string]bool // the names of the functions in dirty
	kubelets map[string]*kubelet

	// Below is used by the loop alone.
	reconciling map[string]bool // Flux objects that are at it
	helmFails   map[string]bool // HelmReleases whose upgrades fail
	commits     int             // how often the branch has moved
	upgrades    int             // how often the values of a HelmRelease have changed

	listening sync.Mutex // held while listeners hear, so that they hear in order
	listeners []func(NodeState)
	told      map[string]NodeState // by node
}

// kubelet is what the simulation knows of a node's agent.
type kubelet struct {
	up        bool
	downSince time.Time // by the real clock, when it stopped
	bootID    string
}

func newSim(s *Server) *sim {
	m := &sim{
		s: s, store: s.store, scene: s.scene, began: s.opts.Now(), wake: make(chan struct{}, 1),
		waiting: map[string]bool{}, queued: map[string]bool{}, kubelets: map[string]*kubelet{},
		reconciling: map[string]bool{}, helmFails: map[string]bool{}, told: map[string]NodeState{},
	}
	for _, n := range s.scene.Nodes {
		m.kubelets[n.Name] = &kubelet{up: n.Fault != scene.FaultDead}
	}
	return m
}

// timer is something that the simulation does later.
type timer struct {
	at   time.Time
	seq  int
	name string
	do   func()
}

type timerHeap []timer

func (h timerHeap) Len() int { return len(h) }
func (h timerHeap) Less(i, j int) bool {
	return h[i].at.Before(h[j].at) || (h[i].at.Equal(h[j].at) && h[i].seq < h[j].seq)
}
func (h timerHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *timerHeap) Push(x any) {
	if t, ok := x.(timer); ok {
		*h = append(*h, t)
	}
}

func (h *timerHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}

// after does something once the delay is over; while a timer of that name is set, another one is not.
func (m *sim) after(name string, delay time.Duration, do func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.waiting[name] {
		return
	}
	m.waiting[name] = true
	delay = time.Duration(float64(delay) / m.s.opts.TimeScale)
	heap.Push(&m.timers, timer{at: time.Now().Add(delay), seq: len(m.waiting), name: name, do: do})
	m.signal()
}

// soon does something as the next thing; it may be called with the store locked.
func (m *sim) soon(name string, do func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.queued[name] {
		return
	}
	m.queued[name] = true
	m.dirty = append(m.dirty, func() {
		m.mu.Lock()
		delete(m.queued, name)
		m.mu.Unlock()
		do()
	})
	m.signal()
}

func (m *sim) signal() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

func (m *sim) kick() { m.signal() }

// run is the life of the cluster until ctx ends.
func (m *sim) run(ctx context.Context) {
	m.store.mu.Lock()
	m.store.changed = m.notice
	m.store.mu.Unlock()
	m.begin()
	clock := time.NewTimer(0)
	defer clock.Stop()
	for {
		next := time.Hour
		if !m.s.isPaused() {
			next = m.step()
		}
		clock.Reset(next)
		select {
		case <-ctx.Done():
			return
		case <-m.wake:
		case <-clock.C:
		}
	}
}

// step does what is due and returns the time until the next thing is.
func (m *sim) step() time.Duration {
	for {
		m.mu.Lock()
		work := m.dirty
		m.dirty = nil
		for len(m.timers) > 0 && !m.timers[0].at.After(time.Now()) {
			t, ok := heap.Pop(&m.timers).(timer)
			if ok {
				delete(m.waiting, t.name)
				work = append(work, t.do)
			}
		}
		next := time.Hour
		if len(m.timers) > 0 {
			next = max(0, time.Until(m.timers[0].at))
		}
		m.mu.Unlock()
		if len(work) == 0 {
			return next
		}
		for _, do := range work {
			do()
		}
	}
}

// begin starts what goes on by itself. A still scene only answers to requests.
func (m *sim) begin() {
	m.reviewAll()
	for _, n := range m.scene.Nodes {
		m.soon("tell "+n.Name, func() { m.tellNode(n.Name) })
	}
	if m.scene.Still {
		return
	}
	for _, n := range m.scene.Nodes {
		m.heartbeatLater(n.Name)
	}
	m.fluxBegin()
	m.after("prune events", 5*time.Minute, m.pruneEvents)
}

// reviewAll looks at every object once, for what the seed has left to be done.
func (m *sim) reviewAll() {
	m.store.read(func(t tx) {
		for _, res := range []*resource{deployments, replicaSets, statefulSets, daemonSets, pods, budgets} {
			for _, o := range t.list(res) {
				m.notice(res, event{obj: o})
			}
		}
	})
}

// notice is told of every change, with the store locked: it only queues work.
func (m *sim) notice(res *resource, e event) {
	o := e.obj
	ns, name := o.GetNamespace(), o.GetName()
	gone := e.kind == watch.Deleted
	switch res {
	case pods:
		m.noticePod(o, e.old, gone)
	case nodes:
		m.noticeNode(name, gone)
	case deployments, replicaSets, statefulSets, daemonSets:
		if gone {
			m.soon("orphans of "+string(o.GetUID()), func() { m.collect(string(o.GetUID())) })
			return
		}
		m.workloadSoon(res, ns, name)
		if ref := metav1.GetControllerOf(o); ref != nil && res == replicaSets {
			m.workloadSoon(deployments, ns, ref.Name)
		}
	case jobs:
		if gone {
			m.soon("orphans of "+string(o.GetUID()), func() { m.collect(string(o.GetUID())) })
		}
	case budgets:
		m.budgetsSoon(ns)
	case namespaces:
		if !gone && o.GetDeletionTimestamp() != nil {
			m.soon("namespace "+name, func() { m.emptyNamespace(name) })
		}
	}
	if isFlux(res) && !gone {
		m.soon(res.Resource+"/"+objKey(o), func() { m.fluxReview(res, ns, name) })
	}
}

func (m *sim) noticePod(o, old object, gone bool) {
	p, ok := o.(*corev1.Pod)
	if !ok {
		return
	}
	ns, name := p.Namespace, p.Name
	m.budgetsSoon(ns)
	if ref := metav1.GetControllerOf(p); ref != nil {
		if res, err := resourceOf(ref.APIVersion, ref.Kind); err == nil {
			m.workloadSoon(res, ns, ref.Name)
		}
	}
	if gone {
		m.soon("detach "+ns+"/"+name, func() { m.detach(p) })
		if isMirror(p) {
			m.soon("mirror "+ns+"/"+name, func() { m.mirrorAgain(p) })
		}
		m.soon("pending", m.retryPending)
		return
	}
	if old == nil || old.GetDeletionTimestamp() != p.DeletionTimestamp || p.Status.Phase == corev1.PodPending {
		m.soon("pod "+ns+"/"+name, func() { m.podReview(ns, name) })
	}
}

func (m *sim) workloadSoon(res *resource, ns, name string) {
	m.soon(res.Resource+" "+ns+"/"+name, func() { m.reconcile(res, ns, name) })
}

// budgetsSoon brings the budgets of a namespace up to date, shortly after a change.
func (m *sim) budgetsSoon(ns string) {
	m.soon("budgets "+ns, func() {
		m.change(func(t tx) {
			for _, o := range t.list(budgets) {
				if o.GetNamespace() == ns {
					m.s.refreshBudget(t, asBudget(o))
				}
			}
		})
	})
}

// change runs fn with the store locked for writing.
func (m *sim) change(fn func(t tx)) {
	_ = m.store.write(func(t tx) error { // fn has no error
		fn(t)
		return nil
	})
}

func (m *sim) now() metav1.Time { return metaTime(m.s.opts.Now()) }

func (m *sim) kubeletUp(node string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.kubelets[node]
	return k != nil && k.up
}

func (m *sim) addressOf(node string) string {
	for _, n := range m.scene.Nodes {
		if n.Name == node {
			return n.Address
		}
	}
	return node
}
