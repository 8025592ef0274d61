package session

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
	"github.com/talos-cockpit/talos-cockpit/talosapi"
)

// How often what cannot be watched is asked for.
const (
	etcdEvery     = 10 * time.Second
	identityEvery = 10 * time.Minute
	identityRetry = 5 * time.Second
)

// talosSide opens the Talos client, again and again until the talosconfig can be
// used, and then runs everything that reads the Talos API.
func (l *link) talosSide(ctx context.Context, f Found) {
	client := l.openTalos(ctx, f)
	if client == nil {
		return
	}
	l.talos.Store(client)
	close(l.opened)
	l.start(func() { l.watchEndpoints(ctx, client) })
	l.start(func() { l.pollEtcd(ctx, client) })
	l.start(func() { l.pollIdentity(ctx, client) })
	l.start(func() { l.machines.run(ctx, l, client) })
	client.WatchMembers(ctx, func(r cluster.Reading[talosapi.Members]) { l.tellMembers(r) })
}

func (l *link) openTalos(ctx context.Context, f Found) *talosapi.Client {
	for {
		cfg, err := talosapi.LoadConfig(f.Talosconfig, l.talosContext)
		if cfg != nil {
			l.tellTalosconfig(cfg)
		}
		if err == nil {
			var client *talosapi.Client
			if client, err = talosapi.Open(cfg, talosapi.Options{Dial: l.s.opts.Dial, Go: l.s.opts.Go}); err == nil {
				l.status.trouble(fromTalosconfig, wrongRole(cfg)...)
				return client
			}
		}
		l.status.trouble(fromTalosconfig, trouble(err))
		if !l.s.sleep(ctx, retryFiles) {
			return nil
		}
	}
}

// readers are the roles of the Talos API that may read a cluster.
var readers = []string{"os:admin", "os:operator", "os:reader"}

// wrongRole says that the talosconfig is for something else than looking at a cluster.
func wrongRole(cfg *talosapi.Config) []cluster.Trouble {
	if len(cfg.Roles) == 0 || slices.ContainsFunc(cfg.Roles, func(r string) bool { return slices.Contains(readers, r) }) {
		return nil
	}
	return []cluster.Trouble{{
		Kind: cluster.TroubleForbidden,
		What: "the talosconfig has the role " + strings.Join(cfg.Roles, ", ") + ", which may not read the state of nodes",
		Do:   "take one of role os:reader, os:operator or os:admin",
	}}
}

// trouble is the error as cluster.Trouble; the data layer makes them all so.
func trouble(err error) cluster.Trouble {
	var t *cluster.Trouble
	if errors.As(err, &t) {
		return *t
	}
	return cluster.Trouble{Kind: cluster.TroubleOther, What: feed.Clean(err.Error())}
}

func (l *link) tellTalosconfig(cfg *talosapi.Config) {
	l.status.change(func(s *cluster.Status) {
		s.TalosCtx, s.Contexts, s.Endpoints = cfg.Context, cfg.Contexts, cfg.Endpoints
		s.TalosRoles, s.TalosExpiry = cfg.Roles, cfg.NotAfter
		if s.Cluster == "" {
			s.Cluster = cfg.Context
		}
	})
}

func (l *link) tellMembers(r cluster.Reading[talosapi.Members]) {
	l.evidence.set(func(e *evidence) {
		if r.Has() {
			e.members = nonNil(r.Value.Discovered)
		}
	})
	l.judge()
	l.machines.configured(r.Value.Configured)
	l.inv.name(func(in *cluster.Input) {
		if r.Has() {
			in.Members = nonNil(r.Value.Discovered)
		}
	})
}

