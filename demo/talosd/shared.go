package talosd

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/cosi-project/runtime/pkg/resource"
	"github.com/cosi-project/runtime/pkg/state"
	"github.com/cosi-project/runtime/pkg/state/impl/inmem"
	"github.com/siderolabs/talos/pkg/machinery/resources/cluster"
)

// discovery is the state of the types that all nodes see alike: there is one
// for the cluster, lest 500 nodes hold 500 members each.
func (c *Cluster) discovery() (state.CoreState, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shared != nil {
		return c.shared, nil
	}
	core := inmem.NewStateWithOptions(inmem.WithHistoryInitialCapacity(16), inmem.WithHistoryMaxCapacity(2048), inmem.WithHistoryGap(2))(cluster.NamespaceName)
	f := &filler{st: state.WrapCore(core)}
	for _, n := range c.nodes {
		n.fillMember(f)
	}
	if f.err != nil {
		return nil, fmt.Errorf("making the cluster's members: %w", f.err)
	}
	c.shared = core
	return core, nil
}

func (n *Node) fillMember(f *filler) {
	var controlPlane *cluster.ControlPlane
	if n.spec.ControlPlane {
		controlPlane = &cluster.ControlPlane{APIServerPort: 6443}
	}
	os := fmt.Sprintf("Talos (%s)", n.spec.Talos)
	member := cluster.NewMember(cluster.NamespaceName, n.spec.Name)
	*member.TypedSpec() = cluster.MemberSpec{
		NodeID: n.nodeID(), Addresses: []netip.Addr{n.addr()}, Hostname: n.spec.Name,
		MachineType: n.machineType(), OperatingSystem: os, ControlPlane: controlPlane,
	}
	f.put("cluster.MemberController", member)
	affiliate := cluster.NewAffiliate(cluster.NamespaceName, n.nodeID())
	*affiliate.TypedSpec() = cluster.AffiliateSpec{
		NodeID: n.nodeID(), Addresses: []netip.Addr{n.addr()}, Hostname: n.spec.Name, Nodename: n.spec.Name,
		MachineType: n.machineType(), OperatingSystem: os, ControlPlane: controlPlane,
	}
	f.put("cluster.AffiliateMergeController", affiliate)
}

// twoStates is a state whose members and affiliates are shared.
type twoStates struct {
	own, shared state.CoreState
}

func (s twoStates) of(kind resource.Type) state.CoreState {
	if kind == cluster.MemberType || kind == cluster.AffiliateType {
		return s.shared
	}
	return s.own
}

// Get implements state.CoreState.
func (s twoStates) Get(ctx context.Context, p resource.Pointer, opts ...state.GetOption) (resource.Resource, error) {
	return s.of(p.Type()).Get(ctx, p, opts...)
}

// List implements state.CoreState.
func (s twoStates) List(ctx context.Context, k resource.Kind, opts ...state.ListOption) (resource.List, error) {
	return s.of(k.Type()).List(ctx, k, opts...)
}

// Create implements state.CoreState.
func (s twoStates) Create(ctx context.Context, r resource.Resource, opts ...state.CreateOption) error {
	return s.of(r.Metadata().Type()).Create(ctx, r, opts...)
}

// Update implements state.CoreState.
func (s twoStates) Update(ctx context.Context, r resource.Resource, opts ...state.UpdateOption) error {
	return s.of(r.Metadata().Type()).Update(ctx, r, opts...)
}

// Destroy implements state.CoreState.
func (s twoStates) Destroy(ctx context.Context, p resource.Pointer, opts ...state.DestroyOption) error {
	return s.of(p.Type()).Destroy(ctx, p, opts...)
}

// Watch implements state.CoreState.
func (s twoStates) Watch(ctx context.Context, p resource.Pointer, ch chan<- state.Event, opts ...state.WatchOption) error {
	return s.of(p.Type()).Watch(ctx, p, ch, opts...)
}

// WatchKind implements state.CoreState.
func (s twoStates) WatchKind(ctx context.Context, k resource.Kind, ch chan<- state.Event, opts ...state.WatchKindOption) error {
	return s.of(k.Type()).WatchKind(ctx, k, ch, opts...)
}

// WatchKindAggregated implements state.CoreState.
func (s twoStates) WatchKindAggregated(ctx context.Context, k resource.Kind, ch chan<- []state.Event, opts ...state.WatchKindOption) error {
	return s.of(k.Type()).WatchKindAggregated(ctx, k, ch, opts...)
}
