package kube

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

const (
	ksPath  = "/apis/kustomize.toolkit.fluxcd.io/v1/kustomizations"
	gitPath = "/apis/source.toolkit.fluxcd.io/v1/gitrepositories"
	hrPath  = "/apis/helm.toolkit.fluxcd.io/v2/helmreleases"
)

// kindsOf is the JSON of the resources of one group: plural and kind in turn.
func kindsOf(pairs ...string) string {
	var list []string
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, `{"name":"`+pairs[i]+`","kind":"`+pairs[i+1]+`","namespaced":true,"verbs":["get","list","patch","watch"]}`,
			`{"name":"`+pairs[i]+`/status","kind":"`+pairs[i+1]+`","verbs":["get","patch"]}`)
	}
	return `{"kind":"APIResourceList","resources":[` + strings.Join(list, ",") + `]}`
}

// newFluxAPI serves Kustomizations and GitRepositories.
func newFluxAPI(t *testing.T) *fakeAPI {
	t.Helper()
	f := newFakeAPI(t)
	f.set(func() {
		f.kinds["kustomize.toolkit.fluxcd.io/v1"] = kindsOf("kustomizations", "Kustomization")
		f.kinds["source.toolkit.fluxcd.io/v1"] = kindsOf("gitrepositories", "GitRepository")
		f.objects[ksPath], f.objects[gitPath] = map[string]any{}, map[string]any{}
	})
	return f
}

func fakeFlux(apiVersion, kind, name string, ready, reason, message string) map[string]any {
	return map[string]any{
		"kind": kind, "apiVersion": apiVersion,
		"metadata": map[string]any{"name": name, "namespace": "flux-system", "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"},
		"spec":     map[string]any{"interval": "10m", "sourceRef": map[string]any{"kind": "GitRepository", "name": "fleet"}},
		"status": map[string]any{"observedGeneration": 1, "conditions": []any{map[string]any{
			"type": "Ready", "status": ready, "reason": reason, "message": message, "observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z",
		}}},
	}
}

func fakeKs(name, ready, reason, message string) map[string]any {
	return fakeFlux("kustomize.toolkit.fluxcd.io/v1", "Kustomization", name, ready, reason, message)
}

func watchFlux(t *testing.T, c *Client) *seen[cluster.FluxList] {
	t.Helper()
	s := &seen[cluster.FluxList]{}
	running(t, func(ctx context.Context) { c.WatchFlux(ctx, s.emit) })
	return s
}

func (s *seen[T]) until(t *testing.T, what string, ok func(T, *cluster.Trouble) bool) T {
	t.Helper()
	eventually(t, what, func() bool { v, err, n := s.get(); return n > 0 && ok(v, err) })
	v, _, _ := s.get()
	return v
}

func TestWatchFlux(t *testing.T) {
	t.Parallel()
	f := newFluxAPI(t)
	f.put(ksPath, fakeKs("web", "True", "ReconciliationSucceeded", "applied"))
	f.put(ksPath, fakeKs("infra", "True", "ReconciliationSucceeded", "applied"))
	f.put(gitPath, fakeFlux("source.toolkit.fluxcd.io/v1", "GitRepository", "fleet", "True", "Succeeded", "stored"))
	s := watchFlux(t, f.open(t, nil))
	list := s.until(t, "three objects", func(l cluster.FluxList, err *cluster.Trouble) bool { return len(l.Objects) == 3 && err == nil })
	if _, _, n := s.get(); n != 1 {
		t.Errorf("emitted %d times, want once: kinds are waited for", n)
	}
	var names []string
	for _, o := range list.Objects {
		names = append(names, name(o.Ref))
	}
	if got := strings.Join(names, ", "); !list.Installed || got != "GitRepository flux-system/fleet, Kustomization flux-system/infra, Kustomization flux-system/web" {
		t.Errorf("%v %s", list.Installed, got)
	}
	f.put(ksPath, fakeKs("web", "True", "ReconciliationSucceeded", "applied")) // nothing that shows
	f.put(ksPath, fakeKs("infra", "False", "BuildFailed", "no such file"))
	list = s.until(t, "the failure", func(l cluster.FluxList, _ *cluster.Trouble) bool {
		return len(l.Objects) == 3 && l.Objects[1].State == cluster.FluxFailed
	})
	if o := list.Objects[1]; o.Message != "no such file" || o.Reason != "BuildFailed" {
		t.Errorf("%+v", o)
	}
	if _, _, n := s.get(); n != 2 {
		t.Errorf("emitted %d times, want twice", n)
	}
}

