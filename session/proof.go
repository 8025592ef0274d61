package session

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

// evidence is what the same-cluster proof is judged by; nil and empty: not known.
type evidence struct {
	talosCA   []byte // the Kubernetes CA as the Talos API tells it, PEM
	kubeCA    []byte // the CA of the kubeconfig, PEM
	kubeAlive bool   // the API server answered over a connection that kubeCA verified
	members   []cluster.Member
	nodes     []cluster.KubeNode
}

// prove judges whether talosconfig and kubeconfig are the same cluster, and says
// by what. Equal CAs prove it, once the API server has answered under that CA.
// Where the CA cannot be read, the members of Talos discovery must be the Nodes.
func prove(e evidence) (cluster.Proof, string) {
	same, known := sameCA(e.talosCA, e.kubeCA)
	matching, strangers := compareMembers(e.members, e.nodes)
	switch {
	case known && same && e.kubeAlive:
		return cluster.ProofSame, "the Kubernetes CA that the Talos API tells is the kubeconfig's"
	case known && same:
		return cluster.ProofPending, "the CAs are equal, but the Kubernetes API has not answered yet"
	case known && matching > 0 && matching == len(e.members) && matching == len(e.nodes):
		return cluster.ProofImpossible, fmt.Sprintf("the kubeconfig has another CA than the cluster, although %d Nodes are members of Talos discovery: is there a proxy in front of the API?", matching)
	case known:
		return cluster.ProofDifferent, "the kubeconfig's CA is not the Kubernetes CA of the cluster that the talosconfig reaches"
	case e.members == nil || e.nodes == nil:
		return cluster.ProofPending, "waiting for the Talos API and the Kubernetes API to answer"
	case matching > 0 && strangers == 0:
		return cluster.ProofSame, fmt.Sprintf("%d members of Talos discovery are Nodes with the same name and address", matching)
	case matching > 0:
		return cluster.ProofImpossible, fmt.Sprintf("%d members of Talos discovery are Nodes, %d are Nodes with another address", matching, strangers)
	case len(e.members) == 0 || len(e.nodes) == 0:
		return cluster.ProofImpossible, "Talos discovery or Kubernetes lists no node, and the Talos API does not tell its Kubernetes CA to this role"
	}
	return cluster.ProofDifferent, "no member of Talos discovery is a Node of the kubeconfig's cluster"
}

// sameCA compares the certificates of two PEM bundles; known is false if either is missing or broken.
func sameCA(a, b []byte) (same, known bool) {
	x, y := certificates(a), certificates(b)
	if len(x) == 0 || len(y) == 0 {
		return false, false
	}
	return slices.ContainsFunc(x, func(c *x509.Certificate) bool {
		return slices.ContainsFunc(y, func(d *x509.Certificate) bool { return bytes.Equal(c.Raw, d.Raw) })
	}), true
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

// compareMembers counts the members that are Nodes of the same name and share an
// address with them, and those whose Node of the same name has other addresses.
func compareMembers(members []cluster.Member, nodes []cluster.KubeNode) (matching, strangers int) {
	for _, m := range members {
		i := slices.IndexFunc(nodes, func(n cluster.KubeNode) bool { return strings.EqualFold(n.Name, m.Hostname) })
		switch {
		case i < 0:
		case slices.ContainsFunc(m.Addresses, func(a string) bool { return slices.Contains(nodes[i].Addresses, a) }):
			matching++
		default:
			strangers++
		}
	}
	return matching, strangers
}
