package cluster

import (
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func running(name, address string, role Role) Reading[Machine] {
	return Reading[Machine]{At: noon, Value: Machine{
		Address: address, Hostname: name, Role: role, Version: "v1.13.9",
		Stage: StageRunning, Ready: Some(true), Services: []Service{},
	}}
}

func kubeNode(name, address string, role Role) KubeNode {
	return KubeNode{Name: name, UID: "uid-" + name, Addresses: []string{address}, Role: role, Ready: "True", Kubelet: "v1.37.2"}
}

// healthy is a cluster of two nodes that all sources agree on.
func healthy() Input {
	return Input{
		Machines: map[string]Reading[Machine]{
			"10.0.0.1": running("cp-1", "10.0.0.1", RoleControlPlane),
			"10.0.0.2": running("wk-1", "10.0.0.2", RoleWorker),
		},
		Members: []Member{
			{ID: "cp-1", Node: "cp-1", Hostname: "cp-1", Role: RoleControlPlane, Addresses: []string{"10.0.0.1"}},
			{ID: "wk-1", Node: "wk-1", Hostname: "wk-1", Role: RoleWorker, Addresses: []string{"10.0.0.2"}},
		},
		Kube: []KubeNode{kubeNode("cp-1", "10.0.0.1", RoleControlPlane), kubeNode("wk-1", "10.0.0.2", RoleWorker)},
		Pods: map[string]PodCount{"cp-1": {Total: 3}},
		Etcd: Etcd{AlarmsKnown: true, Answers: []EtcdAnswer{{
			Address: "10.0.0.1",
			Status:  &EtcdStatus{MemberID: 7, Leader: 7},
			Members: []EtcdMember{{ID: 7, Hostname: "cp-1", PeerURLs: []string{"https://10.0.0.1:2380"}}},
		}}},
		Checkout: &Checkout{Nodes: []RepoNode{
			{Hostname: "CP-1", Addresses: []string{"10.0.0.1"}, Role: RoleControlPlane, Version: "v1.13.9"},
			{Hostname: "wk-1", Addresses: []string{"10.0.0.2"}, Role: RoleWorker},
		}},
	}
}

func row(t *testing.T, inv Inventory, name string) Node {
	t.Helper()
	i := slices.IndexFunc(inv.Nodes, func(n Node) bool { return n.Name == name })
	if i < 0 {
		t.Fatalf("no row %s in %d rows", name, len(inv.Nodes))
	}
	return inv.Nodes[i]
}

func TestMergeAgreeing(t *testing.T) {
	inv := Merge(healthy())
	if len(inv.Nodes) != 2 {
		t.Fatalf("%d rows, want 2: %+v", len(inv.Nodes), inv.Nodes)
	}
	cp := row(t, inv, "cp-1")
	if cp.Severity != OK || len(cp.Notes) != 0 || len(cp.Disagree) != 0 {
		t.Errorf("cp-1 is %s with %v, want ok and quiet", cp.Severity, cp.Notes)
	}
	if !cp.EtcdLead || cp.EtcdID != 7 || cp.Repo == nil || cp.Member == nil || cp.Kube == nil {
		t.Errorf("cp-1 lacks a source: %+v", cp)
	}
	if pods, known := row(t, inv, "wk-1").Pods.Get(); !known || pods.Total != 0 {
		t.Errorf("wk-1 has pods %v known %v, want a known zero", pods, known)
	}
}

// Talos discovery lists host names with the domain that DHCP gives; the name in
// Kubernetes is told beside it.
func TestMemberWithADomain(t *testing.T) {
	in := healthy()
	in.Members[0].Hostname = "cp-1.home.lan"
	if cp := row(t, Merge(in), "cp-1"); cp.Severity != OK || len(cp.Disagree) != 0 {
		t.Errorf("cp-1 is %s with %v, want ok and quiet", cp.Severity, cp.Notes)
	}
	in.Kube[0].Name = "cp-1.home.lan" // registerWithFQDN
	if cp := row(t, Merge(in), "cp-1.home.lan"); len(cp.Disagree) != 0 {
		t.Errorf("a domain is no contradiction: %v", cp.Disagree)
	}
	in.Kube, in.Checkout = nil, nil
	if cp := row(t, Merge(in), "cp-1"); cp.Member == nil || !cp.Machine.Has() || cp.EtcdID != 7 {
		t.Errorf("without Kubernetes the sources are not one row: %+v", cp)
	}
}

func TestMergeTrouble(t *testing.T) {
	refused := &Trouble{Kind: TroubleRefused, What: "refused"}
	cases := []struct {
		name   string
		change func(*Input)
		node   string
		sev    Severity
		note   string
	}{
		{"api refuses", func(in *Input) {
			in.Machines["10.0.0.2"] = Reading[Machine]{Err: refused, Since: noon}
		}, "wk-1", Unknown, "Talos API: connection refused"},
		{"kubelet silent", func(in *Input) { in.Kube[1].Ready = "Unknown" }, "wk-1", Bad, "stopped reporting"},
		{"not ready", func(in *Input) { in.Kube[1].Ready, in.Kube[1].ReadyReason = "False", "KubeletNotReady" }, "wk-1", Bad, "KubeletNotReady"},
		{"no ready condition", func(in *Input) { in.Kube[1].Ready = "" }, "wk-1", Unknown, "no Ready"},
		{"pressure", func(in *Input) { in.Kube[1].Pressures = []string{"DiskPressure"} }, "wk-1", Warn, "DiskPressure"},
		{"cordoned", func(in *Input) { in.Kube[1].Unschedulable, in.Kube[1].Cordon = true, &Cordon{By: "kubectl-cordon"} }, "wk-1", Info, "cordoned by kubectl-cordon"},
		{"not in kubernetes", func(in *Input) { in.Kube = in.Kube[:1] }, "wk-1", Warn, "not in Kubernetes"},
		{"not in discovery", func(in *Input) { in.Members = in.Members[:1] }, "wk-1", Warn, "not in Talos discovery"},
		{"role contradicts", func(in *Input) { in.Kube[0].Role = RoleWorker }, "cp-1", Warn, "Talos discovery says controlplane"},
		{"name contradicts", func(in *Input) { in.Checkout.Nodes[1].Hostname = "old" }, "wk-1", Warn, "talconfig.yaml calls it old"},
		{"pinned", func(in *Input) { in.Checkout.Nodes[0].Version = "v1.14.0" }, "cp-1", Info, "Talos v1.14.0 is pinned"},
		{"only in the repository", func(in *Input) {
			in.Checkout.Nodes = append(in.Checkout.Nodes, RepoNode{Hostname: "new", Addresses: []string{"10.0.0.9"}})
		}, "new", Unknown, "only talconfig.yaml knows it"},
		{"etcd does not answer", func(in *Input) {
			in.Etcd.Answers[0].Status, in.Etcd.Answers[0].StatusErr = nil, refused
		}, "cp-1", Unknown, "etcd: connection refused"},
		{"twice in discovery", func(in *Input) {
			in.Members = append(in.Members, Member{ID: "wiped", Node: "old", Addresses: []string{"10.0.0.2"}})
		}, "wk-1", Warn, "lists it twice, as wk-1 and wiped"},
		{"etcd without leader", func(in *Input) { in.Etcd.Answers[0].Status.Leader = 0 }, "cp-1", Bad, "no leader"},
		{"etcd alarm", func(in *Input) { in.Etcd.Alarms = []EtcdAlarm{{MemberID: 7, Alarm: "NOSPACE"}} }, "cp-1", Bad, "etcd alarm NOSPACE"},
		{"stranger in etcd", func(in *Input) {
			in.Etcd.Answers[0].Members = append(in.Etcd.Answers[0].Members, EtcdMember{ID: 9, Hostname: "ghost"})
		}, "ghost", Warn, "only etcd lists it"},
		{"kubernetes away later", func(in *Input) { in.KubeErr = refused }, "wk-1", Unknown, "Kubernetes: connection refused"},
		{"kubernetes away later, not ready before", func(in *Input) {
			in.Kube[1].Ready, in.KubeErr = "False", refused
		}, "wk-1", Unknown, "Kubernetes: connection refused"},
		{"no address to ask at", func(in *Input) {
			delete(in.Machines, "10.0.0.2")
			in.Members, in.Checkout, in.Kube[1].Addresses = nil, nil, nil
		}, "wk-1", Unknown, "no address"},
		{"etcd not asked", func(in *Input) { in.Etcd = Etcd{} }, "cp-1", Unknown, "etcd was not asked"},
		{"no member of etcd", func(in *Input) {
			in.Etcd.Answers[0].Status, in.Etcd.Answers[0].Members = nil, []EtcdMember{}
		}, "cp-1", Warn, "not an etcd member"},
		{"two Nodes at one address", func(in *Input) {
			old := kubeNode("old", "10.0.0.2", RoleWorker)
			old.Ready, old.Created = "Unknown", noon.Add(-time.Hour)
			in.Kube[1].Created = noon
			in.Kube = append([]KubeNode{old}, in.Kube...)
		}, "old", Bad, "stopped reporting"},
		{"kubernetes away from the start", func(in *Input) {
			in.Kube, in.KubeErr = nil, refused
		}, "wk-1", Unknown, "Kubernetes: connection refused"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			in := healthy()
			c.change(&in)
			n := row(t, Merge(in), c.node)
			if n.Severity != c.sev {
				t.Errorf("severity %s, want %s (%v)", n.Severity, c.sev, n.Notes)
			}
			if !slices.ContainsFunc(n.Notes, func(x Note) bool { return strings.Contains(x.Text, c.note) }) {
				t.Errorf("notes %v, want one with %q", n.Notes, c.note)
			}
		})
	}
}

