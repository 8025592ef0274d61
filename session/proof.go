package session

import (
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

// evidence is what the same-cluster proof is judged by; nil and empty: not known.
type evidence struct {
	talosCA   []byte // the Kubernetes CAs as the Talos API tells them, PEM
	kubeCA    []byte // the CAs of the kubeconfig, PEM
	endpoint  string // URL of the Kubernetes API as the Talos API tells it
	server    string // the same as the kubeconfig has it
	kubeAlive bool   // the API server answered over a connection that kubeCA verified
	members   []cluster.Member
	nodes     []cluster.KubeNode
}

// prove judges whether talosconfig and kubeconfig are the same cluster, and says
// by what. It is proven if the kubeconfig trusts no CA but the cluster's, and the
// API server has answered under it. Where the CAs do not tell, the members of
// Talos discovery must be the Nodes.
func prove(e evidence) (cluster.Proof, string) {
	m := compareMembers(e.members, e.nodes)
	switch compareCAs(e.kubeCA, e.talosCA) {
	case trustSame:
		return proveAlive(e, m)
	case trustOther:
		if m.all() {
			return cluster.ProofImpossible, fmt.Sprintf("the kubeconfig has another CA than the cluster, although %d Nodes are members of Talos discovery: is there a proxy in front of the API?", m.matching)
		}
		return cluster.ProofDifferent, "the kubeconfig's CA is not the Kubernetes CA of the cluster that the talosconfig reaches"
	case trustMore, trustUnknown:
	}
	return proveByMembers(m)
}

// proveAlive is for equal CAs. Clusters that were made of the same secrets have
// equal CAs too: none of their nodes in common speaks against it.
func proveAlive(e evidence, m matches) (cluster.Proof, string) {
	switch {
	case !e.kubeAlive:
		return cluster.ProofPending, "the CAs are equal, but the Kubernetes API has not answered yet"
	case m.members > 0 && m.nodes > 0 && m.matching == 0:
		return cluster.ProofImpossible, "the CAs are equal, but no member of Talos discovery is a Node with the same name and address: are these two clusters made of the same secrets?"
	}
	return cluster.ProofSame, "the Kubernetes CA that the Talos API tells is the kubeconfig's" + endpointText(e)
}

// endpointText compares the endpoints, which tell nothing by themselves: there
// may be a tunnel, a load balancer, or another name between.
func endpointText(e evidence) string {
	switch {
	case e.endpoint == "" || e.server == "":
		return ""
	case strings.EqualFold(strings.TrimSuffix(e.endpoint, "/"), strings.TrimSuffix(e.server, "/")):
		return ", and so is the endpoint " + e.endpoint
	}
	return fmt.Sprintf("; its endpoint is %s, the kubeconfig goes to %s", e.endpoint, e.server)
}

func proveByMembers(m matches) (cluster.Proof, string) {
	switch {
	case m.members < 0 || m.nodes < 0:
		return cluster.ProofPending, "waiting for the Talos API and the Kubernetes API to answer"
	case m.members == 0 || m.nodes == 0:
		return cluster.ProofImpossible, "Talos discovery or Kubernetes lists no node, and the CAs do not tell: this role may not read the cluster's, or the kubeconfig trusts others too"
	case m.matching == 0:
		return cluster.ProofDifferent, "no member of Talos discovery is a Node of the kubeconfig's cluster"
	case m.strangers > 0:
		return cluster.ProofImpossible, fmt.Sprintf("%d members of Talos discovery are Nodes, %d are Nodes with another address", m.matching, m.strangers)
	case 2*m.matching <= m.members || 2*m.matching <= m.nodes:
		return cluster.ProofImpossible, fmt.Sprintf("only %d of %d members of Talos discovery and of %d Nodes are the same: most must be", m.matching, m.members, m.nodes)
	}
	return cluster.ProofSame, fmt.Sprintf("%d members of Talos discovery are Nodes with the same name and address", m.matching)
}

// trust says which CAs a kubeconfig trusts, compared with the cluster's own.
type trust int

const (
	trustUnknown trust = iota // either is missing or broken
	trustSame                 // the cluster's, and no other
	trustMore                 // the cluster's, and others: any of them may have vouched for the server
	trustOther                // others only
)

func compareCAs(kubeCA, talosCA []byte) trust {
	ours, theirs := certificates(kubeCA), certificates(talosCA)
	if len(ours) == 0 || len(theirs) == 0 {
		return trustUnknown
	}
	same := 0
	for _, c := range ours {
		if slices.ContainsFunc(theirs, c.Equal) {
			same++
		}
	}
	switch same {
	case 0:
		return trustOther
	case len(ours):
		return trustSame
	default:
		return trustMore
	}
}

func certificates(data []byte) []*x509.Certificate {
	var out []*x509.Certificate
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return out
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			out = append(out, c)
		}
	}
}

// matches counts the members of Talos discovery, and the Nodes; -1: not known.
type matches struct {
	members, nodes int
	matching       int // members that are Nodes of the same name and share an address with them
	strangers      int // members whose Node of the same name has other addresses
}

// all reports whether the members are the Nodes, every one.
func (m matches) all() bool {
	return m.matching > 0 && m.matching == m.members && m.matching == m.nodes
}

func compareMembers(members []cluster.Member, nodes []cluster.KubeNode) matches {
	m := matches{members: count(members), nodes: count(nodes)}
	for _, x := range members {
		name := cmp.Or(x.Node, x.Hostname)
		i := slices.IndexFunc(nodes, func(n cluster.KubeNode) bool { return strings.EqualFold(n.Name, name) })
		switch {
		case i < 0:
		case cluster.ShareAddress(x.Addresses, nodes[i].Addresses):
			m.matching++
		default:
			m.strangers++
		}
	}
	return m
}

// count is the length of a list that is known, else -1.
func count[T any](list []T) int {
	if list == nil {
		return -1
	}
	return len(list)
}
