package views

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/keymap"
	"github.com/talos-cockpit/talos-cockpit/ui"
)

func TestFluxStatesOfTheList(t *testing.T) {
	x := newTheatre(ui.Look{})
	p := x.pane(keymap.Flux)
	has(t, screenOf(p, 80, 10), "asking Kubernetes")
	x.board.Flux.Fail(errors.New("the API server refuses the connection"), noon)
	has(t, screenOf(p, 80, 10), "not known: the API server refuses")
	x.board.Flux.Set(cluster.FluxList{}, noon)
	has(t, screenOf(p, 80, 10), "Flux is not installed")
	list := referenceFlux()
	list.Denied = map[string]string{"HelmRelease": "helmreleases is forbidden", "Bucket": ""}
	x.board.Flux.Set(list, noon)
	has(t, screenOf(p, 80, 12), "not listed: Bucket, HelmRelease", "infra")
	x.now = noon.Add(3 * time.Minute)
	x.board.Flux.Fail(errors.New("the API server is gone"), x.now)
	s := screenOf(p, 80, 12)
	has(t, s, "as of 3m ago: the API server is gone", "infra")
	hasNot(t, s, "●")
}

func TestFluxWorstFirst(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := x.pane(keymap.Flux)
	var names []string
	for _, l := range strings.Split(screenOf(p, 120, 12), "\n")[1:9] {
		names = append(names, strings.Fields(strings.TrimLeft(l, " ▸"))[2])
	}
	if got := strings.Join(names, " "); got != "infra jellyfin apps cluster media cilium cluster charts" {
		t.Errorf("the order is %s", got)
	}
	left, _ := p.Title()
	if got := plainText(left); got != "2✗ 2◐ 1⊘ 3●" {
		t.Errorf("the title says %q", got)
	}
}

// A narrow row says of a failure why, of what is well what it runs, and always for how long.
func TestFluxBriefRows(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := x.pane(keymap.Flux)
	row := func(width int, name string) string {
		for _, l := range strings.Split(screenOf(p, width, 12), "\n") {
			if strings.Contains(l, name) {
				return strings.TrimRight(l, " ")
			}
		}
		t.Fatalf("no row of %s", name)
		return ""
	}
	for _, c := range []struct {
		width      int
		name, want string
	}{
		{28, "infra", "▸✗ ks   infra  kustom…    4m"},
		{28, "cilium", " ● hr   cilium  1.18.2   41d"},
		{21, "jellyfin", " ✗ hr   jellyfin  4h"},
		{46, "apps", " ◐ ks   apps      waiting: depen…           4m"},
		{46, "media", " ⊘ ks   media     suspended by flux         6d"},
		{78, "infra", "▸✗ ks   infra     failed       kustomize build failed: accumulatin…       4m"}, //nolint:misspell // the word is cut
	} {
		if got := row(c.width, " "+c.name); !sameWords(got, c.want) || ui.Width(got) > c.width {
			t.Errorf("at %d cells %q, want %q", c.width, got, c.want)
		}
	}
	list := referenceFlux()
	twin := list.Objects[1]
	twin.Namespace = "other"
	list.Objects = append(list.Objects, twin)
	x.board.Flux.Set(list, noon)
	has(t, screenOf(p, 46, 14), "flux-system/apps", "other/apps")
	hasNot(t, screenOf(p, 46, 14), "flux-system/infra")
}

// sameWords compares up to the cuts and the blanks.
func sameWords(got, want string) bool {
	a, b := strings.Fields(got), strings.Fields(want)
	for i := range b {
		if cut, ok := strings.CutSuffix(b[i], "…"); ok {
			return strings.Contains(got, cut) && a[len(a)-1] == b[len(b)-1]
		}
		if i >= len(a) || a[i] != b[i] {
			return false
		}
	}
	return len(a) == len(b)
}

func TestFluxDetailNamesTheRoot(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := x.pane(keymap.Flux)
	x.do(t, p, keymap.Down, keymap.Down, keymap.FluxOpen)
	s := screenOf(p, 120, 30)
	has(t, s, "Kustomization flux-system/apps  waiting", "because     ks flux-system/infra is failed: kustomize build failed",
		"source      git flux-system/cluster is ready, main@1c9f3e2, for 3m", "depends on  ks flux-system/infra is failed", "interval    10m")
	x.do(t, p, keymap.Back, keymap.Top, keymap.FluxOpen)
	s = screenOf(p, 120, 30)
	has(t, s, "blocks      ks flux-system/apps", "attempted   main@sha1:aa10b7d", "missing file", "Ready       False BuildFailed, for 4m")
	x.do(t, p, keymap.Back)
	x.do(t, p, keymap.Top, keymap.Down, keymap.Down, keymap.Down, keymap.Down) // media
	x.do(t, p, keymap.FluxOpen)
	has(t, screenOf(p, 120, 30), "suspended   by flux, since 17 Aug 14:07 (6d)")
}

func TestFluxRootOfACircle(t *testing.T) {
	x := newTheatre(ui.Look{})
	a, b := cluster.Ref{Kind: "Kustomization", Namespace: "n", Name: "a"}, cluster.Ref{Kind: "Kustomization", Namespace: "n", Name: "b"}
	x.board.Flux.Set(cluster.FluxList{Installed: true, Objects: []cluster.FluxObject{
		{Ref: a, State: cluster.FluxWaiting, DependsOn: []cluster.Ref{b}}, {Ref: b, State: cluster.FluxWaiting, DependsOn: []cluster.Ref{a}},
	}}, noon)
	p := x.pane(keymap.Flux)
	x.do(t, p, keymap.FluxOpen)
	has(t, screenOf(p, 80, 20), "n/b is waiting")
}

