package talosapi

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/resources/config"
	"github.com/siderolabs/talos/pkg/machinery/resources/hardware"
	"github.com/siderolabs/talos/pkg/machinery/resources/k8s"
	"github.com/siderolabs/talos/pkg/machinery/resources/network"
	"google.golang.org/grpc"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
)

// EndpointNode is the node that answers at an endpoint, as it says itself.
type EndpointNode struct {
	Hostname  string       `json:"hostname,omitempty"`
	UUID      string       `json:"uuid,omitempty"`
	Role      cluster.Role `json:"role,omitempty"`
	Addresses []string     `json:"addresses"` // its own, without shared ones
	// Shared is the endpoint's address where that is not the node's own: a
	// virtual IP that any control plane may hold next. Empty: it is its own.
	Shared string `json:"shared,omitempty"`
}

// Has reports whether name is one of the node's addresses or its host name.
func (n *EndpointNode) Has(name string) bool {
	return name != "" && (n.Hostname == name || slices.Contains(n.Addresses, name))
}

var (
	hostnames     = kind{network.NamespaceName, network.HostnameStatusType}
	nodeAddresses = kind{network.NamespaceName, network.NodeAddressType}
	operatorSpecs = kind{network.NamespaceName, network.OperatorSpecType}
	nodeIPs       = kind{k8s.NamespaceName, k8s.NodeIPType}
	machineTypes  = kind{config.NamespaceName, config.MachineTypeType}
	systemInfos   = kind{hardware.NamespaceName, hardware.SystemInformationType}
)

// identify asks, over a connection that is new or old enough, who answers there.
func (e *endpoint) identify(ctx context.Context) {
	e.mu.Lock()
	dials, done := e.dials, e.node != nil && e.nodeDials == e.dials && time.Since(e.nodeAt) < identityEvery
	e.mu.Unlock()
	if done {
		return
	}
	conn, err := e.connection()
	if err != nil {
		return
	}
	call, cancel := context.WithTimeout(ctx, e.client.timeout)
	defer cancel()
	node, vips, err := askWho(call, conn, e.host)
	if err != nil {
		return // not known; the next round asks again
	}
	e.client.learnVIPs(vips)
	e.mu.Lock()
	if e.dials == dials {
		e.node, e.nodeDials, e.nodeAt = node, dials, time.Now()
	}
	e.mu.Unlock()
	e.client.announce()
}

// askWho asks the server at the other end of conn who it is. Its addresses must
// be told; the rest may be unknown.
func askWho(ctx context.Context, conn *grpc.ClientConn, dialled string) (*EndpointNode, []string, error) {
	own, err := askAddresses(ctx, conn)
	if err != nil {
		return nil, nil, err
	}
	node := &EndpointNode{Addresses: own.own}
	vips := append(own.shared, askVIPs(ctx, conn)...)
	node.Addresses = slices.DeleteFunc(node.Addresses, func(a string) bool { return slices.Contains(vips, a) })
	if h, err := get[*network.HostnameStatus](ctx, conn, hostnames, network.HostnameID); err == nil {
		node.Hostname = feed.Clean(h.TypedSpec().Hostname)
	}
	if s, err := get[*hardware.SystemInformation](ctx, conn, systemInfos, hardware.SystemInformationID); err == nil {
		node.UUID = feed.Clean(s.TypedSpec().UUID)
	}
	if m, err := get[*config.MachineType](ctx, conn, machineTypes, config.MachineTypeID); err == nil {
		node.Role = roleOf(m.MachineType().String())
	}
	if slices.Contains(vips, dialled) {
		node.Shared = dialled
	}
	return node, vips, nil
}

// addresses are the addresses on a node's links.
type addresses struct {
	own    []string
	shared []string // look like a virtual IP
}