func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// watchEndpoints tells the troubles of the endpoints: all down, or a VIP among them.
func (l *link) watchEndpoints(ctx context.Context, client *talosapi.Client) {
	for {
		changed := client.Changed()
		l.tellEndpoints(client)
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

func (l *link) tellEndpoints(client *talosapi.Client) {
	all := client.Endpoints()
	var down []cluster.Trouble
	for _, e := range all {
		if e.State == talosapi.EndpointUp && e.Version != "" {
			l.status.change(func(s *cluster.Status) {
				s.Talos = cluster.Reading[string]{Value: e.Version, At: time.Now()}
			})
		}
		if e.State == talosapi.EndpointDown && e.Err != nil {
			down = append(down, *e.Err)
		}
	}
	if len(down) < len(all) {
		down = nil // some endpoint works: the nodes' own rows tell the rest
	}
	l.status.trouble(fromTalos, down...)
	l.status.trouble(fromEndpoints, client.VIPEndpoints(l.kubeHost())...)
}

// kubeHost is the host of the Kubernetes API as the checkout writes it; empty: not known.
func (l *link) kubeHost() string {
	return l.status.get().Checkout.Value.Endpoint
}

// pollEtcd asks every control plane for etcd's status, members and alarms.
func (l *link) pollEtcd(ctx context.Context, client *talosapi.Client) {
	for {
		addresses := l.controlPlanes()
		if len(addresses) > 0 {
			e := client.Etcd(ctx, addresses)
			if ctx.Err() != nil {
				return
			}
			l.tellEtcd(e)
		}
		if !l.pauseEtcd(ctx, addresses) {
			return
		}
	}
}

// pauseEtcd waits until etcd is to be asked again: after a while, on a kick, or
// when there are other control planes than were asked.
func (l *link) pauseEtcd(ctx context.Context, asked []string) bool {
	pause := etcdEvery
	if len(asked) == 0 {
		pause = time.Second // nobody is known yet
	}
	t := time.NewTimer(feed.OnBeat(time.Now(), pause))
	defer t.Stop()
	kick := l.s.kicks.wait()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-t.C:
			return true
		case <-kick:
			return true
		case <-l.inv.planes:
			if !slices.Equal(l.controlPlanes(), asked) {
				return true
			}
		}
	}
}

// tellEtcd keeps the new answers; it asks for a merge only if something other
// than the running counters and the times has changed.
func (l *link) tellEtcd(e cluster.Etcd) {
	same := false
	l.inv.note(func(in *cluster.Input) {
		same = sameEtcd(in.Etcd, e)
		in.Etcd = e
	})
	if !same {
		l.inv.ring()
	}
}

func sameEtcd(a, b cluster.Etcd) bool {
	return a.AlarmsKnown == b.AlarmsKnown && slices.Equal(a.Alarms, b.Alarms) &&
		slices.EqualFunc(a.Answers, b.Answers, sameAnswer)
}

func sameAnswer(a, b cluster.EtcdAnswer) bool {
	if a.Address != b.Address || len(a.Members) != len(b.Members) || (a.Status == nil) != (b.Status == nil) ||
		!sameTrouble(a.StatusErr, b.StatusErr) || !sameTrouble(a.MembersErr, b.MembersErr) {
		return false
	}
	for i := range a.Members {
		if a.Members[i].ID != b.Members[i].ID || a.Members[i].Learner != b.Members[i].Learner || a.Members[i].Hostname != b.Members[i].Hostname {
			return false
		}
	}
	if a.Status == nil {
		return true
	}
	x, y := *a.Status, *b.Status
	return x.MemberID == y.MemberID && x.Leader == y.Leader && x.Learner == y.Learner &&
		x.Version == y.Version && x.DBSize>>20 == y.DBSize>>20 && slices.Equal(x.Errors, y.Errors)
}

func (l *link) controlPlanes() []string {
	var out []string
	for _, n := range l.inv.now().Nodes {
		if n.Role == cluster.RoleControlPlane && n.Address != "" {
			out = append(out, n.Address)
		}
	}
	slices.Sort(out)
	return out
}

