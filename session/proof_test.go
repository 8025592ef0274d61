package session

import (
	"strings"
	"testing"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/demo/pki"
)

func TestProve(t *testing.T) {
	one, err := pki.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	two, err := pki.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	a, b := one.Kubernetes.CertPEM(), two.Kubernetes.CertPEM()
	members := []cluster.Member{
		{Node: "cp-1", Hostname: "cp-1.lan", Addresses: []string{"10.0.0.1"}},
		{Node: "WK-1", Hostname: "WK-1.lan", Addresses: []string{"10.0.0.2", "fd00:0::2"}},
	}
	nodes := []cluster.KubeNode{{Name: "cp-1", Addresses: []string{"10.0.0.1"}}, {Name: "wk-1", Addresses: []string{"fd00::2"}}}
	moved := []cluster.KubeNode{{Name: "cp-1", Addresses: []string{"10.9.9.9"}}, nodes[1]}
	others := []cluster.KubeNode{{Name: "other", Addresses: []string{"10.9.9.9"}}}
	// Two homelabs whose first node has the same name and address.
	alike := []cluster.KubeNode{nodes[0], {Name: "wk-7", Addresses: []string{"10.0.0.7"}}, {Name: "wk-8", Addresses: []string{"10.0.0.8"}}}
	// Nodes that are off for more than half an hour have left discovery.
	expired := []cluster.KubeNode{nodes[0], nodes[1], {Name: "wk-2", Addresses: []string{"10.0.0.3"}}}
	both := append(append([]byte{}, b...), a...)
	cases := []struct {
		name string
		e    evidence
		want cluster.Proof
	}{
		{"nothing known", evidence{}, cluster.ProofPending},
		{"same CA and alive", evidence{talosCA: a, kubeCA: a, kubeAlive: true}, cluster.ProofSame},
		{"same CA, discovery off", evidence{talosCA: a, kubeCA: a, kubeAlive: true, members: []cluster.Member{}, nodes: nodes}, cluster.ProofSame},
		{"same CA, same nodes", evidence{talosCA: a, kubeCA: a, kubeAlive: true, members: members, nodes: nodes}, cluster.ProofSame},
		{"same CA, a node moved", evidence{talosCA: a, kubeCA: a, kubeAlive: true, members: members, nodes: moved}, cluster.ProofSame},
		{"same secrets in two clusters", evidence{talosCA: a, kubeCA: a, kubeAlive: true, members: members, nodes: others}, cluster.ProofImpossible},
		{"the cluster rotates its CA", evidence{talosCA: both, kubeCA: a, kubeAlive: true}, cluster.ProofSame},
		{"same CA but never answered", evidence{talosCA: a, kubeCA: a}, cluster.ProofPending},
		{"the kubeconfig trusts two clusters", evidence{talosCA: a, kubeCA: both, kubeAlive: true}, cluster.ProofPending},
		{"the kubeconfig trusts two clusters, other nodes", evidence{talosCA: a, kubeCA: both, kubeAlive: true, members: members, nodes: others}, cluster.ProofDifferent},
		{"the kubeconfig trusts two clusters, same nodes", evidence{talosCA: a, kubeCA: both, kubeAlive: true, members: members, nodes: nodes}, cluster.ProofSame},
		{"other CA", evidence{talosCA: a, kubeCA: b, kubeAlive: true}, cluster.ProofDifferent},
		{"other CA, other nodes", evidence{talosCA: a, kubeCA: b, kubeAlive: true, members: members, nodes: others}, cluster.ProofDifferent},
		{"other CA, same nodes", evidence{talosCA: a, kubeCA: b, kubeAlive: true, members: members, nodes: nodes}, cluster.ProofImpossible},
		{"no CA, same nodes", evidence{kubeCA: a, members: members, nodes: nodes}, cluster.ProofSame},
		{"no CA, a node has left discovery", evidence{kubeCA: a, members: members, nodes: expired}, cluster.ProofSame},
		{"no CA, one node alike", evidence{kubeCA: a, members: members, nodes: alike}, cluster.ProofImpossible},
		{"other CA, some nodes the same", evidence{talosCA: a, kubeCA: b, members: members, nodes: expired}, cluster.ProofDifferent},
		{"no CA, one of many moved", evidence{
			members: append([]cluster.Member{{Node: "wk-2", Addresses: []string{"10.0.0.33"}}}, members...), nodes: expired,
		}, cluster.ProofImpossible},
		{"no CA, a node moved", evidence{members: members, nodes: moved}, cluster.ProofImpossible},
		{"no CA, other nodes", evidence{members: members, nodes: others}, cluster.ProofDifferent},
		{"no CA, no members", evidence{members: []cluster.Member{}, nodes: nodes}, cluster.ProofImpossible},
		{"no CA, members not read", evidence{nodes: nodes}, cluster.ProofPending},
		{"broken CA counts as none", evidence{talosCA: []byte("x"), kubeCA: a, members: members, nodes: nodes}, cluster.ProofSame},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, why := prove(c.e)
			if got != c.want || why == "" {
				t.Errorf("%q because %q, want %q with a reason", got, why, c.want)
			}
		})
	}
}

func TestProofNamesTheEndpoints(t *testing.T) {
	one, err := pki.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ca := one.Kubernetes.CertPEM()
	e := evidence{talosCA: ca, kubeCA: ca, kubeAlive: true, endpoint: "https://10.0.0.10:6443", server: "https://10.0.0.10:6443/"}
	if _, why := prove(e); !strings.Contains(why, "and so is the endpoint") {
		t.Errorf("equal endpoints: %s", why)
	}
	e.server = "https://127.0.0.1:6443"
	if proof, why := prove(e); proof != cluster.ProofSame || !strings.Contains(why, "the kubeconfig goes to https://127.0.0.1:6443") {
		t.Errorf("through a tunnel: %s %s", proof, why)
	}
}

func TestReadOnlyUntilProven(t *testing.T) {
	for proof, want := range map[cluster.Proof]string{
		cluster.ProofSame: "", cluster.ProofDifferent: "different clusters",
		cluster.ProofPending: "not proven", cluster.ProofImpossible: "not proven", "": "not proven",
	} {
		s := status{now: cluster.Status{Proof: proof}}
		if got := s.whyReadOnly(); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("proof %q: read-only because %q, want %q", proof, got, want)
		}
		s.readOnly = true
		if got := s.whyReadOnly(); !strings.Contains(got, "--read-only") {
			t.Errorf("proof %q with --read-only: %q", proof, got)
		}
	}
}