// askAddresses reads a node's addresses without those of pods and services.
func askAddresses(ctx context.Context, conn *grpc.ClientConn) (addresses, error) {
	all, err := list[*network.NodeAddress](ctx, conn, nodeAddresses)
	if err != nil {
		return addresses{}, err
	}
	lists := map[string]*network.NodeAddress{}
	for _, a := range all {
		lists[a.Metadata().ID()] = a
	}
	var kubelet []netip.Addr
	if n, err := get[*k8s.NodeIP](ctx, conn, nodeIPs, k8s.KubeletID); err == nil {
		kubelet = n.TypedSpec().Addresses
	}
	routed := firstOf(lists,
		network.FilteredNodeAddressID(network.NodeAddressRoutedID, k8s.NodeAddressFilterNoK8s),
		network.FilteredNodeAddressID(network.NodeAddressCurrentID, k8s.NodeAddressFilterNoK8s),
		network.NodeAddressRoutedID, network.NodeAddressCurrentID, network.NodeAddressDefaultID)
	if len(routed) == 0 {
		return addresses{}, errNoAddresses
	}
	everything := append(slices.Clone(routed), firstOf(lists, network.NodeAddressCurrentID)...)
	return addresses{
		own:    sortAddresses(routed, kubelet).own,
		shared: sortAddresses(everything, kubelet).shared,
	}, nil
}

// errNoAddresses says that a node told nothing of its addresses.
var errNoAddresses = errors.New("the node tells no addresses")

// firstOf is the first of the named lists that has addresses.
func firstOf(lists map[string]*network.NodeAddress, ids ...string) []netip.Prefix {
	for _, id := range ids {
		if a := lists[id]; a != nil && len(a.TypedSpec().Addresses) > 0 {
			return a.TypedSpec().Addresses
		}
	}
	return nil
}

// sortAddresses tells a node's own addresses from shared ones. Talos puts a
// virtual IP on the link as a single address (/32, /128) inside the subnet of
// another address of the same link, and never makes it the kubelet's address.
func sortAddresses(all []netip.Prefix, kubelet []netip.Addr) addresses {
	var out addresses
	for _, p := range all {
		inside := func(o netip.Prefix) bool { return o.Bits() < p.Bits() && o.Contains(p.Addr()) }
		switch s := p.Addr().String(); {
		case p.IsSingleIP() && slices.ContainsFunc(all, inside) && !slices.Contains(kubelet, p.Addr()):
			if !slices.Contains(out.shared, s) {
				out.shared = append(out.shared, s)
			}
		case !slices.Contains(out.own, s):
			out.own = append(out.own, s)
		}
	}
	return out
}

// askVIPs reads the virtual IPs that the node takes part in; only os:admin may.
func askVIPs(ctx context.Context, conn *grpc.ClientConn) []string {
	specs, err := list[*network.OperatorSpec](ctx, conn, operatorSpecs)
	if err != nil {
		return nil
	}
	var out []string
	for _, s := range specs {
		if spec := s.TypedSpec(); spec.Operator == network.OperatorVIP && spec.VIP.IP.IsValid() {
			out = append(out, spec.VIP.IP.String())
		}
	}
	return out
}

func (c *core) learnVIPs(vips []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range vips {
		c.vips[v] = true
	}
}

// own drops the addresses that are known to be shared between nodes.
func (c *core) own(all []string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(all), func(a string) bool { return c.vips[a] })
}

// VIPEndpoints names each endpoint that is not a node's own address but a virtual
// IP: its target changes, and it may be the very node that is worked on.
// kubernetes is the host of the Kubernetes API where known: an endpoint with
// that address which no node calls its own is one too.
func (c *Client) VIPEndpoints(kubernetes string) []cluster.Trouble {
	c.begin()
	var out []cluster.Trouble
	for _, e := range c.endpoints {
		node := e.status().Node
		if node == nil {
			continue
		}
		shared := node.Shared != "" || e.host == kubernetes && !node.Has(e.host)
		if !shared {
			continue
		}
		out = append(out, cluster.Trouble{
			Kind: cluster.TroubleVIPEndpoint,
			What: fmt.Sprintf("the endpoint %s is a virtual IP; %s holds it now", e.host, orUnknown(node.Hostname)),
			Do:   "use the control plane nodes' own addresses as endpoints: the virtual IP is gone while etcd has no quorum, and moves during maintenance",
		})
	}
	return out
}

func orUnknown(name string) string {
	if name == "" {
		return "an unknown node"
	}
	return name
}

// roleOf maps Talos' machine type to a role.
func roleOf(machineType string) cluster.Role {
	switch machineType {
	case "controlplane", "init":
		return cluster.RoleControlPlane
	case "worker":
		return cluster.RoleWorker
	default:
		return cluster.RoleUnknown
	}
}
