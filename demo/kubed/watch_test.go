package kubed

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/tools/cache"

	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

var ksResource = schema.GroupVersionResource{Group: ksGroup, Version: "v1", Resource: "kustomizations"}

func TestTypedInformerInProtobufFollowsAChange(t *testing.T) {
	s := started(t, "still", Options{})
	c := connect(t, s, UserAdmin)
	factory := informers.NewSharedInformerFactory(c.typed, 0)
	lister := factory.Core().V1().Nodes().Lister()
	factory.Core().V1().Pods().Informer()
	stop, cancel := context.WithCancel(context.Background())
	defer factory.Shutdown()
	defer cancel()
	factory.Start(stop.Done())
	for kind, ok := range factory.WaitForCacheSync(stop.Done()) {
		if !ok {
			t.Fatalf("%v did not sync", kind)
		}
	}
	nodes, err := lister.List(labels.Everything())
	if err != nil || len(nodes) != 4 {
		t.Fatalf("%d nodes, %v", len(nodes), err)
	}
	if err := s.SetCordon("talos-test03", true, "somebody"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the cordon with its taint", func() bool {
		n, err := lister.Get("talos-test03")
		return err == nil && n.Spec.Unschedulable && len(n.Spec.Taints) == 1
	})
	n, err := lister.Get("talos-test03")
	if err != nil {
		t.Fatal(err)
	}
	if who := managerOf(n, `"f:unschedulable"`); who != "somebody" {
		t.Errorf("the cordon is %q's", who)
	}
}

// managerOf names who owns a field, by a piece of its FieldsV1 document.
func managerOf(o metav1.Object, piece string) string {
	who := ""
	for _, e := range o.GetManagedFields() {
		if e.FieldsV1 != nil && strings.Contains(e.FieldsV1.String(), piece) {
			who = e.Manager
		}
	}
	return who
}

func TestMetadataAndDynamicInformersSync(t *testing.T) {
	s := started(t, "still", Options{})
	c := connect(t, s, UserAdmin)
	stop, cancel := context.WithCancel(context.Background())
	meta := metadatainformer.NewSharedInformerFactory(c.meta, 0)
	pods := meta.ForResource(corev1.SchemeGroupVersion.WithResource("pods")).Informer()
	flux := meta.ForResource(ksResource).Informer()
	dyn := dynamicinformer.NewDynamicSharedInformerFactory(c.dyn, 0)
	ks := dyn.ForResource(ksResource).Informer()
	defer func() {
		cancel()
		meta.Shutdown()
		dyn.Shutdown()
	}()
	meta.Start(stop.Done())
	dyn.Start(stop.Done())
	if !cache.WaitForCacheSync(stop.Done(), pods.HasSynced, flux.HasSynced, ks.HasSynced) {
		t.Fatal("not synced")
	}
	if n := len(ks.GetStore().ListKeys()); n != len(kustomizationSeeds) || n != len(flux.GetStore().ListKeys()) {
		t.Errorf("%d Kustomizations", n)
	}
	patch := []byte(`{"metadata":{"annotations":{"note":"hello"}}}`)
	if _, err := c.dyn.Resource(ksResource).Namespace(fluxNamespace).Patch(ctx(t), "infra", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the annotation in both", func() bool {
		a, ok1, _ := flux.GetStore().GetByKey("flux-system/infra")
		b, ok2, _ := ks.GetStore().GetByKey("flux-system/infra")
		if !ok1 || !ok2 {
			return false
		}
		m, _ := a.(*metav1.PartialObjectMetadata)
		u, _ := b.(*unstructured.Unstructured)
		return m.Annotations["note"] == "hello" && u.GetAnnotations()["note"] == "hello"
	})
}

func TestPagesShowOneMoment(t *testing.T) {
	s := started(t, "still", Options{})
	c := connect(t, s, UserAdmin)
	seen := map[string]bool{}
	opts := metav1.ListOptions{Limit: 7}
	for {
		list, err := c.typed.CoreV1().Pods("").List(ctx(t), opts)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range list.Items {
			if seen[p.Namespace+"/"+p.Name] {
				t.Errorf("%s twice", p.Name)
			}
			seen[p.Namespace+"/"+p.Name] = true
		}
		if len(seen) == 7 {
			if list.RemainingItemCount == nil || *list.RemainingItemCount < 30 {
				t.Errorf("remaining %v", list.RemainingItemCount)
			}
			addPod(t, c, "aaa")
		}
		if opts.Continue = list.Continue; opts.Continue == "" {
			break
		}
	}
	if seen["default/aaa"] {
		t.Error("a pod that was made while paging is shown")
	}
	all, err := c.typed.CoreV1().Pods("").List(ctx(t), metav1.ListOptions{ResourceVersion: "0"})
	if err != nil || len(all.Items) != len(seen)+1 {
		t.Errorf("%d in pages, %d at once, %v", len(seen), len(all.Items), err)
	}
	_, err = c.typed.CoreV1().Pods("").List(ctx(t), metav1.ListOptions{Limit: 2, Continue: continueToken{Version: 3, Start: "x"}.encode()})
	if !apierrors.IsResourceExpired(err) {
		t.Errorf("an old continue token: %v", err)
	}
}

