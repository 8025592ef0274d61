package kubed

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

// started runs a server of the scene for the test, twenty times as fast as life.
func started(t *testing.T, name string, opts Options) *Server {
	t.Helper()
	sc, err := scene.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	if opts.TimeScale == 0 {
		opts.TimeScale = 20
	}
	s := New(sc, opts)
	if err := s.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func config(t *testing.T, s *Server, user string) *rest.Config {
	t.Helper()
	raw, err := s.Kubeconfig(user)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := clientcmd.RESTConfigFromKubeConfig(raw)
	if err != nil {
		t.Fatal(err)
	}
	cfg.QPS, cfg.Burst = 1000, 1000
	cfg.Timeout = 0
	return cfg
}

// clients talk to a server: typed in protobuf, the others in JSON.
type clients struct {
	typed kubernetes.Interface
	dyn   dynamic.Interface
	meta  metadata.Interface
	cfg   *rest.Config
}

func connect(t *testing.T, s *Server, user string) clients {
	t.Helper()
	cfg := config(t, s, user)
	proto := rest.CopyConfig(cfg)
	proto.ContentType = runtime.ContentTypeProtobuf
	proto.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	typed, err := kubernetes.NewForConfig(proto)
	if err != nil {
		t.Fatal(err)
	}
	dyn, err := dynamic.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	meta, err := metadata.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return clients{typed: typed, dyn: dyn, meta: meta, cfg: cfg}
}

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 15 s: %s", what)
		}
		<-tick.C
	}
}

func ctx(t *testing.T) context.Context {
	t.Helper()
	c, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return c
}

func TestEveryPodOfTheReferenceClusterRuns(t *testing.T) {
	s := started(t, scene.Default, Options{})
	c := connect(t, s, UserAdmin)
	list, err := c.typed.CoreV1().Pods("").List(ctx(t), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Items) < 45 || len(list.Items) > 65 {
		t.Errorf("%d pods, want about fifty", len(list.Items))
	}
	perNode := map[string]int{}
	for _, p := range list.Items {
		perNode[p.Spec.NodeName]++
		if p.Status.Phase != corev1.PodRunning && p.Status.Phase != corev1.PodSucceeded {
			t.Errorf("%s/%s is %s: %+v", p.Namespace, p.Name, p.Status.Phase, p.Status.Conditions)
		}
	}
	for _, n := range s.scene.Nodes {
		if perNode[n.Name] < 5 {
			t.Errorf("%s has %d pods", n.Name, perNode[n.Name])
		}
	}
}
