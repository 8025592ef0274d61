package cluster

import (
	"fmt"
	"testing"
	"time"
)

// crowd is a cluster of n nodes that all sources know.
func crowd(n int) Input {
	at := time.Date(2026, 11, 23, 3, 34, 0, 0, time.UTC)
	in := Input{Machines: map[string]Reading[Machine]{}, Pods: map[string]PodCount{}, KubeAt: at, Checkout: &Checkout{}}
	for i := range n {
		name, address := fmt.Sprintf("node-%d", i), fmt.Sprintf("10.5.%d.%d", i/250, i%250+1)
		in.Machines[address] = Reading[Machine]{At: at, Value: Machine{Address: address, Hostname: name, Role: RoleWorker, Addresses: []string{address}}}
		in.Members = append(in.Members, Member{ID: name, Hostname: name, Addresses: []string{address}, Role: RoleWorker})
		in.Kube = append(in.Kube, KubeNode{Name: name, Addresses: []string{address}, Role: RoleWorker, Created: at})
		in.Pods[name] = PodCount{Total: 40}
		in.Checkout.Nodes = append(in.Checkout.Nodes, RepoNode{Hostname: name, Addresses: []string{address}, Role: RoleWorker})
	}
	return in
}

func TestMergeOfACrowd(t *testing.T) {
	inv := Merge(crowd(500))
	if len(inv.Nodes) != 500 || inv.Nodes[10].Name != "node-10" || len(inv.Nodes[10].Disagree) > 0 {
		t.Errorf("%d nodes, %+v", len(inv.Nodes), inv.Nodes[10])
	}
}

func BenchmarkMerge(b *testing.B) {
	for _, n := range []int{4, 500, 5000} {
		in := crowd(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Merge(in)
			}
		})
	}
}