// An old Node object that has the address of a newer one: the machine belongs
// to the newer one, whichever comes first in the list.
func TestTwoNodesAtOneAddress(t *testing.T) {
	for _, first := range []bool{true, false} {
		in := healthy()
		old := kubeNode("old", "10.0.0.2", RoleWorker)
		old.Created, in.Kube[1].Created = noon.Add(-time.Hour), noon
		in.Kube = append(in.Kube, old)
		if first {
			slices.Reverse(in.Kube)
		}
		inv := Merge(in)
		if len(inv.Nodes) != 3 {
			t.Fatalf("%d rows, want 3", len(inv.Nodes))
		}
		if n := row(t, inv, "wk-1"); !n.Machine.Has() || n.Member == nil || n.Kube.Name != "wk-1" {
			t.Errorf("the machine is not wk-1's: %+v", n)
		}
		n := row(t, inv, "old")
		if n.Machine.Has() || n.Kube.Name != "old" || n.Severity != Unknown || !slices.Contains(n.Disagree, "wk-1 has its address 10.0.0.2") {
			t.Errorf("old is %s with %v, want it unknown and told that wk-1 has its address", n.Severity, n.Notes)
		}
	}
}

func machineCase(t *testing.T, change func(*Machine)) Node {
	t.Helper()
	in := healthy()
	r := in.Machines["10.0.0.2"]
	change(&r.Value)
	in.Machines["10.0.0.2"] = r
	return row(t, Merge(in), "wk-1")
}

