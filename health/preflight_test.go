package health

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func node(name, address string, role cluster.Role, member uint64) cluster.Node {
	return cluster.Node{
		Name: name, Address: address, Role: role, EtcdID: member,
		Machine: cluster.Reading[cluster.Machine]{At: noon, Value: cluster.Machine{
			Stage: cluster.StageRunning, Ready: cluster.Some(true),
			Diagnostics: cluster.Some([]cluster.Diagnostic(nil)),
			ClockOffset: cluster.Some(30 * time.Millisecond),
		}},
		Kube: &cluster.KubeNode{Name: name, Ready: "True"},
	}
}

// facts are of three control planes and a worker, all well, cp-1 as target.
func facts() Facts {
	members := []cluster.EtcdMember{{ID: 1, Hostname: "cp-1"}, {ID: 2, Hostname: "cp-2"}, {ID: 3, Hostname: "cp-3"}}
	answer := func(id uint64, address string) cluster.EtcdAnswer {
		return cluster.EtcdAnswer{Address: address, At: noon, Members: slices.Clone(members), Status: &cluster.EtcdStatus{MemberID: id, Leader: 2}}
	}
	rights := map[string]bool{}
	for _, r := range NeededRights() {
		rights[r] = true
	}
	return Facts{
		Now: noon, Target: "cp-1", Rights: rights,
		Inventory: cluster.Inventory{
			Nodes: []cluster.Node{
				node("cp-1", "10.0.0.1", cluster.RoleControlPlane, 1), node("cp-2", "10.0.0.2", cluster.RoleControlPlane, 2),
				node("cp-3", "10.0.0.3", cluster.RoleControlPlane, 3), node("wk-1", "10.0.0.4", cluster.RoleWorker, 0),
			},
			Etcd: cluster.Etcd{AlarmsKnown: true, Answers: []cluster.EtcdAnswer{answer(1, "10.0.0.1"), answer(2, "10.0.0.2"), answer(3, "10.0.0.3")}},
		},
		Status: cluster.Status{
			Server: "https://10.0.0.2:6443", TalosRoles: []string{"os:admin"},
			TalosExpiry: noon.AddDate(1, 0, 0), KubeExpiry: noon.AddDate(1, 0, 0),
		},
		Endpoints: cluster.Reading[[]cluster.Endpoint]{At: noon, Value: []cluster.Endpoint{
			{Address: "10.0.0.1", Node: "cp-1", At: noon}, {Address: "10.0.0.2", Node: "cp-2", At: noon},
		}},
		Forecast: cluster.Reading[cluster.Forecast]{At: noon, Value: cluster.Forecast{Node: "cp-1", Pods: []cluster.PodFate{
			{Namespace: "media", Name: "web", Owner: "ReplicaSet/web", Fate: cluster.FateEvict}, {Name: "cilium", Fate: cluster.FateDaemonSet},
		}}},
		Flux: cluster.Reading[cluster.FluxList]{At: noon, Value: cluster.FluxList{Installed: true, Objects: []cluster.FluxObject{
			{Ref: cluster.Ref{Name: "apps"}, Short: "ks", State: cluster.FluxReady},
		}}},
		Lock: cluster.Reading[cluster.Lock]{At: noon},
	}
}

func judged(f Facts, number int) Check { return Preflight(f)[number-1] }

func TestPreflightAllWell(t *testing.T) {
	checks := Preflight(facts())
	if len(checks) != 17 {
		t.Fatalf("%d checks, want all 17", len(checks))
	}
	made := []int{1, 2, 3, 4, 5, 6, 7, 14, 17}
	for _, c := range checks {
		want := NotChecked
		if slices.Contains(made, c.Number) {
			want = Pass
		}
		if c.Number == 5 {
			want = WarnV // three members less one: no further failure is tolerated
		}
		if c.Verdict != want {
			t.Errorf("check %d %s is %q (%s), want %q", c.Number, c.Name, c.Verdict, c.Evidence, want)
		}
		if c.Evidence == "" {
			t.Errorf("check %d %s gives no evidence", c.Number, c.Name)
		}
	}
}

