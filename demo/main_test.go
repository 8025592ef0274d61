package demo

import (
	"testing"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/client"
	"github.com/siderolabs/talos/pkg/machinery/client/config"
	"github.com/siderolabs/talos/pkg/machinery/role"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/talos-cockpit/talos-cockpit/demo/kubed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// run starts a scene that ends with the test.
func run(t *testing.T, scene string, opts Options) *Cluster {
	t.Helper()
	c, err := Start(t.Context(), scene, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c
}

// eventually waits until ok returns an empty text, which else says what is missing.
func eventually(t *testing.T, what string, ok func() string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		missing := ok()
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %s", what, patience, missing)
		}
		<-tick.C
	}
}

func kubeClient(t *testing.T, c *Cluster) *kubernetes.Clientset {
	t.Helper()
	raw, err := c.Kube.Kubeconfig(kubed.UserAdmin)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := clientcmd.RESTConfigFromKubeConfig(raw)
	if err != nil {
		t.Fatal(err)
	}
	cfg.QPS = -1
	k, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func talosClient(t *testing.T, c *Cluster) *client.Client {
	t.Helper()
	raw, err := c.Talos.Talosconfig(role.Admin, []string{c.Scene.Nodes[0].Address})
	if err != nil {
		t.Fatal(err)
	}
	conf, err := config.FromBytes(raw)
	if err != nil {
		t.Fatal(err)
	}
	cl, err := client.New(t.Context(), client.WithConfig(conf), client.WithGRPCDialOptions(grpc.WithContextDialer(c.Dialer())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cl.Close() })
	return cl
}