func TestFluxIsNotThereAndComes(t *testing.T) {
	t.Parallel()
	f := newFakeAPI(t)
	s := watchFlux(t, f.open(t, nil))
	list := s.until(t, "an answer", func(cluster.FluxList, *cluster.Trouble) bool { return true })
	if _, err, _ := s.get(); err != nil || list.Installed || len(list.Objects) != 0 {
		t.Fatalf("%+v %v", list, err)
	}
	f.set(func() {
		f.kinds["kustomize.toolkit.fluxcd.io/v1"] = kindsOf("kustomizations", "Kustomization")
		f.objects[ksPath] = map[string]any{}
	})
	f.put(ksPath, fakeKs("web", "True", "ReconciliationSucceeded", "applied"))
	s.until(t, "the new kind", func(l cluster.FluxList, err *cluster.Trouble) bool {
		return l.Installed && len(l.Objects) == 1 && err == nil
	})
	f.set(func() { delete(f.kinds, "kustomize.toolkit.fluxcd.io/v1") })
	s.until(t, "the end of the kind", func(l cluster.FluxList, err *cluster.Trouble) bool {
		return !l.Installed && len(l.Objects) == 0 && err == nil
	})
}

func TestStartingServerSaysNothingAboutFlux(t *testing.T) {
	t.Parallel()
	f := newFluxAPI(t)
	f.put(ksPath, fakeKs("web", "True", "ReconciliationSucceeded", "applied"))
	var served map[string]string
	starts := func(now bool) { // as an API server that has not read its CustomResourceDefinitions yet
		f.set(func() {
			if f.starts = now; now {
				served, f.kinds = f.kinds, map[string]string{}
			} else {
				f.kinds = served
			}
		})
	}
	starts(true)
	s := watchFlux(t, f.open(t, nil))
	s.until(t, "the reason", func(l cluster.FluxList, err *cluster.Trouble) bool {
		return err != nil && strings.Contains(err.What, "not ready yet")
	})
	starts(false)
	s.until(t, "the object", func(l cluster.FluxList, err *cluster.Trouble) bool { return len(l.Objects) == 1 && err == nil })
	starts(true)
	s.until(t, "the reason and the last list", func(l cluster.FluxList, err *cluster.Trouble) bool {
		return err != nil && l.Installed && len(l.Objects) == 1
	})
	f.set(func() { f.starts = false })
	s.until(t, "the end of Flux", func(l cluster.FluxList, err *cluster.Trouble) bool { return err == nil && !l.Installed })
}

func TestDeniedKind(t *testing.T) {
	t.Parallel()
	f := newFluxAPI(t)
	f.put(ksPath, fakeKs("web", "True", "ReconciliationSucceeded", "applied"))
	f.set(func() {
		f.denied[gitPath] = `gitrepositories.source.toolkit.fluxcd.io is forbidden: User "jane" cannot list resource "gitrepositories" in API group "source.toolkit.fluxcd.io" at the cluster scope`
	})
	s := watchFlux(t, f.open(t, nil))
	list := s.until(t, "the list", func(l cluster.FluxList, _ *cluster.Trouble) bool { return len(l.Objects) == 1 })
	if _, err, _ := s.get(); err != nil || !strings.Contains(list.Denied["GitRepository"], `user "jane" may not list gitrepositories.source.toolkit.fluxcd.io`) {
		t.Errorf("%v %+v: the kinds that may be listed are fine", err, list.Denied)
	}
}

func TestHungKindHoldsUpNothing(t *testing.T) {
	t.Parallel()
	f := newFluxAPI(t)
	f.put(ksPath, fakeKs("web", "True", "ReconciliationSucceeded", "applied"))
	f.set(func() { f.hung[gitPath] = true })
	p := quick
	p.patience = 100 * time.Millisecond
	s := &seen[cluster.FluxList]{}
	c := f.openAt(t, nil, p)
	running(t, func(ctx context.Context) { c.WatchFlux(ctx, s.emit) })
	s.until(t, "the other kind", func(l cluster.FluxList, err *cluster.Trouble) bool {
		return len(l.Objects) == 1 && err != nil && strings.Contains(err.What, "gitrepositories.source.toolkit.fluxcd.io: no answer yet")
	})
	f.put(ksPath, fakeKs("web", "False", "BuildFailed", "no"))
	s.until(t, "its change", func(l cluster.FluxList, _ *cluster.Trouble) bool { return l.Objects[0].State == cluster.FluxFailed })
}