func TestPreflightVerdicts(t *testing.T) {
	refused := &cluster.Trouble{Kind: cluster.TroubleRefused, What: "10.0.0.3 refuses"}
	drop := func(f *Facts, member int) {
		f.Inventory.Etcd.Answers[member-1] = cluster.EtcdAnswer{At: noon, StatusErr: refused}
	}
	cases := []struct {
		name   string
		number int
		change func(*Facts)
		want   Verdict
		text   string
	}{
		{"talosconfig expired", 1, func(f *Facts) { f.Status.TalosExpiry = noon }, Fail, "expired on 2026-05-04"},
		{"kubeconfig ends soon", 1, func(f *Facts) { f.Status.KubeExpiry = noon.Add(expiryWarn - time.Second) }, WarnV, "expires"},
		{"one expired, one soon", 1, func(f *Facts) { f.Status.TalosExpiry, f.Status.KubeExpiry = noon, noon.Add(time.Hour) }, Fail, "expired on"},
		{"expiry unknown", 1, func(f *Facts) { f.Status.KubeExpiry = time.Time{} }, UnknownV, "not known"},
		{"reader", 1, func(f *Facts) { f.Status.TalosRoles = []string{"os:reader"} }, Fail, "os:reader"},
		{"right missing", 1, func(f *Facts) { f.Rights["patch nodes"] = false }, Fail, "may not patch nodes"},
		{"rights unknown", 1, func(f *Facts) { f.Rights = nil }, UnknownV, "not known"},
		{"read-only", 1, func(f *Facts) { f.Status.ReadOnly = "--read-only" }, Fail, "--read-only"},
		{"skew warns", 2, func(f *Facts) { f.Inventory.Nodes[1].Machine.Value.ClockOffset = cluster.Some(-3 * time.Second) }, WarnV, "cp-2"},
		{"skew fails", 2, func(f *Facts) { f.Inventory.Nodes[1].Machine.Value.ClockOffset = cluster.Some(31 * time.Second) }, Fail, "cp-2"},
		{"clock read long ago", 2, func(f *Facts) { f.Inventory.Nodes[1].Machine.At = noon.Add(-time.Hour) }, UnknownV, "not read"},
		{"clock unknown", 2, func(f *Facts) { f.Inventory.Nodes[1].Machine.Value.ClockOffset = cluster.Opt[time.Duration]{} }, UnknownV, "not read"},
		{"only endpoint is the target", 3, func(f *Facts) { f.Endpoints.Value = f.Endpoints.Value[:1] }, Fail, "no endpoint"},
		{"only another endpoint is the VIP", 3, func(f *Facts) { f.Endpoints.Value[1].VIP = true }, Fail, "no endpoint"},
		{"the target by another name", 3, func(f *Facts) {
			f.Inventory.Nodes[0].Name, f.Target = "cp-1.home.lan", "cp-1.home.lan"
			f.Inventory.Nodes[0].Machine.Value.Hostname = "cp-1"
			f.Endpoints.Value = f.Endpoints.Value[:1]
		}, Fail, "no endpoint"},
		{"the target by its address", 3, func(f *Facts) {
			f.Endpoints.Value[0].Node, f.Endpoints.Value[0].Address = "other", "10.0.0.1:50000"
			f.Endpoints.Value = f.Endpoints.Value[:1]
		}, Fail, "no endpoint"},
		{"kubeconfig is another address of the target", 3, func(f *Facts) {
			f.Inventory.Nodes[0].Kube.Addresses = []string{"10.0.0.1", "fd00::1"}
			f.Status.Server = "https://[FD00:0::1]:6443"
		}, Fail, "target itself"},
		{"kubeconfig is another node's other address", 3, func(f *Facts) {
			f.Inventory.Nodes[1].Machine.Value.Addresses = []string{"10.0.0.2", "fd00::2"}
			f.Status.Server = "https://[fd00::2]:6443"
		}, Pass, "without cp-1"},
		{"kubeconfig is the VIP of the checkout", 3, func(f *Facts) {
			f.Status.Server = "https://10.0.0.100:6443"
			f.Status.Checkout = cluster.Reading[cluster.Checkout]{At: noon, Value: cluster.Checkout{Endpoint: "10.0.0.100"}}
		}, Pass, "without cp-1"},
		{"kubeconfig is a virtual address of the checkout", 3, func(f *Facts) {
			f.Status.Server = "https://10.0.0.100:6443"
			f.Status.Checkout = cluster.Reading[cluster.Checkout]{At: noon, Value: cluster.Checkout{Endpoint: "api.home.lan", VIPs: []string{"10.0.0.100"}}}
		}, Pass, "without cp-1"},
		{"kubeconfig is a name that may be the target's", 3, func(f *Facts) {
			f.Status.Server = "https://api.home.lan:6443"
			f.Status.Checkout = cluster.Reading[cluster.Checkout]{At: noon, Value: cluster.Checkout{Endpoint: "api.home.lan"}}
		}, UnknownV, "not known"},
		{"other endpoint is dead", 3, func(f *Facts) { f.Endpoints.Value[1].Err = refused }, Fail, "no endpoint"},
		{"endpoints not read", 3, func(f *Facts) { f.Endpoints = cluster.Reading[[]cluster.Endpoint]{} }, UnknownV, "not asked"},
		{"endpoints read long ago", 3, func(f *Facts) { f.Endpoints.At = noon.Add(-MaxAge - 1) }, UnknownV, "not asked"},
		{"kubeconfig is the target", 3, func(f *Facts) { f.Status.Server = "https://10.0.0.1:6443" }, Fail, "target itself"},
		{"kubeconfig is a stranger", 3, func(f *Facts) { f.Status.Server = "https://lb.example:6443" }, UnknownV, "not known"},
		{"learner", 4, func(f *Facts) {
			for i := range f.Inventory.Etcd.Answers {
				f.Inventory.Etcd.Answers[i].Members[2].Learner = true
			}
		}, Fail, "learner"},
		{"alarm", 4, func(f *Facts) { f.Inventory.Etcd.Alarms = []cluster.EtcdAlarm{{MemberID: 2, Alarm: "NOSPACE"}} }, Fail, "NOSPACE on cp-2"},
		{"alarms not read", 4, func(f *Facts) { f.Inventory.Etcd.AlarmsKnown = false }, UnknownV, "alarms"},
		{"survivor silent", 4, func(f *Facts) { drop(f, 3) }, Fail, "cp-3 does not answer"},
		{"target silent is no fault of etcd", 4, func(f *Facts) { drop(f, 1) }, Pass, "agree"},
		{"two leaders", 4, func(f *Facts) { f.Inventory.Etcd.Answers[2].Status.Leader = 3 }, Fail, "leader"},
		{"two lists", 4, func(f *Facts) {
			f.Inventory.Etcd.Answers[2].Members = f.Inventory.Etcd.Answers[2].Members[:2]
		}, Fail, "same members"},
		{"control plane without member", 4, func(f *Facts) { f.Inventory.Nodes[2].EtcdID = 99 }, Fail, "no etcd member"},
		{"nothing answered", 4, func(f *Facts) { f.Inventory.Etcd = cluster.Etcd{} }, UnknownV, "no etcd member"},
		{"old answers do not count", 4, func(f *Facts) { f.Inventory.Etcd.Answers[2].At = noon.Add(-time.Hour) }, Fail, "cp-3"},
		{"target dead, both others live", 5, func(f *Facts) { drop(f, 1) }, WarnV, "2 of 2"},
		{"survivor dead", 5, func(f *Facts) { drop(f, 3) }, Fail, "would be lost"},
		{"a survivor's answer is old", 5, func(f *Facts) { f.Inventory.Etcd.Answers[2].At = noon.Add(-MaxAge - 1) }, Fail, "would be lost"},
		{"a survivor knows no leader", 5, func(f *Facts) { f.Inventory.Etcd.Answers[2].Status.Leader = 0 }, Fail, "would be lost"},
		{"two dead", 5, func(f *Facts) { drop(f, 3); drop(f, 2) }, Fail, "lost already"},
		{"role unknown", 5, func(f *Facts) { f.Inventory.Nodes[0].Role = cluster.RoleUnknown }, UnknownV, "role"},
		{"worker", 5, func(f *Facts) { f.Target = "wk-1" }, Pass, "is a worker"},
		{"last control plane", 5, func(f *Facts) { f.Inventory.Nodes = []cluster.Node{f.Inventory.Nodes[0], f.Inventory.Nodes[3]} }, Fail, "last control-plane"},
		{"other node down", 6, func(f *Facts) { f.Inventory.Nodes[3].Machine.Err = refused }, Fail, "wk-1"},
		{"other node not ready", 6, func(f *Facts) { f.Inventory.Nodes[3].Kube.Ready = "Unknown" }, Fail, "wk-1"},
		{"other node cordoned", 6, func(f *Facts) { f.Inventory.Nodes[3].Kube.Unschedulable = true }, Fail, "cordoned"},
		{"other node has a diagnostic", 6, func(f *Facts) {
			f.Inventory.Nodes[3].Machine.Value.Diagnostics = cluster.Some([]cluster.Diagnostic{{ID: "address-overlap"}})
		}, Fail, "address-overlap"},
		{"diagnostics unknown", 6, func(f *Facts) {
			f.Inventory.Nodes[3].Machine.Value.Diagnostics = cluster.Opt[[]cluster.Diagnostic]{}
		}, UnknownV, "diagnostics"},
		{"other node read long ago", 6, func(f *Facts) { f.Inventory.Nodes[3].Machine.At = noon.Add(-time.Hour) }, UnknownV, "lately"},
		{"target may be anything", 6, func(f *Facts) { f.Inventory.Nodes[0].Machine.Err = refused }, Pass, "3 other nodes"},
		{"no other node", 6, func(f *Facts) { f.Inventory.Nodes = f.Inventory.Nodes[:1] }, Fail, "no other node"},
		{"kubernetes away", 6, func(f *Facts) { f.Inventory.KubeErr = refused }, UnknownV, "refuses"},
		{"lease held", 7, func(f *Facts) { f.Lock.Value = cluster.Lock{Held: true, Holder: "ops@host"} }, Fail, "ops@host"},
		{"lease lapsed", 7, func(f *Facts) { f.Lock.Value = cluster.Lock{Held: true, Lapsed: true, Holder: "ops@host"} }, WarnV, "lapsed"},
		{"lease not read", 7, func(f *Facts) { f.Lock = cluster.Reading[cluster.Lock]{} }, UnknownV, "not read"},
		{"flux not read, who knows what is suspended", 7, func(f *Facts) { f.Flux = cluster.Reading[cluster.FluxList]{} }, UnknownV, "suspended"},
		{"flux not read any more", 7, func(f *Facts) { f.Flux.Err = refused }, UnknownV, "suspended"},
		{"a kind of flux denied", 7, func(f *Facts) { f.Flux.Value.Denied = map[string]string{"HelmRelease": "forbidden"} }, UnknownV, "HelmRelease"},
		{"kubernetes away, who knows what is cordoned", 7, func(f *Facts) { f.Inventory.KubeErr = refused }, UnknownV, "cordon"},
		{"no node in kubernetes", 7, func(f *Facts) {
			for i := range f.Inventory.Nodes {
				f.Inventory.Nodes[i].Kube = nil
			}
		}, UnknownV, "cordon"},
		{"lease from the future is held", 7, func(f *Facts) {
			f.Lock.At = noon.Add(time.Second)
			f.Lock.Value = cluster.Lock{Held: true, Holder: "x"}
		}, Fail, "held by x"},
		{"foreign cordon", 7, func(f *Facts) {
			f.Inventory.Nodes[3].Kube.Unschedulable = true
			f.Inventory.Nodes[3].Kube.Cordon = &cluster.Cordon{By: "kubectl-cordon", At: noon}
		}, WarnV, "by kubectl-cordon since 2026-05-04 12:00"},
		{"blocked by a budget", 14, func(f *Facts) {
			f.Forecast.Value.Pods[0].Fate, f.Forecast.Value.Pods[0].Budget, f.Forecast.Value.Pods[0].Why = cluster.FateBlocked, "web", "0 allowed"
		}, WarnV, "media/web of ReplicaSet/web is blocked by pdb/web: 0 allowed"},
		{"bare pod", 14, func(f *Facts) { f.Forecast.Value.Pods[0].Fate = cluster.FateBare }, WarnV, "lost for good"},
		{"emptyDir", 14, func(f *Facts) { f.Forecast.Value.Pods[0].EmptyDir = true }, WarnV, "emptyDir"},
		{"forecast cannot be made any more", 14, func(f *Facts) { f.Forecast.Err = refused }, UnknownV, "refuses"},
		{"forecast made long ago", 14, func(f *Facts) { f.Forecast.At = noon.Add(-MaxAge - 1) }, UnknownV, "not read"},
		{"forecast of another node", 14, func(f *Facts) { f.Forecast.Value.Node = "cp-2" }, UnknownV, "not read"},
		{"strange fate", 14, func(f *Facts) { f.Forecast.Value.Pods[0].Fate = "?" }, UnknownV, "?"},
		{"flux failed", 17, func(f *Facts) { f.Flux.Value.Objects[0].State = cluster.FluxFailed }, WarnV, "ks/apps is failed"},
		{"flux unknown", 17, func(f *Facts) { f.Flux.Value.Objects[0].State = cluster.FluxUnknown }, UnknownV, "ks/apps"},
		{"flux denied", 17, func(f *Facts) { f.Flux.Value.Denied = map[string]string{"HelmRelease": "forbidden"} }, UnknownV, "HelmRelease"},
		{"flux not read any more", 17, func(f *Facts) { f.Flux.Err = refused }, UnknownV, "not read any more"},
		{"flux not read", 17, func(f *Facts) { f.Flux = cluster.Reading[cluster.FluxList]{} }, UnknownV, "not read"},
		{"no flux", 17, func(f *Facts) { f.Flux.Value = cluster.FluxList{} }, Pass, "not installed"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := facts()
			c.change(&f)
			got := judged(f, c.number)
			text := got.Evidence + " " + strings.Join(got.Details, " ")
			if got.Verdict != c.want || !strings.Contains(text, c.text) {
				t.Errorf("check %d is %q: %s, want %q with %q", c.number, got.Verdict, text, c.want, c.text)
			}
		})
	}
}

