package kube

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"testing"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/json"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
)

// bigPod is a pod as large as real ones are.
func bigPod(i int) corev1.Pod {
	yes := true
	p := corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("deployment-%d-7c9f8d6b5-%05d", i%300, i), Namespace: fmt.Sprintf("namespace-%d", i%40),
			UID:             types.UID(fmt.Sprintf("22966971-0345-4172-82f6-%012d", i)),
			OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "r", Controller: &yes}},
			ManagedFields:   []metav1.ManagedFieldsEntry{{Manager: "kubelet", FieldsV1: metav1.NewFieldsV1(string(make([]byte, 2000)))}},
		},
		Spec:   corev1.PodSpec{NodeName: fmt.Sprintf("node-%03d", i%500)},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
	}
	for j := range 10 {
		p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: fmt.Sprint(j), Image: fmt.Sprintf("registry/image-%d-%d", i, j)})
	}
	return p
}

func TestTenThousandPodsAreSmall(t *testing.T) {
	const count = 10000
	table := newTable(samePod)
	pages := 0
	f := &follower[Pod]{
		to: table, row: podRow, back: &broadcast{},
		list: func(_ context.Context, opts metav1.ListOptions) (apiruntime.Object, error) {
			pages++
			from := 0
			if opts.Continue != "" {
				_, _ = fmt.Sscan(opts.Continue, &from)
			}
			list := &corev1.PodList{ListMeta: metav1.ListMeta{ResourceVersion: "1"}}
			for i := range int(opts.Limit) {
				list.Items = append(list.Items, bigPod(from+i))
			}
			if next := from + int(opts.Limit); next < count {
				list.Continue = fmt.Sprint(next)
			}
			return list, nil
		},
	}
	before := heap()
	if err := f.sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	cost := heap() - before
	counts, _ := countPods(table)
	if len(counts) != 500 || counts["node-000"].Total != 20 || pages != 20 {
		t.Errorf("%d nodes, %+v, %d pages", len(counts), counts["node-000"], pages)
	}
	if cost > 6<<20 {
		t.Errorf("%d pods cost %d KiB", count, cost>>10)
	}
	t.Logf("%d pods cost %d KiB", count, cost>>10)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// FuzzFluxObject feeds objects that any cluster could hold: nothing that is shown of
// them may carry a control sequence, and nothing may panic.
func FuzzFluxObject(f *testing.F) {
	f.Add([]byte(`{"kind":"Kustomization","metadata":{"name":"a\u001b[31m","generation":2},"spec":{"interval":"1h","suspend":true,"dependsOn":[{"name":"\u202e"}]},"status":{"conditions":[{"type":"Ready","status":"False","message":"x\u0007"}],"inventory":{"entries":[1]}}}`))
	f.Add([]byte(`{"metadata":{"name":7,"annotations":[]},"spec":[],"status":{"conditions":{"a":1},"history":[{"status":"deployed","chartVersion":"\u009b"}]}}`))
	f.Add([]byte(`{"spec":{"chart":{"spec":{"sourceRef":{"kind":"\u001bc"}}}},"status":{"observedGeneration":"x"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var m map[string]any
		if err := json.Unmarshal(data, &m); err != nil || m == nil {
			return
		}
		for _, kind := range []string{"Kustomization", "HelmRelease", "ImagePolicy", "HelmRepository"} {
			o := FluxObject(&unstructured.Unstructured{Object: m}, cluster.FluxKind{Group: "x.toolkit.fluxcd.io", Version: "v1", Kind: kind, Plural: "xs"})
			clean(t, reflect.ValueOf(o))
		}
	})
}

// clean fails if a text inside v could harm a terminal.
func clean(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		if s := v.String(); s != feed.Clean(s) || !utf8.ValidString(s) {
			t.Errorf("not clean: %q", s)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				clean(t, v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			clean(t, v.Index(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			clean(t, v.Elem())
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			clean(t, key)
			clean(t, v.MapIndex(key))
		}
	default:
	}
}
