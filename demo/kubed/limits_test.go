package kubed

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

func TestWhatIsNotSimulatedSaysSo(t *testing.T) {
	c := connect(t, started(t, scene.Default, Options{}), UserAdmin)
	pod := "postgres-0"
	core := c.typed.CoreV1().RESTClient()
	for _, sub := range []string{"exec", "attach", "portforward"} {
		err := core.Post().Namespace("database").Resource("pods").Name(pod).SubResource(sub).Do(ctx(t)).Error()
		if err == nil || !strings.Contains(err.Error(), "pods/"+sub+" is not simulated by this cluster") {
			t.Errorf("%s: %v", sub, err)
		}
	}
	for _, path := range []string{"/openapi/v2", "/openapi/v3"} {
		err := core.Get().AbsPath(path).Do(ctx(t)).Error()
		if err == nil || !strings.Contains(err.Error(), "is not simulated by this cluster") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestContainersOfANode(t *testing.T) {
	s := started(t, "still", Options{})
	c := connect(t, s, UserAdmin)
	list := s.Containers("talos-test01")
	pods, err := c.typed.CoreV1().Pods("").List(ctx(t), metav1.ListOptions{FieldSelector: "spec.nodeName=talos-test01"})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != len(pods.Items) { // one container each
		t.Errorf("%d containers of %d pods", len(list), len(pods.Items))
	}
	for _, k := range list {
		if len(k.ID) != 64 || k.UID == "" || k.Image == "" || k.Started.IsZero() || k.Memory <= 0 || k.CPUMilli <= 0 {
			t.Errorf("%+v", k)
		}
		lines := s.ContainerLog(k.Namespace, k.Pod, k.Name, k.ID[:12], k.Started, s.opts.Now(), 3)
		if !k.Exited && len(lines) == 0 {
			t.Errorf("%s/%s has written nothing", k.Namespace, k.Pod)
		}
		if other := s.ContainerLog(k.Namespace, k.Pod, k.Name, "0123456789ab", k.Started, s.opts.Now(), 3); other != nil {
			t.Errorf("%s/%s: another container's log is %v", k.Namespace, k.Pod, other)
		}
	}
}

func TestListenersHearOfNodes(t *testing.T) {
	sc, err := scene.Get("dead-node")
	if err != nil {
		t.Fatal(err)
	}
	s := New(sc, Options{})
	heard := make(chan NodeState, 20)
	s.OnNode(func(n NodeState) { heard <- n })
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	for range sc.Nodes {
		if n := <-heard; !n.Exists || n.Ready == (n.Node == "talos-test04") || n.Unschedulable {
			t.Errorf("at first %+v", n)
		}
	}
	if err := s.SetCordon("talos-test02", true, "test"); err != nil {
		t.Fatal(err)
	}
	if n := <-heard; n != (NodeState{Node: "talos-test02", Exists: true, Ready: true, Unschedulable: true}) {
		t.Errorf("a cordon gives %+v", n)
	}
}
