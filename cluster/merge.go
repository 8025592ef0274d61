package cluster

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Input is what the sources said, to be merged to one row a node.
type Input struct {
	// Machines by the address that was asked.
	Machines map[string]Reading[Machine]
	// Members of Talos discovery; nil: not known.
	Members []Member
	// Kube is what Kubernetes lists; nil: not known.
	Kube   []KubeNode
	KubeAt time.Time
	// KubeErr is set while Kubernetes does not answer; Kube is then the last answer.
	KubeErr   *Trouble
	KubeSince time.Time
	// Pods by node name; nil: not known.
	Pods map[string]PodCount
	Etcd Etcd
	// Checkout is nil where there is none.
	Checkout *Checkout
	// Trails returns a machine's CPU and memory history; nil: none.
	Trails func(address string) (cpu, mem []float32)
}

// Merge makes one row of everything that the sources say about one node, says
// where they contradict each other, and puts the worst first. Two entries are
// the same node if they share an address, else if they share the name.
func Merge(in Input) Inventory {
	m := merger{in: in, byAddr: map[string]*Node{}, byName: map[string]*Node{}}
	m.kube()
	m.members()
	m.repo()
	m.machines()
	m.etcd()
	inv := Inventory{Etcd: in.Etcd, KubeErr: in.KubeErr, KubeSince: in.KubeSince}
	for _, n := range m.nodes {
		m.finish(n)
		inv.Nodes = append(inv.Nodes, *n)
	}
	SortWorstFirst(inv.Nodes)
	inv.TalosErr, inv.TalosSince = talosDown(in.Machines)
	return inv
}

// SortWorstFirst orders rows by severity and then by name, numbers by value.
func SortWorstFirst(nodes []Node) {
	slices.SortStableFunc(nodes, func(a, b Node) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), CompareNames(a.Name, b.Name))
	})
}

// CompareNames compares names the way people count: node2 before node10.
func CompareNames(a, b string) int {
	for a != "" && b != "" {
		na, nb := digits(a), digits(b)
		if na > 0 && nb > 0 {
			x, y := strings.TrimLeft(a[:na], "0"), strings.TrimLeft(b[:nb], "0")
			if c := cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y)); c != 0 {
				return c
			}
			a, b = a[na:], b[nb:]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// talosDown returns the trouble of the machine that failed last if no machine answers.
func talosDown(machines map[string]Reading[Machine]) (*Trouble, time.Time) {
	var worst *Trouble
	var since time.Time
	for _, r := range machines {
		if r.Err == nil {
			return nil, time.Time{}
		}
		if r.Since.After(since) {
			worst, since = r.Err, r.Since
		}
	}
	return worst, since
}

type merger struct {
	in     Input
	nodes  []*Node
	byAddr map[string]*Node
	byName map[string]*Node
}

// find returns the node of that address, else the one of that name, else a new one.
func (m *merger) find(name string, addresses []string) *Node {
	for _, a := range addresses {
		if n := m.byAddr[canonical(a)]; n != nil {
			return n
		}
	}
	if n := m.byName[nameKey(name)]; n != nil && name != "" {
		return n
	}
	n := &Node{Name: name}
	m.nodes = append(m.nodes, n)
	return n
}

// claim ties the name and the addresses to the node, unless another has them.
func (m *merger) claim(n *Node, name string, addresses []string) {
	if name != "" && m.byName[nameKey(name)] == nil {
		m.byName[nameKey(name)] = n
	}
	for _, a := range addresses {
		if a = canonical(a); a != "" && m.byAddr[a] == nil {
			m.byAddr[a] = n
		}
	}
	if n.Name == "" {
		n.Name = name
	}
	if n.Address == "" && len(addresses) > 0 {
		n.Address = addresses[0]
	}
}

// nameKey folds a host name: Kubernetes names are lower case.
func nameKey(name string) string { return strings.ToLower(name) }

// sameHost reports whether the names are one host's: equal, or one of them is
// the other with its domain.
func sameHost(a, b string) bool {
	a, b = nameKey(a), nameKey(b)
	return a == b || strings.HasPrefix(a, b+".") || strings.HasPrefix(b, a+".")
}

// ShareAddress reports whether the lists have an address in common, however it is
// written; a name is compared as a name, and an empty one is none.
func ShareAddress(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool {
		return x != "" && slices.ContainsFunc(b, func(y string) bool { return canonical(x) == canonical(y) })
	})
}

// canonical is the one way to write an address: IPv4 in IPv6 as IPv4, names in lower case.
func canonical(a string) string {
	if ip, err := netip.ParseAddr(a); err == nil {
		return ip.Unmap().String()
	}
	return strings.ToLower(a)
}

