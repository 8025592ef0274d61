package kubed

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	coordinationapply "k8s.io/client-go/applyconfigurations/coordination/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

func TestTheViewerMayLookAndNotTouch(t *testing.T) {
	s := started(t, "still", Options{})
	c := connect(t, s, UserView)
	if _, err := c.typed.CoreV1().Nodes().List(ctx(t), metav1.ListOptions{}); err != nil {
		t.Error(err)
	}
	patch := []byte(`{"spec":{"unschedulable":true}}`)
	_, err := c.typed.CoreV1().Nodes().Patch(ctx(t), "talos-test01", types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	want := `nodes "talos-test01" is forbidden: User "view" cannot patch resource "nodes" in API group "" at the cluster scope`
	if !apierrors.IsForbidden(err) || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
	_, err = c.dyn.Resource(ksResource).Namespace(fluxNamespace).Patch(ctx(t), "infra", types.MergePatchType, []byte(`{}`), metav1.PatchOptions{})
	want = `kustomizations.kustomize.toolkit.fluxcd.io "infra" is forbidden: User "view" cannot patch resource "kustomizations" ` +
		`in API group "kustomize.toolkit.fluxcd.io" in the namespace "flux-system"`
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
	for verb, want := range map[string]bool{"list": true, "patch": false} {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Resource: "nodes"},
		}}
		out, err := c.typed.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx(t), review, metav1.CreateOptions{})
		if err != nil || out.Status.Allowed != want {
			t.Errorf("%s: %v %v", verb, out.Status.Allowed, err)
		}
	}
}

func TestWithoutACertificateOnlyHealthIsAnswered(t *testing.T) {
	s := started(t, "still", Options{})
	cfg := rest.AnonymousClientConfig(config(t, s, UserAdmin))
	client, err := rest.HTTPClientFor(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{"/readyz": 200, "/version": 200, "/api/v1/nodes": 401} {
		req, err := http.NewRequestWithContext(ctx(t), http.MethodGet, s.URL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
	client.CloseIdleConnections()
}

func TestConflictsNotFoundAndPreconditions(t *testing.T) {
	s := started(t, "still", Options{})
	c := connect(t, s, UserAdmin)
	nodes := c.typed.CoreV1().Nodes()
	n, err := nodes.Get(ctx(t), "talos-test01", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetCordon(n.Name, true, "other"); err != nil {
		t.Fatal(err)
	}
	n.Labels["x"] = "y"
	_, err = nodes.Update(ctx(t), n, metav1.UpdateOptions{})
	want := `Operation cannot be fulfilled on nodes "talos-test01": the object has been modified; please apply your changes to the latest version and try again`
	if !apierrors.IsConflict(err) || err.Error() != want {
		t.Errorf("%v", err)
	}
	_, err = c.typed.CoreV1().Pods("media").Get(ctx(t), "x", metav1.GetOptions{})
	if !apierrors.IsNotFound(err) || err.Error() != `pods "x" not found` {
		t.Errorf("%v", err)
	}
	wrong := types.UID("0")
	err = nodes.Delete(ctx(t), n.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &wrong}})
	if !apierrors.IsConflict(err) || !strings.Contains(err.Error(), "Precondition failed: UID in precondition: 0, UID in object meta: "+string(n.UID)) {
		t.Errorf("%v", err)
	}
	if _, err := c.typed.CoreV1().ConfigMaps("nowhere").Create(ctx(t), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "x"}}, metav1.CreateOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("%v", err)
	}
	pod := addPod(t, c, "twice")
	if _, err := c.typed.CoreV1().Pods("default").Create(ctx(t), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: pod.Name}}, metav1.CreateOptions{}); !apierrors.IsAlreadyExists(err) {
		t.Errorf("%v", err)
	}
}

