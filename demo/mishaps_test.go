package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/talos-cockpit/talos-cockpit/demo/kubed"
	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

// misfortunes are the mishaps of so much time, each with its moment.
func misfortunes(t *testing.T, s scene.Scene, lasts time.Duration) (said []string, kinds []kind) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), lasts)
		defer cancel()
		began := time.Now()
		play(ctx, newFate(s), time.Now, func(m mishap) {
			said = append(said, fmt.Sprintf("%s: %s", time.Since(began), m))
			kinds = append(kinds, m.kind)
			if time.Since(began) < firstMishap {
				t.Errorf("%s came too soon", m)
			}
		})
	})
	return said, kinds
}

func TestTheSameSeedGivesTheSameMishaps(t *testing.T) {
	for _, name := range []string{"turingpi", "six", "single"} {
		s, err := scene.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		one, kinds := misfortunes(t, s, 2*time.Hour)
		two, _ := misfortunes(t, s, 2*time.Hour)
		if !slices.Equal(one, two) {
			t.Errorf("%s: two runs gave\n%s\nand\n%s", name, strings.Join(one, "\n"), strings.Join(two, "\n"))
		}
		if len(one) < 20 || len(one) > 60 {
			t.Errorf("%s: %d mishaps in two hours", name, len(one))
		}
		first := slices.Index(kinds, workerReboots)
		if has := first >= 0; has != (name != "single") || has && first < 2 {
			t.Errorf("%s: the first reboot is number %d", name, first)
		}
		s.Seed++
		if other, _ := misfortunes(t, s, 2*time.Hour); slices.Equal(one, other) {
			t.Errorf("%s: another seed gave the same mishaps", name)
		}
	}
}

func TestMishapsHappen(t *testing.T) {
	t.Parallel()
	c := run(t, "turingpi", Options{TimeScale: 20})
	k := kubeClient(t, c)
	eventually(t, "all is well at first", func() string {
		if c.calm() {
			return ""
		}
		return "not calm"
	})
	c.befall(mishap{kind: podCrashes, app: apps[0]})
	eventually(t, "a pod crash loops", func() string {
		pods, err := k.CoreV1().Pods(apps[0].namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=" + apps[0].name})
		if err != nil {
			return err.Error()
		}
		for _, p := range pods.Items {
			for _, st := range p.Status.ContainerStatuses {
				if st.State.Waiting != nil && st.State.Waiting.Reason == "CrashLoopBackOff" {
					return ""
				}
			}
		}
		return "none"
	})
	c.befall(mishap{kind: releaseFails, app: apps[1]})
	eventually(t, "a release fails", func() string {
		for _, o := range objects(t, c, "helm.toolkit.fluxcd.io", "v2", "helmreleases") {
			if strings.Contains(o, `"`+apps[1].name+`"`) && strings.Contains(o, "UpgradeFailed") {
				return ""
			}
		}
		return "none"
	})
	boot := c.Talos.Node("talos-test04").BootID()
	c.befall(mishap{kind: workerReboots, node: "talos-test04"})
	eventually(t, "a worker has rebooted", func() string {
		if id := c.Talos.Node("talos-test04").BootID(); id != boot {
			return ""
		}
		return "same boot"
	})
	eventually(t, "all is well again", func() string {
		if c.calm() {
			return ""
		}
		return "not calm"
	})
	for _, what := range []kind{kubeletCrashes, kubeletChokes} {
		c.befall(mishap{kind: what, node: "talos-test03", lasts: time.Second})
		if c.Talos.Node("talos-test03").CrashKubelet() {
			t.Errorf("%s: the kubelet was well after it", what)
		}
		eventually(t, "the kubelet recovers", func() string {
			if c.Talos.Node("talos-test03").KubeletHealthy() {
				return ""
			}
			return "unhealthy"
		})
		if got := ready(node(t, k, "talos-test03")); got.Status != "True" {
			t.Errorf("%s: Kubernetes has noticed: %v", what, got)
		}
	}
}

func TestNoRebootWhileSomethingIsOutOfOrder(t *testing.T) {
	c := run(t, "turingpi", Options{})
	if err := c.Kube.SetCordon("talos-test03", true, "test"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the cordon is known", func() string {
		if c.calm() {
			return "calm"
		}
		return ""
	})
	c.befall(mishap{kind: workerReboots, node: "talos-test04"})
	if c.Talos.Node("talos-test04").Reboot() == "" {
		t.Error("a worker rebooted while another node was cordoned")
	}
}

// objects lists a resource as text, without the versions that depend on the order of writes.
func objects(t *testing.T, c *Cluster, group, version, resource string) []string {
	t.Helper()
	raw, err := c.Kube.Kubeconfig(kubed.UserAdmin)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := clientcmd.RESTConfigFromKubeConfig(raw)
	if err != nil {
		t.Fatal(err)
	}
	dyn, err := dynamic.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	list, err := dyn.Resource(schema.GroupVersionResource{Group: group, Version: version, Resource: resource}).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, o := range list.Items {
		o.SetResourceVersion("")
		text, err := o.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(text))
	}
	return out
}

func TestTheSameSeedGivesTheSameObjects(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	all := func() (out []string) {
		c := run(t, "still", Options{Now: func() time.Time { return at }})
		for _, r := range [][3]string{
			{"", "v1", "nodes"},
			{"", "v1", "pods"},
			{"apps", "v1", "deployments"},
			{"policy", "v1", "poddisruptionbudgets"},
			{"kustomize.toolkit.fluxcd.io", "v1", "kustomizations"},
			{"helm.toolkit.fluxcd.io", "v2", "helmreleases"},
		} {
			out = append(out, objects(t, c, r[0], r[1], r[2])...)
		}
		for _, n := range c.Scene.Nodes {
			m := c.Talos.Node(n.Name)
			out = append(out, m.BootID()+m.UUID()+m.MachineID())
		}
		return out
	}
	one, two := all(), all()
	if len(one) < 80 || len(one) != len(two) {
		t.Fatalf("there are %d and %d objects", len(one), len(two))
	}
	for i := range one {
		if one[i] != two[i] {
			t.Errorf("the same seed gave\n%s\nand\n%s", one[i], two[i])
		}
	}
}
