package kubed

import (
	"fmt"
	"testing"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	imagev1 "github.com/fluxcd/image-automation-controller/api/v1"
	reflectorv1 "github.com/fluxcd/image-reflector-controller/api/v1"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	notificationv1 "github.com/fluxcd/notification-controller/api/v1"
	notificationv1beta3 "github.com/fluxcd/notification-controller/api/v1beta3"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

// fluxTypes are the types of the Flux APIs themselves.
var fluxTypes = map[*resource]func() runtime.Object{
	kustomizations: func() runtime.Object { return &kustomizev1.Kustomization{} }, helmReleases: func() runtime.Object { return &helmv2.HelmRelease{} },
	gitRepositories: func() runtime.Object { return &sourcev1.GitRepository{} }, helmRepositories: func() runtime.Object { return &sourcev1.HelmRepository{} },
	helmCharts: func() runtime.Object { return &sourcev1.HelmChart{} }, ociRepositories: func() runtime.Object { return &sourcev1.OCIRepository{} },
	alerts: func() runtime.Object { return &notificationv1beta3.Alert{} }, providers: func() runtime.Object { return &notificationv1beta3.Provider{} },
	receivers: func() runtime.Object { return &notificationv1.Receiver{} }, imageRepos: func() runtime.Object { return &reflectorv1.ImageRepository{} },
	imagePolicies: func() runtime.Object { return &reflectorv1.ImagePolicy{} }, imageUpdates: func() runtime.Object { return &imagev1.ImageUpdateAutomation{} },
}

func TestFluxObjectsHaveTheSchemaOfTheirAPIs(t *testing.T) {
	t.Parallel()
	for _, name := range []string{scene.Default, "failing-kustomization"} {
		s := started(t, name, Options{})
		c := connect(t, s, UserAdmin)
		for res, newType := range fluxTypes {
			list, err := c.dyn.Resource(res.GroupVersionResource).List(ctx(t), metav1.ListOptions{})
			if err != nil || len(list.Items) == 0 {
				t.Errorf("%d %s, %v", len(list.Items), res.Resource, err)
				continue
			}
			for _, u := range list.Items {
				if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(u.Object, newType(), true); err != nil {
					t.Errorf("%s %s: %v", res.Kind, u.GetName(), err)
				}
			}
		}
	}
}

func (c clients) ks(t *testing.T, name string) *unstructured.Unstructured {
	t.Helper()
	u, err := c.dyn.Resource(ksResource).Namespace(fluxNamespace).Get(ctx(t), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (c clients) patchFlux(t *testing.T, res *resource, ns, name, patch string) {
	t.Helper()
	_, err := c.dyn.Resource(res.GroupVersionResource).Namespace(ns).Patch(ctx(t), name, types.MergePatchType, []byte(patch),
		metav1.PatchOptions{FieldManager: "flux"})
	if err != nil {
		t.Fatal(err)
	}
}

func requestPatch(at string) string {
	return fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, requestedAt, at)
}

func TestReconcileIsProgressingThenReady(t *testing.T) {
	s := started(t, "still", Options{})
	c := connect(t, s, UserAdmin)
	const at = "2026-11-23T05:00:00.1Z"
	before := c.ks(t, "media")
	w, err := c.dyn.Resource(ksResource).Namespace(fluxNamespace).Watch(ctx(t), metav1.ListOptions{
		FieldSelector: "metadata.name=media", ResourceVersion: before.GetResourceVersion(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	c.patchFlux(t, kustomizations, fluxNamespace, "media", requestPatch(at))
	progressing := false
	for e := range w.ResultChan() {
		u, ok := e.Object.(*unstructured.Unstructured)
		if !ok {
			t.Fatalf("%s %T", e.Type, e.Object)
		}
		progressing = progressing || (isTrue(u, "Reconciling") && readyCondition(u)["status"] == "Unknown")
		if str(u, "status", "lastHandledReconcileAt") == at {
			break
		}
	}
	if !progressing {
		t.Error("it was never Reconciling")
	}
	eventually(t, "Ready again", func() bool {
		u := c.ks(t, "media")
		return isTrue(u, "Ready") && str(u, "status", "lastHandledReconcileAt") == at
	})
	after := c.ks(t, "media")
	if conditionOf(after, "Reconciling") != nil {
		t.Error("still Reconciling")
	}
	old, now := entriesOf(before.Object, "status", "history"), entriesOf(after.Object, "status", "history")
	if now[0]["totalReconciliations"] != old[0]["totalReconciliations"].(int64)+1 {
		t.Errorf("the history begins with %v", now[0])
	}
}

func TestSuspendedIsHandledWithoutReconciling(t *testing.T) {
	s := started(t, "still", Options{})
	c := connect(t, s, UserAdmin)
	const at = "2026-11-23T05:00:00.2Z"
	c.patchFlux(t, kustomizations, fluxNamespace, "media", `{"spec":{"suspend":true}}`)
	before := c.ks(t, "media")
	if who := managerOf(before, `"f:suspend"`); who != "flux" {
		t.Errorf("suspended by %q", who)
	}
	c.patchFlux(t, kustomizations, fluxNamespace, "media", requestPatch(at))
	eventually(t, "the request to be noted", func() bool { return str(c.ks(t, "media"), "status", "lastHandledReconcileAt") == at })
	after := c.ks(t, "media")
	if fmt.Sprint(entriesOf(before.Object, "status", "history")) != fmt.Sprint(entriesOf(after.Object, "status", "history")) {
		t.Error("it was reconciled")
	}
	c.patchFlux(t, kustomizations, fluxNamespace, "media", `{"spec":{"suspend":false}}`)
	eventually(t, "it to reconcile after it is resumed", func() bool {
		u := c.ks(t, "media")
		return isTrue(u, "Ready") && integer(u, "status", "observedGeneration") == u.GetGeneration() &&
			fmt.Sprint(entriesOf(after.Object, "status", "history")) != fmt.Sprint(entriesOf(u.Object, "status", "history"))
	})
	if who := managerOf(c.ks(t, "tuning"), `"f:suspend"`); who != "flux" {
		t.Errorf("the one that is suspended from the start was suspended by %q", who)
	}
}

func TestAFailingKustomizationStaysFailedAndHoldsItsDependents(t *testing.T) {
	s := started(t, "failing-kustomization", Options{})
	c := connect(t, s, UserAdmin)
	check := func() {
		t.Helper()
		web := c.ks(t, "web")
		if ready := readyCondition(web); ready["reason"] != "BuildFailed" || !isTrue(web, "Healthy") {
			t.Errorf("web is %v", ready)
		}
		if str(web, "status", "lastAppliedRevision") == str(web, "status", "lastAttemptedRevision") {
			t.Error("the applied and the attempted revision are the same")
		}
	}
	check()
	if ready := readyCondition(c.ks(t, "web-auth")); ready["reason"] != "DependencyNotReady" || ready["message"] != "dependency 'flux-system/web' is not ready" {
		t.Errorf("web-auth is %v", ready)
	}
	const at = "2026-11-23T05:00:00.3Z"
	c.patchFlux(t, kustomizations, fluxNamespace, "web", requestPatch(at))
	eventually(t, "the request to be handled", func() bool { return str(c.ks(t, "web"), "status", "lastHandledReconcileAt") == at })
	check()
}

func TestAStalledHelmReleaseNeedsAResetOrForce(t *testing.T) {
	t.Parallel()
	s := started(t, "still", Options{TimeScale: 40})
	c := connect(t, s, UserAdmin)
	get := func() *unstructured.Unstructured {
		u, err := c.dyn.Resource(helmReleases.GroupVersionResource).Namespace("monitoring").Get(ctx(t), "grafana", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	s.sim.soon("test", func() { s.sim.releaseFails("monitoring", "grafana") })
	eventually(t, "the upgrade to fail", func() bool { return readyCondition(get())["reason"] == "UpgradeFailed" && isTrue(get(), "Stalled") })
	s.sim.soon("test", func() { delete(s.sim.helmFails, "monitoring/grafana") })
	const at = "2026-11-23T05:00:00.4Z"
	c.patchFlux(t, helmReleases, "monitoring", "grafana", fmt.Sprintf(`{"metadata":{"annotations":{%q:%q,%q:%q}}}`, requestedAt, at, resetAt, at))
	eventually(t, "the reset to be handled", func() bool {
		u := get()
		return isTrue(u, "Ready") && str(u, "status", "lastHandledResetAt") == at && conditionOf(u, "Stalled") == nil
	})
}

func TestCommitsReachTheKustomizations(t *testing.T) {
	t.Parallel()
	s := started(t, scene.Default, Options{TimeScale: 300})
	c := connect(t, s, UserAdmin)
	first := str(c.ks(t, "media"), "status", "lastAppliedRevision")
	eventually(t, "another revision to be applied", func() bool {
		u := c.ks(t, "media")
		return isTrue(u, "Ready") && str(u, "status", "lastAppliedRevision") != first
	})
}

func TestNothingMovesInTheStillScene(t *testing.T) {
	t.Parallel()
	s := started(t, "still", Options{TimeScale: 1000})
	settled := s.store.version()
	eventually(t, "the seed to be reviewed", func() bool {
		now := s.store.version()
		same := now == settled
		settled = now
		return same
	})
	timer := time.NewTimer(1500 * time.Millisecond) // 25 minutes of the cluster's time
	defer timer.Stop()
	<-timer.C
	if now := s.store.version(); now != settled {
		t.Errorf("%d changes", now-settled)
	}
}