func TestFluxOutage(t *testing.T) {
	t.Parallel()
	f, l := newFluxAPI(t), &link{}
	f.put(ksPath, fakeKs("web", "True", "ReconciliationSucceeded", "applied"))
	l.refuse(true)
	s := watchFlux(t, f.open(t, l.dial))
	s.until(t, "the reason", func(list cluster.FluxList, err *cluster.Trouble) bool {
		return !list.Installed && err != nil && err.Kind == cluster.TroubleRefused
	})
	l.refuse(false)
	s.until(t, "the object", func(list cluster.FluxList, err *cluster.Trouble) bool { return len(list.Objects) == 1 && err == nil })
	l.refuse(true)
	s.until(t, "the reason and the last list", func(list cluster.FluxList, err *cluster.Trouble) bool {
		return len(list.Objects) == 1 && err != nil
	})
	l.refuse(false)
	f.put(ksPath, fakeKs("web", "False", "BuildFailed", "no"))
	s.until(t, "the change", func(list cluster.FluxList, err *cluster.Trouble) bool {
		return err == nil && list.Objects[0].State == cluster.FluxFailed
	})
}

// controller answers each request for a reconciliation as one of Flux does.
func (f *fakeAPI) controller(t *testing.T, path string, answer func(o map[string]any)) {
	t.Helper()
	stop := make(chan struct{})
	done := background(plain, func() {
		for {
			f.mu.Lock()
			kick := f.kick
			var todo []map[string]any
			for _, o := range f.objects[path] {
				object := o.(map[string]any)
				if asked := text(object, "metadata", "annotations", annotationRequested); asked != text(object, "status", "lastHandledReconcileAt") {
					todo = append(todo, object)
				}
			}
			f.mu.Unlock()
			for _, o := range todo {
				asked := text(o, "metadata", "annotations", annotationRequested)
				next := merge(o, map[string]any{"status": map[string]any{"lastHandledReconcileAt": asked}}).(map[string]any)
				answer(next)
				f.put(path, next)
			}
			select {
			case <-stop:
				return
			case <-kick:
			}
		}
	})
	t.Cleanup(func() {
		close(stop)
		<-done
	})
}

func ready(status, reason, message string) func(map[string]any) {
	return func(o map[string]any) {
		fresh := fakeKs("x", status, reason, message)["status"].(map[string]any)["conditions"]
		o["status"] = merge(o["status"], map[string]any{"conditions": fresh})
	}
}

