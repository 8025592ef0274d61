package talosapi

import (
	"cmp"
	"context"
	"net"
	"slices"
	"time"

	"github.com/cosi-project/runtime/api/v1alpha1"
	clusterres "github.com/siderolabs/talos/pkg/machinery/resources/cluster"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
)

// Members is Talos discovery as one control plane sees it.
type Members struct {
	// Via is the endpoint (host:port) that told; empty while none has.
	Via string
	// Discovered are the members, by host name; shared addresses are left out.
	Discovered []cluster.Member
	// Configured are addresses that the talosconfig names as nodes or endpoints
	// and that are no member's: with discovery switched off, all there is.
	Configured []string
}

var memberKind = kind{clusterres.NamespaceName, clusterres.MemberType}

// settleMembers gathers the events of one change into one reading.
const settleMembers = 100 * time.Millisecond

// WatchMembers follows Talos discovery through any healthy endpoint until ctx
// ends. emit gets a reading for each change, and one with an error while no
// endpoint tells; the addresses of the talosconfig are in the very first reading,
// which comes at once. emit is called by one goroutine and must not wait.
func (c *Client) WatchMembers(ctx context.Context, emit func(cluster.Reading[Members])) {
	now := cluster.Reading[Members]{Value: Members{Configured: c.configured(nil)}}
	emit(now)
	for failures := 0; ctx.Err() == nil; failures++ {
		err := c.followMembers(ctx, func(m Members) {
			failures = 0
			if now.Fresh() && sameMembers(now.Value, m) {
				return
			}
			now = cluster.Reading[Members]{Value: m, At: time.Now()}
			emit(now)
		})
		if ctx.Err() != nil {
			return
		}
		if failures > 0 { // a stream that breaks once is reopened without a word
			why := Explain(err, "Talos discovery")
			if now.Err == nil {
				now.Since = time.Now()
			}
			now.Err = why
			emit(now)
		}
		wait(ctx, jitter(min(watchBackoff<<min(failures, 10), watchBackoffMax)), nil)
	}
}

// followMembers watches at one endpoint until the watch breaks.
func (c *Client) followMembers(ctx context.Context, tell func(Members)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	news := make(chan []cluster.Member, 1)
	via := make(chan string)
	ended := make(chan error, 1)
	c.spawn(func() {
		err := errClosed
		defer func() { ended <- err }()
		err = c.watchAt(ctx, memberKind, via, func(all map[string]*v1alpha1.Resource) {
			select {
			case <-news: // latest wins
			default:
			}
			news <- membersOf(all)
		})
	})
	told, latest, have := "", []cluster.Member(nil), false
	for {
		changed := c.Changed() // an endpoint may tell of a virtual IP later than discovery
		select {
		case err := <-ended:
			return err
		case told = <-via:
			continue
		case latest = <-news:
			have = true
			wait(ctx, settleMembers, nil)
		case <-changed:
		}
		select {
		case latest = <-news:
			have = true
		default:
		}
		if have {
			tell(c.view(told, latest))
		}
	}
}

// view leaves out the shared addresses and adds what only the talosconfig names.
func (c *Client) view(via string, discovered []cluster.Member) Members {
	out := Members{Via: via, Discovered: make([]cluster.Member, 0, len(discovered))}
	for _, m := range discovered {
		m.Addresses = c.own(m.Addresses)
		out.Discovered = append(out.Discovered, m)
	}
	out.Configured = c.configured(discovered)
	return out
}

func membersOf(all map[string]*v1alpha1.Resource) []cluster.Member {
	out := make([]cluster.Member, 0, len(all))
	for id, in := range all { // the id is the node's name in Kubernetes
		r, err := decode[*clusterres.Member](in)
		if err != nil {
			continue
		}
		spec := r.TypedSpec()
		m := cluster.Member{
			ID: feed.Clean(spec.NodeID), Node: feed.Clean(id), Hostname: feed.Clean(spec.Hostname),
			Role: roleOf(spec.MachineType.String()), OS: feed.Clean(spec.OperatingSystem),
		}
		for _, a := range spec.Addresses {
			m.Addresses = append(m.Addresses, a.String())
		}
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b cluster.Member) int {
		return cmp.Or(cmp.Compare(a.Hostname, b.Hostname), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// configured are the talosconfig's nodes, and the nodes behind its endpoints,
// that are no member's. Of an endpoint whose node is not known the address is
// taken, unless it is a name, a tunnel on this host, or a virtual IP.
func (c *Client) configured(members []cluster.Member) []string {
	var out []string
	add := func(name string) {
		member := slices.ContainsFunc(members, func(m cluster.Member) bool {
			return m.Hostname == name || m.Node == name || slices.Contains(m.Addresses, name)
		})
		if !member && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	for _, n := range c.cfg.Nodes {
		add(nodeName(n))
	}
	for _, e := range c.endpoints {
		ip := net.ParseIP(e.host)
		switch n := e.status().Node; {
		case n != nil && slices.ContainsFunc(members, func(m cluster.Member) bool { return n.Has(m.Hostname) || n.Has(m.Node) }):
		case n != nil && len(n.Addresses) > 0:
			add(n.Addresses[0])
		case n == nil && ip != nil && !ip.IsLoopback():
			add(e.host)
		}
	}
	return c.own(out)
}

func sameMembers(a, b Members) bool {
	return a.Via == b.Via && slices.Equal(a.Configured, b.Configured) &&
		slices.EqualFunc(a.Discovered, b.Discovered, func(x, y cluster.Member) bool {
			return x.ID == y.ID && x.Node == y.Node && x.Hostname == y.Hostname && x.Role == y.Role && x.OS == y.OS && slices.Equal(x.Addresses, y.Addresses)
		})
}
