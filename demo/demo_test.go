package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/cosi-project/runtime/pkg/safe"
	"github.com/siderolabs/talos/pkg/machinery/api/common"
	"github.com/siderolabs/talos/pkg/machinery/client"
	"github.com/siderolabs/talos/pkg/machinery/resources/k8s"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

func node(t *testing.T, k kubernetes.Interface, name string) *corev1.Node {
	t.Helper()
	n, err := k.CoreV1().Nodes().Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func ready(n *corev1.Node) corev1.NodeCondition {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c
		}
	}
	return corev1.NodeCondition{}
}

func TestEverySceneStartsAndAnswers(t *testing.T) {
	for _, name := range scene.Names() {
		t.Run(name, func(t *testing.T) {
			c := run(t, name, Options{TimeScale: 20})
			k, tc := kubeClient(t, c), talosClient(t, c)
			for _, spec := range c.Scene.Nodes {
				got := ready(node(t, k, spec.Name))
				dead := spec.Fault == scene.FaultDead
				switch {
				case dead && (got.Status != corev1.ConditionUnknown || c.now().Sub(got.LastTransitionTime.Time) < time.Minute):
					t.Errorf("%s is off, and Ready is %s since %s", spec.Name, got.Status, got.LastTransitionTime)
				case !dead && got.Status != corev1.ConditionTrue:
					t.Errorf("%s runs, and Ready is %s", spec.Name, got.Status)
				}
				ctx, cancel := context.WithTimeout(client.WithNode(t.Context(), spec.Address), time.Second)
				v, err := tc.Version(ctx)
				cancel()
				if spec.Fault != scene.FaultNone {
					if err == nil {
						t.Errorf("%s has the fault %q and its API answers", spec.Name, spec.Fault)
					}
					continue
				}
				if err != nil || v.GetMessages()[0].GetVersion().GetTag() != spec.Talos {
					t.Errorf("%s: version %v, %v", spec.Name, v, err)
				}
			}
		})
	}
}

func TestUnknownScene(t *testing.T) {
	if _, err := Start(t.Context(), "nowhere", Options{}); err == nil || !strings.Contains(err.Error(), "turingpi") {
		t.Errorf("the error is %v, want one that names the scenes", err)
	}
}

func TestEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c, err := Start(ctx, "turingpi", Options{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	c.Stop()
	c.Stop() // a second time does no harm
}

func TestBothSidesAgree(t *testing.T) {
	c := run(t, "turingpi", Options{})
	k, tc := kubeClient(t, c), talosClient(t, c)
	for _, spec := range c.Scene.Nodes {
		machine := c.Talos.Node(spec.Name)
		info := node(t, k, spec.Name).Status.NodeInfo
		if info.BootID != machine.BootID() || info.SystemUUID != machine.UUID() || info.MachineID != machine.MachineID() ||
			info.KernelVersion != machine.Kernel() || info.ContainerRuntimeVersion != "containerd://"+machine.Containerd() {
			t.Errorf("%s: Kubernetes has %+v", spec.Name, info)
		}
		onNode, cancel := context.WithTimeout(client.WithNode(t.Context(), spec.Address), patience)
		defer cancel()
		list, err := tc.Containers(onNode, "k8s.io", common.ContainerDriver_CRI)
		if err != nil {
			t.Fatal(err)
		}
		talos := map[string]string{}
		for _, i := range list.GetMessages()[0].GetContainers() {
			if !strings.HasPrefix(i.GetStatus(), "SANDBOX") {
				talos[i.GetPodId()+":"+i.GetName()] = fmt.Sprint("containerd://", i.GetInternalId(), " ", i.GetUid(), " ", i.GetStatus() == "CONTAINER_RUNNING")
			}
		}
		pods, err := k.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{FieldSelector: "spec.nodeName=" + spec.Name})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pods.Items {
			uid := p.UID
			if hash, static := p.Annotations["kubernetes.io/config.hash"]; static {
				uid = types.UID(hash)
			}
			for _, st := range p.Status.ContainerStatuses {
				name := p.Namespace + "/" + p.Name + ":" + st.Name
				want := fmt.Sprint(st.ContainerID, " ", uid, " ", st.State.Running != nil)
				if talos[name] != want {
					t.Errorf("%s: Talos has %q of %s, Kubernetes %q", spec.Name, talos[name], name, want)
				}
				delete(talos, name)
			}
		}
		if len(talos) > 0 {
			t.Errorf("%s: Talos alone has %v", spec.Name, talos)
		}
	}
}

func TestTheSameLogThroughBothSides(t *testing.T) {
	c := run(t, "still", Options{})
	k, tc := kubeClient(t, c), talosClient(t, c)
	pod := c.Kube.Containers("talos-test03")[0]
	raw, err := k.CoreV1().Pods(pod.Namespace).GetLogs(pod.Pod, &corev1.PodLogOptions{Container: pod.Name}).DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id := fmt.Sprintf("%s/%s:%s:%s", pod.Namespace, pod.Pod, pod.Name, pod.ID[:12])
	ctx, cancel := context.WithTimeout(client.WithNode(t.Context(), "192.168.13.13"), patience)
	defer cancel()
	stream, err := tc.Logs(ctx, "k8s.io", common.ContainerDriver_CRI, id, false, 5)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text.Write(m.GetBytes())
	}
	lines := strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
	if len(lines) != 5 {
		t.Fatalf("Talos gave %q", text.String())
	}
	var plain strings.Builder
	for _, line := range lines {
		_, line, _ = strings.Cut(line, " F ")
		plain.WriteString(line + "\n")
	}
	if !strings.HasSuffix(string(raw), plain.String()) {
		t.Errorf("the last lines are by Talos\n%s\nby Kubernetes\n%s", plain.String(), raw[max(0, len(raw)-plain.Len()):])
	}
}