func TestServerSideApplyOfALeaseAndItsConflict(t *testing.T) {
	s := started(t, "still", Options{})
	c := connect(t, s, UserAdmin)
	leases := c.typed.CoordinationV1().Leases("kube-system")
	lease := func(holder string) *coordinationapply.LeaseApplyConfiguration {
		return coordinationapply.Lease("maintenance", "kube-system").WithSpec(
			coordinationapply.LeaseSpec().WithHolderIdentity(holder).WithLeaseDurationSeconds(60))
	}
	if _, err := leases.Apply(ctx(t), lease("one"), metav1.ApplyOptions{FieldManager: "one"}); err != nil {
		t.Fatal(err)
	}
	_, err := leases.Apply(ctx(t), lease("two"), metav1.ApplyOptions{FieldManager: "two"})
	if !apierrors.IsConflict(err) || !strings.Contains(err.Error(), `conflict with "one"`) {
		t.Errorf("%v", err)
	}
	got, err := leases.Apply(ctx(t), lease("two"), metav1.ApplyOptions{FieldManager: "two", Force: true})
	if err != nil || *got.Spec.HolderIdentity != "two" {
		t.Errorf("%v %v", got, err)
	}
	renewed := got.DeepCopy()
	renewed.Spec.RenewTime = &metav1.MicroTime{Time: time.Now()}
	var after *coordinationv1.Lease
	if after, err = leases.Update(ctx(t), renewed, metav1.UpdateOptions{}); err != nil || after.Spec.RenewTime == nil {
		t.Errorf("%v", err)
	}
}