func addPod(t *testing.T, c clients, name string) *corev1.Pod {
	t.Helper()
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "x", Image: "x:1"}}}}
	out, err := c.typed.CoreV1().Pods("default").Create(ctx(t), p, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestWatchOlderThanTheHistoryIsGone(t *testing.T) {
	s := started(t, "still", Options{History: 8})
	c := connect(t, s, UserAdmin)
	list, err := c.typed.CoreV1().ConfigMaps("default").List(ctx(t), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("m%d", i)}}
		if _, err := c.typed.CoreV1().ConfigMaps("default").Create(ctx(t), cm, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	w, err := c.typed.CoreV1().ConfigMaps("default").Watch(ctx(t), metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	e := <-w.ResultChan()
	if err := apierrors.FromObject(e.Object); e.Type != watch.Error || !apierrors.IsResourceExpired(err) {
		t.Errorf("%s %v", e.Type, e.Object)
	}
}

func TestWatchWithSelectorsAndInitialEvents(t *testing.T) {
	t.Parallel()
	s := started(t, "still", Options{})
	c := connect(t, s, UserAdmin)
	w, err := c.typed.CoreV1().Nodes().Watch(ctx(t), metav1.ListOptions{
		LabelSelector: "mark=yes", AllowWatchBookmarks: true, SendInitialEvents: ptr(true),
		ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan, TimeoutSeconds: ptr(int64(2)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	expect := func(kind watch.EventType) watch.Event {
		t.Helper()
		e, ok := <-w.ResultChan()
		if !ok || e.Type != kind {
			t.Fatalf("%s %T, want %s", e.Type, e.Object, kind)
		}
		return e
	}
	mark := func(value string) {
		t.Helper()
		patch := fmt.Sprintf(`{"metadata":{"labels":{"mark":%s}}}`, value)
		_, err := c.typed.CoreV1().Nodes().Patch(ctx(t), "talos-test01", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
	bookmark, _ := expect(watch.Bookmark).Object.(*corev1.Node)
	if bookmark.Annotations[metav1.InitialEventsAnnotationKey] != "true" {
		t.Errorf("the bookmark does not end the initial events: %v", bookmark.Annotations)
	}
	mark(`"yes"`)
	expect(watch.Added)
	mark(`"no"`)
	expect(watch.Deleted)
	expect(watch.Bookmark) // the one before the time is over
	if e, ok := <-w.ResultChan(); ok {
		t.Errorf("after the end: %v", e.Type)
	}
}

func TestFieldSelectors(t *testing.T) {
	s := started(t, "still", Options{})
	c := connect(t, s, UserAdmin)
	list, err := c.typed.CoreV1().Pods("").List(ctx(t), metav1.ListOptions{
		FieldSelector: "spec.nodeName=talos-test02,status.phase!=Failed,status.phase!=Succeeded",
	})
	if err != nil || len(list.Items) < 5 {
		t.Fatalf("%d pods, %v", len(list.Items), err)
	}
	for _, p := range list.Items {
		if p.Spec.NodeName != "talos-test02" {
			t.Errorf("%s is on %s", p.Name, p.Spec.NodeName)
		}
	}
	_, err = c.typed.CoreV1().Nodes().List(ctx(t), metav1.ListOptions{FieldSelector: "spec.color=red"})
	if !apierrors.IsBadRequest(err) {
		t.Errorf("an unknown field: %v", err)
	}
	events, err := c.typed.EventsV1().Events("").List(ctx(t), metav1.ListOptions{})
	if err != nil || len(events.Items) == 0 || events.Items[0].Regarding.Kind == "" {
		t.Errorf("%d events, %v", len(events.Items), err)
	}
}

func TestPauseAndResumeKeepThePortAndTheObjects(t *testing.T) {
	t.Parallel()
	s := started(t, scene.Default, Options{})
	c := connect(t, s, UserAdmin)
	url := s.URL()
	w, err := c.typed.CoreV1().Nodes().Watch(ctx(t), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s.Pause()
	for range w.ResultChan() { // it ends
	}
	short, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if _, err := c.typed.CoreV1().Nodes().List(short, metav1.ListOptions{}); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while it is away: %v", err)
	}
	if err := s.Resume(); err != nil {
		t.Fatal(err)
	}
	if s.URL() != url {
		t.Errorf("%s became %s", url, s.URL())
	}
	eventually(t, "an answer after the return", func() bool {
		list, err := c.typed.CoreV1().Nodes().List(ctx(t), metav1.ListOptions{})
		return err == nil && len(list.Items) == 4
	})
}