// Two control planes of which one is dead: quorum is lost already, whichever is the target.
func TestTwoControlPlanesOneDead(t *testing.T) {
	for _, name := range []string{"cp-1", "cp-2"} {
		f := facts()
		f.Target = name
		f.Inventory.Nodes = f.Inventory.Nodes[:2]
		answers := f.Inventory.Etcd.Answers[:2]
		answers[1].Members = answers[1].Members[:2]
		answers[0] = cluster.EtcdAnswer{At: noon}
		f.Inventory.Etcd.Answers = answers
		if got := judged(f, 5); got.Verdict != Fail || !strings.Contains(got.Evidence, "lost already") {
			t.Errorf("target %s: %q %s, want a failed check that says quorum is lost already", name, got.Verdict, got.Evidence)
		}
	}
}

func TestQuorumArithmetic(t *testing.T) {
	for n, want := range map[int][2]int{1: {1, 0}, 2: {2, 0}, 3: {2, 1}, 4: {3, 1}, 5: {3, 2}, 7: {4, 3}} {
		if Quorum(n) != want[0] || Tolerates(n) != want[1] {
			t.Errorf("%d members: quorum %d tolerates %d, want %v", n, Quorum(n), Tolerates(n), want)
		}
	}
}

// With nothing known, nothing may pass.
func TestNothingKnownNothingPasses(t *testing.T) {
	for _, c := range Preflight(Facts{Now: noon, Target: "cp-1"}) {
		if c.Verdict == Pass || c.Verdict == WarnV {
			t.Errorf("check %d %s is %q with no fact at all: %s", c.Number, c.Name, c.Verdict, c.Evidence)
		}
	}
}

func TestServerHost(t *testing.T) {
	for in, want := range map[string]string{
		"https://10.0.0.1:6443": "10.0.0.1", "https://[fd00::1]:6443/x": "fd00::1", "api.home": "api.home", "https://h/": "h", "": "",
	} {
		if got := serverHost(in); got != want {
			t.Errorf("serverHost(%q) = %q, want %q", in, got, want)
		}
	}
}