// kube makes a row of each Node, the newest first: where a Node that was left
// behind has the address of a newer one, the machine is the newer one's.
func (m *merger) kube() {
	all := make([]*KubeNode, len(m.in.Kube))
	for i := range m.in.Kube {
		all[i] = &m.in.Kube[i]
	}
	slices.SortStableFunc(all, func(a, b *KubeNode) int { return b.Created.Compare(a.Created) })
	for _, k := range all {
		n, addresses := m.find(k.Name, k.Addresses), k.Addresses
		if newer := n; newer.Kube != nil {
			n, addresses = &Node{Name: k.Name}, nil
			n.Disagree = append(n.Disagree, newer.Name+" has its address "+newer.Address)
			m.nodes = append(m.nodes, n)
		}
		n.Kube, n.KubeAt, n.Role = k, m.in.KubeAt, k.Role
		if m.in.Pods != nil {
			n.Pods = Some(m.in.Pods[k.Name])
		}
		m.claim(n, k.Name, addresses)
	}
}

func (m *merger) members() {
	for i := range m.in.Members {
		d := &m.in.Members[i]
		name := cmp.Or(d.Node, d.Hostname)
		n := m.find(name, d.Addresses)
		if n.Member != nil {
			n.Disagree = append(n.Disagree, fmt.Sprintf("Talos discovery lists it twice, as %s and %s", n.Member.ID, d.ID))
			continue
		}
		n.Member = d
		m.role(n, d.Role, "Talos discovery")
		m.sameName(n, name, "Talos discovery")
		m.claim(n, name, d.Addresses)
	}
}

func (m *merger) repo() {
	if m.in.Checkout == nil {
		return
	}
	for i := range m.in.Checkout.Nodes {
		r := &m.in.Checkout.Nodes[i]
		n := m.find(r.Hostname, r.Addresses)
		n.Repo = r
		m.role(n, r.Role, "talconfig.yaml")
		m.sameName(n, r.Hostname, "talconfig.yaml")
		m.claim(n, r.Hostname, r.Addresses)
	}
}

func (m *merger) machines() {
	addresses := make([]string, 0, len(m.in.Machines))
	for a := range m.in.Machines {
		addresses = append(addresses, a)
	}
	slices.Sort(addresses)
	for _, a := range addresses {
		r := m.in.Machines[a]
		n := m.find(r.Value.Hostname, []string{a})
		n.Machine = r
		if r.Has() {
			m.role(n, r.Value.Role, "its machine config")
			m.sameName(n, r.Value.Hostname, "the machine itself")
		}
		m.claim(n, r.Value.Hostname, []string{a})
		n.Address = a
		if n.Name == "" {
			n.Name = a
		}
		if m.in.Trails != nil {
			n.CPUTrail, n.MemTrail = m.in.Trails(a)
		}
	}
}

func (m *merger) role(n *Node, role Role, source string) {
	switch {
	case role == RoleUnknown:
	case n.Role == RoleUnknown:
		n.Role = role
	case n.Role != role:
		n.Disagree = append(n.Disagree, fmt.Sprintf("%s says %s, the others say %s", source, role, n.Role))
	}
}

func (m *merger) sameName(n *Node, name, source string) {
	if n.Name != "" && name != "" && !sameHost(n.Name, name) {
		n.Disagree = append(n.Disagree, fmt.Sprintf("%s calls it %s", source, name))
	}
}

func (m *merger) etcd() {
	leader := uint64(0)
	for _, a := range m.in.Etcd.Answers {
		if a.Status == nil {
			continue
		}
		if a.Status.Leader != 0 {
			leader = a.Status.Leader
		}
		if n := m.byAddr[canonical(a.Address)]; n != nil {
			n.Etcd, n.EtcdID = a.Status, a.Status.MemberID
			n.Learner = a.Status.Learner
		}
	}
	for _, member := range EtcdMembers(m.in.Etcd) {
		n := m.byName[nameKey(member.Hostname)]
		if n == nil {
			n = m.byAddr[urlHost(member.PeerURLs)]
		}
		if n == nil {
			n = m.find(member.Hostname, nil)
			m.claim(n, member.Hostname, nil)
			n.Disagree = append(n.Disagree, "only etcd lists it as a member")
		}
		n.EtcdID, n.Learner = member.ID, member.Learner
	}
	for _, n := range m.nodes {
		n.EtcdLead = n.EtcdID != 0 && n.EtcdID == leader
	}
}

// EtcdMembers is the union of the members that any answer lists, by member id.
func EtcdMembers(e Etcd) []EtcdMember {
	var out []EtcdMember
	for _, a := range e.Answers {
		for _, member := range a.Members {
			if !slices.ContainsFunc(out, func(o EtcdMember) bool { return o.ID == member.ID }) {
				out = append(out, member)
			}
		}
	}
	slices.SortFunc(out, func(a, b EtcdMember) int { return CompareNames(a.Hostname, b.Hostname) })
	return out
}

func urlHost(urls []string) string {
	if len(urls) == 0 {
		return ""
	}
	_, rest, _ := strings.Cut(urls[0], "://")
	if host, err := netip.ParseAddrPort(rest); err == nil {
		return host.Addr().Unmap().String()
	}
	host, _, _ := strings.Cut(rest, ":")
	return strings.ToLower(host)
}