// pollIdentity reads the Kubernetes CA through the Talos API for the same-cluster proof.
func (l *link) pollIdentity(ctx context.Context, client *talosapi.Client) {
	for {
		pause := identityEvery
		id, err := client.Identity(ctx)
		if err != nil {
			pause = identityRetry
		} else if id.KubernetesCA != nil { // what was told once stays true if it cannot be told again
			l.evidence.set(func(e *evidence) { e.talosCA, e.endpoint = id.KubernetesCA, id.KubernetesEndpoint })
			l.judge()
		}
		if !l.s.sleep(ctx, pause) {
			return
		}
	}
}

// machines runs one watch for each address that any source names.
type machines struct {
	mu      sync.Mutex
	named   []string // by the talosconfig
	running map[string]*watched
}

type watched struct {
	watch  *talosapi.MachineWatch
	cancel context.CancelFunc
}

func (m *machines) configured(addresses []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.named = addresses
}

// forgetAfter is how long an address must be gone from all sources.
const forgetAfter = 3 * time.Second

// run starts a watch for each new address and ends those that no source names
// any more, until ctx ends.
func (m *machines) run(ctx context.Context, l *link, client *talosapi.Client) {
	m.running = map[string]*watched{}
	defer m.end()
	gone := map[string]time.Time{}
	forget := time.NewTimer(forgetAfter)
	defer forget.Stop()
	for {
		kick := l.s.kicks.wait()
		m.reconcile(ctx, l, client, gone)
		if len(gone) > 0 {
			forget.Reset(forgetAfter)
		}
		select {
		case <-ctx.Done():
			return
		case <-l.inv.named:
		case <-forget.C:
		case <-kick:
			for _, w := range m.running {
				w.watch.Refresh()
			}
		}
	}
}

// reconcile compares what is watched with what is wanted. gone says since when a
// watched address is not wanted.
func (m *machines) reconcile(ctx context.Context, l *link, client *talosapi.Client, gone map[string]time.Time) {
	want := map[string]bool{}
	for _, a := range m.wanted(l) {
		want[a] = true
		if m.running[a] == nil {
			m.running[a] = m.watch(ctx, l, client, a)
		}
	}
	shown := l.s.visible.Load().Nodes
	for a, w := range m.running {
		if want[a] {
			delete(gone, a)
			w.watch.SetShown(shown)
			continue
		}
		if gone[a].IsZero() {
			gone[a] = time.Now()
		}
		if time.Since(gone[a]) >= forgetAfter {
			w.cancel()
			w.watch.Wait()
			delete(m.running, a)
			delete(gone, a)
			l.inv.tell(func(in *cluster.Input) { delete(in.Machines, a) })
		}
	}
}

// end ends all watches.
func (m *machines) end() {
	for _, w := range m.running {
		w.cancel()
	}
	for _, w := range m.running {
		w.watch.Wait()
	}
}

// wanted are the addresses that Kubernetes, discovery, the checkout or the
// talosconfig name, one a node.
func (m *machines) wanted(l *link) []string {
	in := l.inv.copy()
	in.Machines = nil
	var out []string
	for _, n := range cluster.Merge(in).Nodes {
		if n.Address != "" {
			out = append(out, n.Address)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range m.named {
		if !slices.ContainsFunc(out, func(o string) bool { return strings.EqualFold(o, a) }) {
			out = append(out, a)
		}
	}
	return out
}

func (m *machines) watch(ctx context.Context, l *link, client *talosapi.Client, address string) *watched {
	ctx, cancel := context.WithCancel(ctx)
	opt := talosapi.MachineOptions{
		Shown: l.s.visible.Load().Nodes,
		Alive: func(at time.Time) {
			l.inv.note(func(in *cluster.Input) {
				if r, there := in.Machines[address]; there && r.Err == nil {
					r.At = at
					in.Machines[address] = r
				}
			})
		},
	}
	return &watched{cancel: cancel, watch: client.WatchMachine(ctx, address, opt, func(r cluster.Reading[cluster.Machine]) {
		if ctx.Err() != nil {
			return
		}
		l.inv.tell(func(in *cluster.Input) { in.Machines[address] = r })
	})}
}