func TestReconcile(t *testing.T) {
	t.Parallel()
	f := newFluxAPI(t)
	f.put(ksPath, fakeKs("web", "True", "ReconciliationSucceeded", "applied"))
	f.put(gitPath, fakeFlux("source.toolkit.fluxcd.io/v1", "GitRepository", "fleet", "True", "Succeeded", "stored"))
	f.controller(t, ksPath, ready("False", "BuildFailed", "no such file"))
	f.controller(t, gitPath, ready("True", "Succeeded", "stored"))
	c := f.open(t, nil)
	web, err := c.fluxByRef(t.Context(), cluster.Ref{Kind: "Kustomization", Namespace: "flux-system", Name: "web"})
	if err != nil {
		t.Fatal(err)
	}
	token, err := c.Reconcile(t.Context(), web, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := time.Parse(time.RFC3339Nano, token); err != nil {
		t.Errorf("token %q: %v", token, err)
	}
	if f.called("PATCH "+gitPath[:len(gitPath)-len("/gitrepositories")], "fieldManager=talos-cockpit") != 1 {
		t.Errorf("the source was not reconciled: %v", f.calls)
	}
	o, err := c.Outcome(t.Context(), web, token)
	checkTrouble(t, err, cluster.TroubleOther, "Kustomization flux-system/web failed (BuildFailed): no such file")
	if o.State != cluster.FluxFailed || o.Handled != token {
		t.Errorf("%+v", o)
	}
}

func TestSuspendAndResume(t *testing.T) {
	t.Parallel()
	f := newFluxAPI(t)
	f.put(ksPath, fakeKs("web", "True", "ReconciliationSucceeded", "applied"))
	c := f.open(t, nil)
	web := cluster.FluxObject{Ref: cluster.Ref{Kind: "Kustomization", Namespace: "flux-system", Name: "web"}, Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Plural: "kustomizations"}
	if err := c.Suspend(t.Context(), web); err != nil {
		t.Fatal(err)
	}
	o, err := c.FluxGet(t.Context(), web)
	if err != nil || !o.Suspended || o.State != cluster.FluxSuspended {
		t.Fatalf("%+v %v", o, err)
	}
	_, err = c.Reconcile(t.Context(), web, false)
	checkTrouble(t, err, cluster.TroubleOther, "Kustomization flux-system/web is suspended: resume it first")
	if f.called("PATCH") != 1 {
		t.Error("a suspended object was asked to reconcile")
	}
	if err := c.Resume(t.Context(), web); err != nil {
		t.Fatal(err)
	}
	if o, err = c.Outcome(t.Context(), web, ""); err != nil || o.Suspended || o.State != cluster.FluxReady {
		t.Errorf("%+v %v", o, err)
	}
}

func TestActionsThatFail(t *testing.T) {
	t.Parallel()
	f := newFluxAPI(t)
	f.put(ksPath, fakeKs("web", "True", "ReconciliationSucceeded", "applied"))
	c := f.open(t, nil)
	web := cluster.FluxObject{Ref: cluster.Ref{Kind: "Kustomization", Namespace: "flux-system", Name: "web"}, Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Plural: "kustomizations"}
	none := web
	none.Name = "none"
	checkTrouble(t, c.Suspend(t.Context(), none), cluster.TroubleNotFound, "suspend Kustomization flux-system/none")
	_, err := c.Reconcile(t.Context(), web, true)
	checkTrouble(t, err, cluster.TroubleNotFound, "read GitRepository flux-system/fleet")

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	token, err := c.Reconcile(t.Context(), web, false)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Outcome(ctx, web, token)
	checkTrouble(t, err, cluster.TroubleTimeout, "its controller has not taken up the request")

	path := "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations/web"
	f.set(func() {
		f.denied[path] = `kustomizations.kustomize.toolkit.fluxcd.io "web" is forbidden: User "jane" cannot patch resource "kustomizations" in API group "kustomize.toolkit.fluxcd.io" in the namespace "flux-system"`
	})
	checkTrouble(t, c.Suspend(t.Context(), web), cluster.TroubleForbidden, `user "jane" may not patch kustomizations.kustomize.toolkit.fluxcd.io in namespace flux-system`)
	_, err = c.Outcome(t.Context(), web, token)
	checkTrouble(t, err, cluster.TroubleForbidden, "may not")
}

func TestAggregatedDiscovery(t *testing.T) {
	t.Parallel()
	body := `{"kind":"APIGroupDiscoveryList","items":[
	 {"metadata":{"name":"apps"},"versions":[{"version":"v1","resources":[{"resource":"deployments","responseKind":{"kind":"Deployment"},"verbs":["list","watch"]}]}]},
	 {"metadata":{"name":"notification.toolkit.fluxcd.io"},"versions":[
	  {"version":"v1","resources":[{"resource":"receivers","responseKind":{"kind":"Receiver"},"verbs":["get","list","watch"]}]},
	  {"version":"v1beta3","resources":[
	   {"resource":"receivers","responseKind":{"kind":"Receiver"},"verbs":["get","list","watch"]},
	   {"resource":"alerts","responseKind":{"kind":"Alert"},"verbs":["get","list","watch"]},
	   {"resource":"odd","responseKind":{"kind":"Odd"},"verbs":["create"]}]}]},
	 {"metadata":{"name":"fluxcd.controlplane.io"},"versions":[{"version":"v1","resources":[{"resource":"fluxinstances","responseKind":{"kind":"FluxInstance"},"verbs":["list","watch"]}]}]}]}`
	kinds, err := (&Client{}).parseGroups(t.Context(), []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, k := range kinds {
		got = append(got, k.Plural+"."+k.Version)
	}
	if s := strings.Join(got, " "); s != "fluxinstances.v1 alerts.v1beta3 receivers.v1" {
		t.Errorf("got %s", s)
	}
}
