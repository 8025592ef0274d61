package kubed

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/kubectl/pkg/drain"

	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

// nodeOfApp finds the nodes that run an app, each with its pod.
func nodeOfApp(t *testing.T, c clients, ns, app string) map[string]string {
	t.Helper()
	list, err := c.typed.CoreV1().Pods(ns).List(ctx(t), metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=" + app})
	if err != nil || len(list.Items) == 0 {
		t.Fatalf("%d pods of %s, %v", len(list.Items), app, err)
	}
	out := map[string]string{}
	for _, p := range list.Items {
		out[p.Spec.NodeName] = p.Name
	}
	return out
}

func drainer(c clients, timeout time.Duration, out, errOut *bytes.Buffer) *drain.Helper {
	return &drain.Helper{
		Ctx: context.Background(), Client: c.typed, GracePeriodSeconds: -1, IgnoreAllDaemonSets: true, DeleteEmptyDirData: true,
		Timeout: timeout, Out: out, ErrOut: errOut, EvictErrorRetryDelay: 200 * time.Millisecond,
	}
}

func TestDrainMovesThePodsOfANode(t *testing.T) {
	t.Parallel()
	s := started(t, "still", Options{})
	c := connect(t, s, UserAdmin)
	blocked := nodeOfApp(t, c, "media", "jellyfin")
	target := ""
	for _, n := range s.scene.Nodes {
		if _, has := blocked[n.Name]; !has {
			target = n.Name
		}
	}
	var out, errOut bytes.Buffer
	h := drainer(c, 20*time.Second, &out, &errOut)
	node, err := c.typed.CoreV1().Nodes().Get(ctx(t), target, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := drain.RunCordonOrUncordon(h, node, true); err != nil {
		t.Fatal(err)
	}
	if err := drain.RunNodeDrain(h, target); err != nil {
		t.Fatalf("%v\n%s%s", err, out.String(), errOut.String())
	}
	if !strings.Contains(errOut.String(), "ignoring DaemonSet-managed Pods: kube-system/cilium-") {
		t.Errorf("the warning is %q", errOut.String())
	}
	left, err := c.typed.CoreV1().Pods("").List(ctx(t), metav1.ListOptions{FieldSelector: "spec.nodeName=" + target})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range left.Items {
		if controllerKind(&p) != "DaemonSet" && !isMirror(&p) && p.Status.Phase != corev1.PodSucceeded {
			t.Errorf("%s/%s is still on %s", p.Namespace, p.Name, target)
		}
	}
	eventually(t, "the pods to run elsewhere", func() bool { return everyDeploymentReady(t, c) })
	eventually(t, "the node's volumes to be detached", func() bool {
		list, err := c.typed.StorageV1().VolumeAttachments().List(ctx(t), metav1.ListOptions{})
		for _, a := range list.Items {
			if a.Spec.NodeName == target {
				return false
			}
		}
		return err == nil
	})
}

func everyDeploymentReady(t *testing.T, c clients) bool {
	t.Helper()
	list, err := c.typed.AppsV1().Deployments("").List(ctx(t), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list.Items {
		if d.Status.ReadyReplicas != *d.Spec.Replicas {
			return false
		}
	}
	return true
}

func TestDrainIsRefusedByADisruptionBudget(t *testing.T) {
	t.Parallel()
	s := started(t, "still", Options{})
	c := connect(t, s, UserAdmin)
	for target, pod := range nodeOfApp(t, c, "media", "jellyfin") {
		var out, errOut bytes.Buffer
		if err := s.SetCordon(target, true, "kubectl-cordon"); err != nil {
			t.Fatal(err)
		}
		err := drain.RunNodeDrain(drainer(c, 2*time.Second, &out, &errOut), target)
		if err == nil || !strings.Contains(err.Error(), "global timeout reached") {
			t.Errorf("the drain ended with %v", err)
		}
		want := `error when evicting pods/"` + pod + `" -n "media" (will retry after 200ms): Cannot evict pod as it would violate the pod's disruption budget.`
		if !strings.Contains(errOut.String(), want) {
			t.Errorf("no %q in\n%s", want, errOut.String())
		}
		ev := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: pod, Namespace: "media"}}
		err = c.typed.PolicyV1().Evictions("media").Evict(ctx(t), ev)
		var status apierrors.APIStatus
		if !errors.As(err, &status) || status.Status().Code != 429 || len(status.Status().Details.Causes) != 1 {
			t.Fatalf("the eviction ended with %#v", err)
		}
		cause := status.Status().Details.Causes[0]
		if cause.Type != policyv1.DisruptionBudgetCause || cause.Message != "The disruption budget jellyfin needs 1 healthy pods and has 1 currently" {
			t.Errorf("the cause is %+v", cause)
		}
	}
}

func TestEvictionsDoNotOverspendABudget(t *testing.T) {
	s := started(t, "still", Options{TimeScale: 0.01}) // nothing is replaced meanwhile
	c := connect(t, s, UserAdmin)
	allowed := 0
	for _, pod := range []string{"postgres-0", "postgres-1", "postgres-2"} {
		ev := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: pod, Namespace: "database"}}
		err := c.typed.PolicyV1().Evictions("database").Evict(ctx(t), ev)
		switch {
		case err == nil:
			allowed++
		case !apierrors.IsTooManyRequests(err):
			t.Errorf("%s: %v", pod, err)
		}
	}
	if allowed != 1 {
		t.Errorf("%d evictions were allowed, want 1", allowed)
	}
	dry := &policyv1.Eviction{
		ObjectMeta: metav1.ObjectMeta{Name: "prometheus-0", Namespace: "monitoring"}, DeleteOptions: &metav1.DeleteOptions{DryRun: []string{"All"}},
	}
	if err := c.typed.PolicyV1().Evictions("monitoring").Evict(ctx(t), dry); err != nil {
		t.Error(err)
	}
	p, err := c.typed.CoreV1().Pods("monitoring").Get(ctx(t), "prometheus-0", metav1.GetOptions{})
	if err != nil || p.DeletionTimestamp != nil {
		t.Errorf("after a dry run: %v %v", p.DeletionTimestamp, err)
	}
}