func TestMergeMachineState(t *testing.T) {
	cases := []struct {
		name   string
		change func(*Machine)
		sev    Severity
	}{
		{"rebooting", func(m *Machine) { m.Stage = StageRebooting }, Busy},
		{"maintenance", func(m *Machine) { m.Stage = StageMaintenance }, Warn},
		{"stage unknown", func(m *Machine) { m.Stage = StageUnknown }, Unknown},
		{"not ready", func(m *Machine) { m.Ready = Some(false) }, Warn},
		{"ready unknown", func(m *Machine) { m.Ready = Opt[bool]{} }, Unknown},
		{"services unknown", func(m *Machine) { m.Services = nil }, Unknown},
		{"service unhealthy", func(m *Machine) { m.Services = []Service{{ID: "cri", Healthy: Some(false)}} }, Bad},
		{"service failed", func(m *Machine) { m.Services = []Service{{ID: "ext", State: "Failed"}} }, Bad},
		{"memory at the limit", func(m *Machine) { m.Memory = Some(Usage{Used: 90, Total: 100}) }, Warn},
		{"memory below", func(m *Machine) { m.Memory = Some(Usage{Used: 89, Total: 100}) }, OK},
		{"disk warns", func(m *Machine) { m.Disk = Some(Usage{Used: 80, Total: 100}) }, Warn},
		{"disk full", func(m *Machine) { m.Disk = Some(Usage{Used: 90, Total: 100}) }, Bad},
		{"clock", func(m *Machine) { m.TimeSynced = Some(false) }, Warn},
		{"diagnostic", func(m *Machine) { m.Diagnostics = Some([]Diagnostic{{ID: "x"}}) }, Warn},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if n := machineCase(t, c.change); n.Severity != c.sev {
				t.Errorf("severity %s, want %s (%v)", n.Severity, c.sev, n.Notes)
			}
		})
	}
}

func TestStaleMachineIsNotJudged(t *testing.T) {
	in := healthy()
	r := in.Machines["10.0.0.2"]
	r.Value.Stage = StageRebooting
	r.Err, r.Since = &Trouble{Kind: TroubleTimeout}, noon
	in.Machines["10.0.0.2"] = r
	n := row(t, Merge(in), "wk-1")
	if n.Severity != Unknown || len(n.Notes) != 1 {
		t.Errorf("got %s %v, want unknown and the one reason", n.Severity, n.Notes)
	}
}

func TestWorstFirst(t *testing.T) {
	nodes := []Node{{Name: "n10"}, {Name: "n2"}, {Name: "bad", Severity: Bad}, {Name: "unk", Severity: Unknown}, {Name: "n1"}}
	SortWorstFirst(nodes)
	var got []string
	for _, n := range nodes {
		got = append(got, n.Name)
	}
	if want := []string{"bad", "unk", "n1", "n2", "n10"}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
}

func TestTalosDownNeedsAll(t *testing.T) {
	in := healthy()
	late := &Trouble{Kind: TroubleTimeout}
	in.Machines["10.0.0.1"] = Reading[Machine]{Err: &Trouble{Kind: TroubleRefused}, Since: noon}
	if inv := Merge(in); inv.TalosErr != nil {
		t.Errorf("one of two answers, got %v", inv.TalosErr)
	}
	in.Machines["10.0.0.2"] = Reading[Machine]{Err: late, Since: noon.Add(time.Second)}
	if inv := Merge(in); inv.TalosErr != late {
		t.Errorf("got %v, want the newest trouble", inv.TalosErr)
	}
}
