// Package talosd is the Talos side of a simulated cluster: for every node of a
// scene it serves the Talos API over gRPC with mutual TLS on a loopback port of
// its own, close enough to the real thing for talosctl and for the machinery's
// client. Roles, request forwarding, error texts, log formats, event and watch
// streams and the course of a reboot follow Talos 1.13 and 1.14; what is not
// simulated answers Unimplemented and never pretends.
package talosd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/cosi-project/runtime/pkg/state"

	"github.com/talos-cockpit/talos-cockpit/demo/pki"
	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

// apidPort is the port of the Talos API.
const apidPort = "50000"

// Options are what a Cluster needs beyond its scene. The zero value is good.
type Options struct {
	// Now is the clock that timestamps and values follow; time.Now when nil.
	Now func() time.Time
	// TimeScale says how much faster than in reality sequences such as a reboot
	// run and "no route to host" comes; 1 when zero.
	TimeScale float64
	// Kubeconfig makes the admin kubeconfig that the call Kubeconfig hands out;
	// without it the call is Unimplemented.
	Kubeconfig func(ctx context.Context) ([]byte, error)
	// Pods says what runs on a node; it is asked at every call. A control plane's
	// static pods run in any case: one of that name replaces what is known of it here.
	Pods func(node string) []Pod
	// PodLog returns the lines that the container whose ID begins with id wrote
	// between two moments, both included, at most the last limit of them. Without it
	// containers write lines of no particular program.
	PodLog func(namespace, pod, container, id string, from, to time.Time, limit int) []PodLine
}

// Pod is a pod as the container runtime of a node sees it.
type Pod struct {
	Namespace  string
	Name       string
	UID        string
	Containers []Container
}

// Container is one container of a Pod.
type Container struct {
	Name    string
	Image   string
	ID      string    // as the runtime names it, 64 hexadecimal digits; empty: made up
	Exited  bool      // it has ended, and the runtime still knows it
	Started time.Time // zero: with the machine
	CPU     float64   // mean number of busy cores; Memory 0: both are made up
	Memory  int64     // bytes in use now
}

// PodLine is a line of a container's log.
type PodLine struct {
	At   time.Time
	Text string
}

// MachineEvent tells the other side of the simulation how a machine fares.
type MachineEvent struct {
	Node      string // name
	Up        bool   // the machine's API answers
	KubeletUp bool   // its kubelet runs and reports
	Stage     string // the machine stage in lower case, such as "running"
	BootID    string
}

// Cluster is a simulated Talos cluster. Its methods may be called from any goroutine.
type Cluster struct {
	scene  scene.Scene
	pki    *pki.PKI
	opts   Options
	born   time.Time // by the clock of the options, when New ran
	nodes  []*Node
	byAddr map[string]*Node
	byName map[string]*Node
	meta   map[string]*metaState // by Talos minor version
	shared state.CoreState       // what discovery tells all nodes alike
	etcd   *etcdGroup
	calls  callLog
	work   sync.WaitGroup

	mu        sync.Mutex
	listeners []func(MachineEvent)
	ctx       context.Context
	cancel    context.CancelFunc
}

// New builds the cluster of a scene; Start opens its ports.
func New(s scene.Scene, p *pki.PKI, opts Options) *Cluster {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.TimeScale <= 0 {
		opts.TimeScale = 1
	}
	c := &Cluster{
		scene: s, pki: p, opts: opts, born: opts.Now(),
		byAddr: map[string]*Node{}, byName: map[string]*Node{},
		meta: map[string]*metaState{},
	}
	for i, spec := range s.Nodes {
		n := newNode(c, i, spec)
		c.nodes = append(c.nodes, n)
		c.byAddr[spec.Address] = n
		c.byName[spec.Name] = n
	}
	c.etcd = newEtcdGroup(c)
	return c
}

