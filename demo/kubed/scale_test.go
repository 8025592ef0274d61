package kubed

import (
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

func TestEverySceneSettles(t *testing.T) {
	for _, name := range scene.Names() {
		sc, err := scene.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		s := New(sc, Options{})
		s.store.read(func(x tx) {
			for _, o := range x.list(pods) {
				if podReason(asPod(o)) == "Pending" {
					t.Errorf("%s: %s/%s is pending", name, o.GetNamespace(), o.GetName())
				}
			}
			for _, o := range x.list(deployments) {
				if d, ok := o.(*appsv1.Deployment); ok && d.Status.ReadyReplicas != wanted(d) && name != "dead-node" {
					t.Errorf("%s: %s has %d of %d", name, d.Name, d.Status.ReadyReplicas, wanted(d))
				}
			}
		})
	}
}

func TestARolloutReplacesThePodsAndAScaleChangesTheirNumber(t *testing.T) {
	t.Parallel()
	s := started(t, "still", Options{})
	c := connect(t, s, UserAdmin)
	web := func() *appsv1.Deployment {
		d, err := c.typed.AppsV1().Deployments("network").Get(ctx(t), "web", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	before := nodeOfApp(t, c, "network", "web")
	patch := []byte(`{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"2026-11-23T05:00:00Z"}}}}}`)
	if _, err := c.typed.AppsV1().Deployments("network").Patch(ctx(t), "web", types.StrategicMergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the rollout", func() bool {
		d := web()
		return d.Status.ObservedGeneration == d.Generation && d.Status.UpdatedReplicas == 2 && d.Status.ReadyReplicas == 2 && d.Status.Replicas == 2
	})
	eventually(t, "the old pods to be gone", func() bool {
		for _, name := range before {
			if _, err := c.typed.CoreV1().Pods("network").Get(ctx(t), name, metav1.GetOptions{}); err == nil {
				return false
			}
		}
		return true
	})
	scale, err := c.typed.AppsV1().Deployments("network").GetScale(ctx(t), "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	scale.Spec.Replicas = 1
	if _, err := c.typed.AppsV1().Deployments("network").UpdateScale(ctx(t), "web", scale, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "one pod", func() bool { return web().Status.Replicas == 1 && web().Status.ReadyReplicas == 1 })
}

func TestANodeOutOfServiceLosesItsPodsAndVolumes(t *testing.T) {
	t.Parallel()
	s := started(t, "dead-node", Options{})
	c := connect(t, s, UserAdmin)
	const name = "talos-test04"
	patch := []byte(`{"spec":{"taints":[{"key":"node.kubernetes.io/out-of-service","value":"nodeshutdown","effect":"NoExecute"}]}}`)
	if _, err := c.typed.CoreV1().Nodes().Patch(ctx(t), name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "only what tolerates that to stay", func() bool {
		list, err := c.typed.CoreV1().Pods("").List(ctx(t), metav1.ListOptions{FieldSelector: "spec.nodeName=" + name})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range list.Items {
			if !staysForever(&p) && p.Status.Phase != corev1.PodSucceeded {
				return false
			}
		}
		attached, err := c.typed.StorageV1().VolumeAttachments().List(ctx(t), metav1.ListOptions{})
		for _, a := range attached.Items {
			if a.Spec.NodeName == name {
				return false
			}
		}
		return err == nil && len(list.Items) > 0
	})
}

// BenchmarkListPods measures a list of ten thousand pods, and a page of it, in both encodings.
func BenchmarkListPods(b *testing.B) {
	sc, err := scene.Get("still")
	if err != nil {
		b.Fatal(err)
	}
	s := New(sc, Options{})
	s.sim.change(func(x tx) {
		template := x.list(pods)[0]
		for i := range 10_000 {
			p := clone(asPod(template))
			p.Name, p.UID = fmt.Sprintf("pod-%05d", i), ""
			p.CreationTimestamp = metav1.NewTime(time.Unix(0, 0))
			x.put(pods, p)
		}
	})
	for name, query := range map[string]string{"all": "", "page": "?limit=500"} {
		for _, accept := range []string{mimeJSON, mimeProto} {
			b.Run(name+"/"+accept, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if code := get(b, s, "/api/v1/pods"+query, accept); code != 200 {
						b.Fatal(code)
					}
				}
			})
		}
	}
}

// BenchmarkNew measures how long the reference cluster takes to be built.
func BenchmarkNew(b *testing.B) {
	sc, err := scene.Get(scene.Default)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		New(sc, Options{})
	}
}