// nodeStatus is what a machine knows of its own Node.
func nodeStatus(t *testing.T, tc *client.Client, spec scene.Node) (ready, unschedulable bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(client.WithNode(t.Context(), spec.Address), patience)
	defer cancel()
	s, err := safe.StateGetByID[*k8s.NodeStatus](ctx, tc.COSI, spec.Name)
	if err != nil {
		t.Fatal(err)
	}
	return s.TypedSpec().NodeReady, s.TypedSpec().Unschedulable
}

func TestACordonReachesTheMachine(t *testing.T) {
	c := run(t, "turingpi", Options{})
	tc, spec := talosClient(t, c), c.Scene.Nodes[2]
	if ready, off := nodeStatus(t, tc, spec); !ready || off {
		t.Fatalf("at first the machine thinks: ready %v, unschedulable %v", ready, off)
	}
	if err := c.Kube.SetCordon(spec.Name, true, "test"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the machine knows of the cordon", func() string {
		if ready, off := nodeStatus(t, tc, spec); !ready || !off {
			return fmt.Sprint(ready, off)
		}
		return ""
	})
	if c.calm() {
		t.Error("a cluster with a cordoned node counts as calm")
	}
}

func TestARebootIsSeenInKubernetes(t *testing.T) {
	t.Parallel()
	const scale = 20
	c := run(t, "turingpi", Options{TimeScale: scale})
	k := kubeClient(t, c)
	const name = "talos-test03"
	machine := c.Talos.Node(name)
	before := node(t, k, name)
	restarts := func() (n int32) {
		pods, err := k.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{FieldSelector: "spec.nodeName=" + name})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pods.Items {
			for _, st := range p.Status.ContainerStatuses {
				n += st.RestartCount
			}
		}
		return n
	}
	old := restarts()
	if machine.Reboot() == "" {
		t.Fatal("the machine did not reboot")
	}
	eventually(t, "the node is ready with another boot ID", func() string {
		n := node(t, k, name)
		if n.Status.NodeInfo.BootID == before.Status.NodeInfo.BootID || ready(n).Status != corev1.ConditionTrue {
			return fmt.Sprint(n.Status.NodeInfo.BootID, ready(n))
		}
		return ""
	})
	if got := node(t, k, name).Status.NodeInfo.BootID; got != machine.BootID() {
		t.Errorf("Kubernetes has the boot ID %s, the machine %s", got, machine.BootID())
	}
	eventually(t, "the containers were started anew", func() string {
		if n := restarts(); n <= old {
			return fmt.Sprintf("%d restarts, %d before", n, old)
		}
		return ""
	})
}

func TestAMachineThatIsOffAndOnAgain(t *testing.T) {
	t.Parallel()
	const scale = 40
	c := run(t, "turingpi", Options{TimeScale: scale})
	k := kubeClient(t, c)
	const name = "talos-test04"
	machine := c.Talos.Node(name)
	boot := machine.BootID()
	off := time.Now()
	machine.SetFault(scene.FaultDead)
	eventually(t, "Kubernetes notices", func() string {
		got := ready(node(t, k, name))
		if got.Status == corev1.ConditionUnknown {
			return ""
		}
		return string(got.Status)
	})
	if took := time.Since(off); took < 40*time.Second/scale {
		t.Errorf("Kubernetes noticed after %s, which is sooner than its grace of 40 s", took*scale)
	}
	machine.SetFault(scene.FaultNone)
	eventually(t, "the node is ready under a new boot", func() string {
		n := node(t, k, name)
		if ready(n).Status == corev1.ConditionTrue && n.Status.NodeInfo.BootID == machine.BootID() && machine.BootID() != boot {
			return ""
		}
		return fmt.Sprint(ready(n).Status, n.Status.NodeInfo.BootID)
	})
	eventually(t, "all is well", func() string {
		if c.calm() {
			return ""
		}
		return fmt.Sprint(c.link.nodes)
	})
}

func TestTheSameUsageThroughBothSides(t *testing.T) {
	c := run(t, "still", Options{})
	k := kubeClient(t, c)
	raw, err := k.RESTClient().Get().AbsPath("/apis/metrics.k8s.io/v1beta1/nodes/talos-test02").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := c.Talos.Node("talos-test02")
	for _, want := range []string{
		fmt.Sprintf(`"cpu":"%dn"`, int64(n.CPUBusy()*float64(n.Cores())*1000)*1_000_000), fmt.Sprintf(`"memory":"%dKi"`, n.MemoryUsed()/1024),
	} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("the metrics API says %s, want %s", raw, want)
		}
	}
}