// Start opens one loopback port per node. The cluster lives until Stop, or
// until ctx ends. An error means that a port could not be opened; then nothing runs.
func (c *Cluster) Start(ctx context.Context) error {
	c.mu.Lock()
	if c.ctx != nil {
		c.mu.Unlock()
		return errors.New("the simulated cluster was started before")
	}
	c.ctx, c.cancel = context.WithCancel(ctx)
	running := c.ctx
	c.work.Add(1)
	context.AfterFunc(running, c.shut)
	c.mu.Unlock()
	for _, n := range c.nodes {
		if err := n.start(running); err != nil {
			c.Stop()
			return fmt.Errorf("starting %s: %w", n.spec.Name, err)
		}
	}
	return nil
}

// Stop ends the cluster and waits until nothing of it runs any more.
func (c *Cluster) Stop() {
	c.mu.Lock()
	cancel := c.cancel
	c.mu.Unlock()
	if cancel == nil {
		return
	}
	cancel()
	c.work.Wait()
}

// shut runs once, when the cluster's context ends.
func (c *Cluster) shut() {
	defer c.work.Done()
	for _, n := range c.nodes {
		n.stop()
	}
}

// goDo runs f unless the cluster has stopped; Stop waits for it.
func (c *Cluster) goDo(f func(ctx context.Context)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx == nil || c.ctx.Err() != nil {
		return false
	}
	ctx := c.ctx
	c.work.Go(func() { f(ctx) })
	return true
}

// runs reports whether the cluster was started and has not stopped.
func (c *Cluster) runs() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ctx != nil && c.ctx.Err() == nil
}

// now is the cluster's time.
func (c *Cluster) now() time.Time { return c.opts.Now() }

// scaled turns a duration of reality into one of the simulation.
func (c *Cluster) scaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) / c.opts.TimeScale)
}

// wait lasts for d, scaled, and reports whether ctx still lives afterwards.
func (c *Cluster) wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(c.scaled(d))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// Node returns the node with that name or address, nil when there is none.
func (c *Cluster) Node(name string) *Node {
	if n, ok := c.byName[name]; ok {
		return n
	}
	return c.byAddr[name]
}

// OnMachine registers f to hear of every change of a machine. It is called from
// the simulation's goroutines, in order for one machine, and must not block.
func (c *Cluster) OnMachine(f func(MachineEvent)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listeners = append(c.listeners, f)
}

func (c *Cluster) tell(e MachineEvent) {
	c.mu.Lock()
	listeners := slices.Clone(c.listeners)
	c.mu.Unlock()
	for _, f := range listeners {
		f(e)
	}
}

// Endpoints returns the loopback host:port of every control plane, in order.
// They exist once Start has returned.
func (c *Cluster) Endpoints() []string {
	var out []string
	for _, n := range c.nodes {
		if n.spec.ControlPlane {
			out = append(out, n.Endpoint())
		}
	}
	return out
}

// Calls returns the last recorded API calls, oldest first.
func (c *Cluster) Calls() []Call { return c.calls.all() }

// vip returns the node that holds the cluster's virtual address: the first
// control plane that lives, nil when none does.
func (c *Cluster) vip() *Node {
	for _, n := range c.nodes {
		if n.spec.ControlPlane && n.Reachable() {
			return n
		}
	}
	return nil
}

// at finds the node of an address; ok is false for an address of nobody.
func (c *Cluster) at(address string) (n *Node, ok bool) {
	if n, ok = c.byAddr[address]; ok {
		return n, true
	}
	if address == c.scene.APIAddress {
		n = c.vip()
		return n, n != nil
	}
	return nil, false
}

// hosts are the names and addresses that a node's certificate is good for.
func (c *Cluster) hosts(n *Node) []string {
	hosts := []string{n.spec.Name, n.spec.Address, "localhost", net.IPv4(127, 0, 0, 1).String(), "::1"}
	if n.spec.ControlPlane && c.scene.APIAddress != "" {
		hosts = append(hosts, c.scene.APIAddress)
	}
	return hosts
}
