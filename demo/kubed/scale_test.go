package kubed

import (
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
