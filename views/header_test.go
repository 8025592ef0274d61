package views

import (
	"strings"
	"testing"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/keymap"
	"github.com/talos-cockpit/talos-cockpit/ui"
)

func segments(list []ui.Segment) string {
	var out []string
	for _, s := range list {
		out = append(out, s.Text)
	}
	return strings.Join(out, "|")
}

func barOf(x *theatre) ui.Bar { return Bar(x.board, x.th)(x.now, 120) }

func TestBarBeforeAnyAnswer(t *testing.T) {
	b := barOf(newTheatre(ui.Look{}))
	if got := segments(b.Left); got != "talos-cockpit|◐ connecting" {
		t.Error(got)
	}
	if len(b.Banner)+len(b.Right)+len(b.Notice) != 0 {
		t.Errorf("%+v", b)
	}
}

func TestBarOfTheReference(t *testing.T) {
	b := barOf(newTheatre(ui.Look{}).reference())
	if got := segments(b.Left); got != "turingpi|192.168.13.10|Talos v1.13.9|k8s v1.37.2|etcd 2/2 ●|leader talos-test01|flux 2✗ 2◐ 1⊘ 3●" {
		t.Error(got)
	}
	if got := segments(b.Notice); got != "✗ talos-test04: NotReady: the kubelet stopped reporting|for 12d, 1 of 4 findings" {
		t.Error(got)
	}
	if len(b.Right) != 0 {
		t.Errorf("fresh data shows an age: %v", b.Right)
	}
}

func TestBarSaysWhatIsOld(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	inv := referenceInventory()
	inv.KubeErr, inv.KubeSince = &cluster.Trouble{Kind: cluster.TroubleTimeout}, ago(3*time.Minute)
	inv.Nodes[1].Machine.Value.Version = "v1.14.0"
	x.board.Nodes.Set(inv, noon)
	b := barOf(x)
	if got := segments(b.Right); got != "○ k8s 3m old" {
		t.Error(got)
	}
	has(t, segments(b.Left), "○ k8s v1.37.2", "Talos v1.13.9…v1.14.0")
}

func TestBarEtcd(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	inv := referenceInventory()
	inv.Etcd.Answers[1].Status = nil
	x.board.Nodes.Set(inv, noon)
	has(t, segments(barOf(x).Left), "etcd 1/2 ✗") // one of two is no quorum
	inv = referenceInventory()
	inv.Etcd.Alarms = []cluster.EtcdAlarm{{Alarm: "NOSPACE"}}
	x.board.Nodes.Set(inv, noon)
	has(t, segments(barOf(x).Left), "etcd 2/2 ✗ NOSPACE")
	inv = referenceInventory()
	inv.Etcd.AlarmsKnown = false
	x.board.Nodes.Set(inv, noon)
	has(t, segments(barOf(x).Left), "etcd 2/2 "+x.th.Shape(ui.RoleUnknown))
	inv.Etcd = cluster.Etcd{}
	x.board.Nodes.Set(inv, noon)
	has(t, segments(barOf(x).Left), "etcd ?")
}

// A kind of Flux that may not be listed is an unknown one, here and in the list's title.
func TestFluxCountsWhatIsDenied(t *testing.T) {
	x := newTheatre(ui.Look{})
	x.board.Status.Set(referenceStatus(), noon)
	x.board.Flux.Set(cluster.FluxList{
		Installed: true, Denied: map[string]string{"HelmRelease": "forbidden", "Bucket": "forbidden"},
		Objects: []cluster.FluxObject{{Ref: cluster.Ref{Kind: "Kustomization", Name: "apps"}, State: cluster.FluxReady}},
	}, noon)
	unknown := "2" + x.th.Shape(ui.RoleUnknown)
	has(t, segments(barOf(x).Left), "flux "+unknown+" 1●")
	left, _ := x.pane(keymap.Flux).Title()
	has(t, left, unknown)
	x.board.Flux.Set(cluster.FluxList{}, noon)
	has(t, segments(barOf(x).Left), "no flux")
	x.board.Flux.Fail(&cluster.Trouble{What: "away"}, noon)
	has(t, segments(barOf(x).Left), "flux ?")
}

// While the proof is under way nothing is said to be forbidden.
func TestBarWhileProving(t *testing.T) {
	x := newTheatre(ui.Look{})
	s := referenceStatus()
	s.Proof, s.ReadOnly, s.Demo = cluster.ProofPending, "it is not proven that both are the same cluster", "turingpi"
	x.board.Status.Set(s, noon)
	b := barOf(x)
	has(t, segments(b.Left), "turingpi|DEMO|◐ proving that both are one cluster…")
	hasNot(t, segments(b.Left), "read-only")
	if len(b.Banner) != 0 {
		t.Errorf("a banner already: %v", b.Banner)
	}
	s.ReadOnly = "--read-only: the cockpit was started to look only"
	x.board.Status.Set(s, noon)
	has(t, segments(barOf(x).Left), "read-only")
	s.ReadOnly, s.Troubles = "no talosconfig", []cluster.Trouble{{What: "no talosconfig"}}
	x.board.Status.Set(s, noon)
	has(t, segments(barOf(x).Left), "read-only")
}

func TestBarBanners(t *testing.T) {
	x := newTheatre(ui.Look{})
	s := referenceStatus()
	s.Proof, s.ProofWhy, s.ReadOnly, s.Demo = cluster.ProofDifferent, "the CAs differ", "different clusters", "still"
	s.Troubles = []cluster.Trouble{{What: "192.168.13.10 is the VIP", Do: "use the nodes' own addresses"}}
	s.TalosExpiry, s.KubeExpiry = noon.Add(-time.Hour), noon.Add(3*day)
	x.board.Status.Set(s, noon)
	b := barOf(x)
	has(t, segments(b.Banner), "192.168.13.10 is the VIP: use the nodes' own addresses", "different clusters, so nothing can be done from here: the CAs differ",
		"talosconfig expired on 23 Aug 2026 13:07", "kubeconfig expires on 26 Aug 2026")
	has(t, segments(b.Left), "DEMO still", "read-only")
	s = referenceStatus()
	s.TalosExpiry = noon.Add(300 * day)
	x.board.Status.Set(s, noon)
	if b := barOf(x); len(b.Banner) != 0 {
		t.Errorf("all is well, and yet: %v", b.Banner)
	}
}