func TestFinalizersHoldAndGeneratedNames(t *testing.T) {
	s := started(t, "still", Options{})
	c := connect(t, s, UserAdmin)
	maps := c.typed.CoreV1().ConfigMaps("default")
	cm, err := maps.Create(ctx(t), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "held-", Finalizers: []string{"a/b"}}}, metav1.CreateOptions{})
	if err != nil || len(cm.Name) != len("held-")+5 {
		t.Fatalf("%v %v", cm, err)
	}
	if err := maps.Delete(ctx(t), cm.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	held, err := maps.Get(ctx(t), cm.Name, metav1.GetOptions{})
	if err != nil || held.DeletionTimestamp == nil {
		t.Fatalf("%v %v", held, err)
	}
	if _, err := maps.Patch(ctx(t), cm.Name, types.JSONPatchType, []byte(`[{"op":"remove","path":"/metadata/finalizers"}]`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := maps.Get(ctx(t), cm.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("%v", err)
	}
}

func TestDiscoveryOldAndNew(t *testing.T) {
	s := started(t, "still", Options{})
	cfg := config(t, s, UserView)
	for _, legacy := range []bool{false, true} {
		d, err := discovery.NewDiscoveryClientForConfig(cfg)
		if err != nil {
			t.Fatal(err)
		}
		d.UseLegacyDiscovery = legacy
		_, lists, err := d.ServerGroupsAndResources()
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for _, l := range lists {
			for _, r := range l.APIResources {
				found[l.GroupVersion+" "+r.Name+" "+r.Kind] = true
			}
		}
		for _, want := range []string{
			"v1 pods Pod", "v1 pods/eviction Eviction", "v1 pods/log Pod", "apps/v1 deployments/scale Scale", "metrics.k8s.io/v1beta1 nodes NodeMetrics",
			"kustomize.toolkit.fluxcd.io/v1 kustomizations Kustomization", "helm.toolkit.fluxcd.io/v2 helmreleases/status HelmRelease",
		} {
			if !found[want] {
				t.Errorf("legacy %v: no %s", legacy, want)
			}
		}
	}
	v, err := discovery.NewDiscoveryClientForConfigOrDie(cfg).ServerVersion()
	if err != nil || v.GitVersion != s.scene.Kubernetes {
		t.Errorf("%v %v", v, err)
	}
}

func TestLogsTailFollowAndEnd(t *testing.T) {
	t.Parallel()
	s := started(t, scene.Default, Options{})
	c := connect(t, s, UserAdmin)
	pods := c.typed.CoreV1().Pods("kube-system")
	var name string
	for _, name = range nodeOfApp(t, c, "kube-system", "coredns") {
		break
	}
	read := func(opts *corev1.PodLogOptions) string {
		t.Helper()
		raw, err := pods.GetLogs(name, opts).DoRaw(ctx(t))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	twelve := read(&corev1.PodLogOptions{TailLines: ptr(int64(12)), Timestamps: true})
	if n := strings.Count(twelve, "\n"); n != 12 {
		t.Errorf("%d lines", n)
	}
	last := ""
	for line := range strings.Lines(twelve) {
		stamp, _, _ := strings.Cut(line, " ")
		if _, err := time.Parse(time.RFC3339Nano, stamp); err != nil || stamp < last {
			t.Errorf("%q after %q: %v", stamp, last, err)
		}
		last = stamp
	}
	if again := read(&corev1.PodLogOptions{SinceTime: ptr(mustTime(t, twelve)), Timestamps: true}); !strings.HasPrefix(again, twelve) {
		t.Errorf("the same moment reads differently:\n%s\n%s", twelve, again)
	}
	pod, err := pods.Get(ctx(t), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = pods.GetLogs(name, &corev1.PodLogOptions{Previous: true}).DoRaw(ctx(t))
	if restarted := pod.Status.ContainerStatuses[0].RestartCount > 0; restarted != (err == nil) || (err != nil && !apierrors.IsBadRequest(err)) {
		t.Errorf("the previous container: %v, restarted: %v", err, restarted)
	}
	stream, err := pods.GetLogs(name, &corev1.PodLogOptions{Follow: true, TailLines: ptr(int64(0))}).Stream(ctx(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	r := bufio.NewReader(stream)
	if _, err := r.ReadString('\n'); err != nil {
		t.Error(err)
	}
	if err := pods.Delete(ctx(t), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		t.Errorf("the stream of a pod that is gone ended with %v", err)
	}
}

func mustTime(t *testing.T, lines string) metav1.Time {
	t.Helper()
	stamp, _, _ := strings.Cut(lines, " ")
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		t.Fatal(err)
	}
	return metav1.NewTime(at)
}

func TestMetricsComeFromTheInjectedSource(t *testing.T) {
	s := started(t, "still", Options{NodeUsage: func(node string) (int64, int64, bool) { return 1234, 5 << 30, node == "talos-test02" }})
	c := connect(t, s, UserAdmin)
	list, err := c.dyn.Resource(nodeMetrics.GroupVersionResource).List(ctx(t), metav1.ListOptions{})
	if err != nil || len(list.Items) != 4 {
		t.Fatalf("%d, %v", len(list.Items), err)
	}
	for _, u := range list.Items {
		injected := str(&u, "usage", "cpu") == "1234000000n" && str(&u, "usage", "memory") == "5242880Ki"
		if injected != (u.GetName() == "talos-test02") {
			t.Errorf("%s uses %v", u.GetName(), u.Object["usage"])
		}
	}
	podList, err := c.dyn.Resource(podMetrics.GroupVersionResource).Namespace("media").List(ctx(t), metav1.ListOptions{})
	if err != nil || len(podList.Items) < 6 {
		t.Errorf("%d, %v", len(podList.Items), err)
	}
}

func TestCallsAreRecordedUpToTheLimit(t *testing.T) {
	s := started(t, "still", Options{})
	c := connect(t, s, UserAdmin)
	s.RecordCalls(2)
	for range 3 {
		if _, err := c.typed.CoreV1().Nodes().List(ctx(t), metav1.ListOptions{Limit: 1}); err != nil {
			t.Fatal(err)
		}
	}
	calls := s.Calls()
	if len(calls) != 2 || calls[1].Verb != "list" || calls[1].User != UserAdmin || calls[1].Path != "/api/v1/nodes?limit=1" {
		t.Errorf("%+v", calls)
	}
}

func TestTheSameSeedGivesTheSameCluster(t *testing.T) {
	sc, err := scene.Get("still")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)
	opts := Options{Now: func() time.Time { return at }}
	a, b := New(sc, opts), New(sc, opts)
	for _, res := range registry {
		if res.View || res.ReadOnly {
			continue
		}
		var x, y []object
		a.store.read(func(t tx) { x = t.list(res) })
		b.store.read(func(t tx) { y = t.list(res) })
		for i := range x {
			u, err1 := asUnstructured(res, x[i])
			v, err2 := asUnstructured(res, y[i])
			if err1 != nil || err2 != nil || !sameObject(strip(u), strip(v)) {
				t.Errorf("%s %s differs: %v %v", res.Kind, x[i].GetName(), err1, err2)
			}
		}
	}
}

func strip(u *unstructured.Unstructured) *unstructured.Unstructured {
	u.SetManagedFields(nil)
	return u
}

func TestStopLeavesNothingBehind(t *testing.T) {
	s := started(t, scene.Default, Options{})
	c := connect(t, s, UserAdmin)
	w, err := c.typed.CoreV1().Pods("").Watch(context.Background(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s.Stop()
	for range w.ResultChan() { // it ends
	}
	if err := s.Start(context.Background()); err == nil {
		t.Error("it starts twice")
	}
	if err := s.Resume(); err == nil {
		t.Error("it resumes after it has been stopped")
	}
	s.Stop()
}