func TestANodeWhoseKubeletStopsIsLostAndComesBack(t *testing.T) {
	t.Parallel()
	s := started(t, scene.Default, Options{TimeScale: 200})
	c := connect(t, s, UserAdmin)
	const name = "talos-test04"
	node := func() *corev1.Node {
		n, err := c.typed.CoreV1().Nodes().Get(ctx(t), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	uid := node().UID
	s.SetKubelet(name, false)
	eventually(t, "Ready to be unknown, with both taints", func() bool {
		n := node()
		return !nodeReady(n) && len(n.Spec.Taints) == 2 && n.Status.Conditions[4].Reason == "NodeStatusUnknown"
	})
	stuck := func() int {
		n := 0
		list, err := c.typed.CoreV1().Pods("").List(ctx(t), metav1.ListOptions{FieldSelector: "spec.nodeName=" + name})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range list.Items {
			if p.DeletionTimestamp != nil {
				n++
			}
		}
		return n
	}
	eventually(t, "its pods to be stuck terminating", func() bool { return stuck() > 0 })
	s.Rebooted(name, "b00t")
	s.SetKubelet(name, true)
	eventually(t, "it to be back under its new boot ID", func() bool {
		n := node()
		return nodeReady(n) && len(n.Spec.Taints) == 0 && n.Status.NodeInfo.BootID == "b00t" && stuck() == 0
	})
	if err := c.typed.CoreV1().Nodes().Delete(ctx(t), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its pods to be collected", func() bool {
		list, err := c.typed.CoreV1().Pods("").List(ctx(t), metav1.ListOptions{FieldSelector: "spec.nodeName=" + name})
		return err == nil && len(list.Items) == 0
	})
	s.SetKubelet(name, false)
	s.SetKubelet(name, true)
	eventually(t, "it to register again", func() bool {
		n, err := c.typed.CoreV1().Nodes().Get(ctx(t), name, metav1.GetOptions{})
		return err == nil && n.UID != uid
	})
}

func TestADeadNodeIsUnknownFromTheBeginning(t *testing.T) {
	s := started(t, "dead-node", Options{})
	c := connect(t, s, UserAdmin)
	n, err := c.typed.CoreV1().Nodes().Get(ctx(t), "talos-test04", metav1.GetOptions{})
	if err != nil || nodeReady(n) || len(n.Spec.Taints) != 2 {
		t.Fatalf("%v %+v", err, n.Spec.Taints)
	}
	list, err := c.typed.CoreV1().Pods("").List(ctx(t), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	stuck := 0
	for _, p := range list.Items {
		if p.DeletionTimestamp != nil {
			stuck++
		}
		if time.Since(p.CreationTimestamp.Time) < time.Minute {
			t.Errorf("%s/%s has only just been made", p.Namespace, p.Name)
		}
	}
	if stuck == 0 {
		t.Error("no pod is stuck on the node")
	}
	eventually(t, "its pods to be replaced on the others", func() bool { return everyDeploymentReady(t, c) })
}

func TestAGivenAuthorityIssuesTheCertificates(t *testing.T) {
	from, to := validity(time.Now())
	ca, err := selfSigned(from, to)
	if err != nil {
		t.Fatal(err)
	}
	s := started(t, "still", Options{CACert: ca.cert, CAKey: ca.key})
	if cfg := config(t, s, UserView); !bytes.Equal(cfg.CAData, ca.cert) {
		t.Error("the kubeconfig has another authority")
	}
	if _, err := connect(t, s, UserView).typed.CoreV1().Nodes().List(ctx(t), metav1.ListOptions{}); err != nil {
		t.Error(err)
	}
	broken := New(s.scene, Options{CACert: []byte("x"), CAKey: []byte("y")})
	if err := broken.Start(context.Background()); err == nil || !strings.Contains(err.Error(), "certificate authority") {
		t.Errorf("a broken authority: %v", err)
	}
}

func TestKubeconfigNamesTheScene(t *testing.T) {
	s := started(t, "still", Options{})
	raw, err := s.Kubeconfig(UserAdmin)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := clientcmd.Load(raw)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.CurrentContext != "admin@turingpi" || cfg.Clusters["turingpi"].Server != s.URL() {
		t.Errorf("context %s, clusters %v", cfg.CurrentContext, cfg.Clusters)
	}
	if _, err := s.Kubeconfig("nobody"); err == nil {
		t.Error("there is a kubeconfig for nobody")
	}
}