func whyNot(p ui.Pane, a keymap.Action) string {
	for _, o := range p.Offers() {
		if o.Action == a {
			return o.WhyNot
		}
	}
	return "not offered at all"
}

func TestFluxOffers(t *testing.T) {
	x := newTheatre(ui.Look{})
	p := x.pane(keymap.Flux)
	if why := whyNot(p, keymap.FluxReconcile); why != "no object is shown" {
		t.Errorf("without objects: %q", why)
	}
	x.board.Flux.Set(referenceFlux(), noon)
	if why := whyNot(p, keymap.FluxReconcile); why != "not connected yet" {
		t.Errorf("without a status: %q", why)
	}
	s := referenceStatus()
	s.ReadOnly = "started with --read-only"
	x.board.Status.Set(s, noon)
	if why := whyNot(p, keymap.FluxSuspend); why != s.ReadOnly {
		t.Errorf("read-only: %q", why)
	}
	s = referenceStatus()
	s.Proof, s.ProofWhy = cluster.ProofDifferent, "other CA"
	x.board.Status.Set(s, noon)
	if why := whyNot(p, keymap.FluxSuspend); why != "different clusters: other CA" {
		t.Errorf("different clusters: %q", why)
	}
	x.board.Status.Set(referenceStatus(), noon)
	for a, want := range map[keymap.Action]string{keymap.FluxReconcile: "", keymap.FluxReconcileWith: "", keymap.FluxSuspend: "", keymap.FluxResume: "it is not suspended"} {
		if why := whyNot(p, a); why != want {
			t.Errorf("%s: %q, want %q", a, why, want)
		}
	}
	x.do(t, p, keymap.Top, keymap.Down, keymap.Down, keymap.Down, keymap.Down) // media
	for a, want := range map[keymap.Action]string{keymap.FluxReconcile: "it is suspended", keymap.FluxSuspend: "it is suspended already", keymap.FluxResume: ""} {
		if why := whyNot(p, a); why != want {
			t.Errorf("%s: %q, want %q", a, why, want)
		}
	}
	x.acts.denied = "the kubeconfig may not patch it"
	if why := whyNot(p, keymap.FluxResume); why != x.acts.denied {
		t.Errorf("denied: %q", why)
	}
}

func TestFluxReconcileAtOnce(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := x.pane(keymap.Flux)
	x.acts.answer = "applied main@1c9f3e2"
	cmd, _ := p.Do(keymap.FluxReconcile)
	has(t, screenOf(p, 120, 12), "reconcile…")
	if why := whyNot(p, keymap.FluxReconcile); why != "reconcile is under way" {
		t.Errorf("while it runs: %q", why)
	}
	msgs := x.settle(cmd)
	if len(x.acts.did) != 1 || x.acts.did[0] != "reconcile flux-system/infra" {
		t.Errorf("did %v", x.acts.did)
	}
	if len(msgs) != 1 || msgs[0] != (ui.ToastMsg{Text: "applied main@1c9f3e2"}) {
		t.Errorf("told %v", msgs)
	}
	hasNot(t, screenOf(p, 120, 12), "reconcile…")
}

func TestFluxFailureStays(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	x.acts.err = errBoom
	msgs := x.do(t, x.pane(keymap.Flux), keymap.FluxReconcileWith)
	if len(msgs) != 1 || msgs[0] != (ui.ToastMsg{Text: "Kustomization flux-system/infra: boom", Error: true}) {
		t.Errorf("told %v", msgs)
	}
}

func TestFluxSuspendAsksFirst(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := x.pane(keymap.Flux)
	msgs := x.do(t, p, keymap.FluxSuspend)
	ask, ok := msgs[0].(ui.ConfirmMsg)
	if !ok || ask.Word != "" || len(x.acts.did) != 0 {
		t.Fatalf("told %v, did %v", msgs, x.acts.did)
	}
	has(t, strings.Join(ask.Body, "\n"), "flux suspend kustomization infra -n flux-system", "now: failed")
	x.settle(ask.Run)
	if len(x.acts.did) != 1 || x.acts.did[0] != "suspend flux-system/infra" {
		t.Errorf("did %v", x.acts.did)
	}
}

func TestFluxRefusedActsDoNothing(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	msgs := x.do(t, x.pane(keymap.Flux), keymap.FluxResume)
	if m, ok := msgs[0].(ui.ToastMsg); !ok || !strings.Contains(m.Text, "it is not suspended") || len(x.acts.did) != 0 {
		t.Errorf("told %v, did %v", msgs, x.acts.did)
	}
}

func TestFluxCopy(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	msgs := x.do(t, x.pane(keymap.Flux), keymap.Copy, keymap.CopyCommand)
	has(t, msgs[0].(ui.CopyMsg).Text, "ks flux-system/infra  failed  main@sha1:1c9f3e2", "missing file")
	if got := msgs[1].(ui.CopyMsg).Text; got != "flux reconcile kustomization infra -n flux-system" {
		t.Error(got)
	}
}

func TestFluxFilter(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := x.pane(keymap.Flux)
	x.do(t, p, keymap.FluxFilter)
	typeText(t, p, "hr ready", '\r')
	s := screenOf(p, 120, 12)
	has(t, s, "cilium")
	hasNot(t, s, "infra", "jellyfin")
}
