package talosd_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cosi-project/runtime/pkg/safe"
	"github.com/siderolabs/talos/pkg/machinery/api/common"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"github.com/siderolabs/talos/pkg/machinery/client"
	"github.com/siderolabs/talos/pkg/machinery/resources/runtime"
	"github.com/siderolabs/talos/pkg/machinery/role"

	"github.com/talos-cockpit/talos-cockpit/demo/talosd"
)

func kubelet(t *testing.T, c *client.Client, node string) *machine.ServiceInfo {
	t.Helper()
	list, err := c.ServiceInfo(on(t, node), "kubelet")
	if err != nil || len(list) != 1 {
		t.Fatalf("service kubelet: %v %v", list, err)
	}
	return list[0].Service
}

func machineStatus(t *testing.T, c *client.Client, node string) runtime.MachineStatusStatus {
	t.Helper()
	ms, err := safe.StateGetByID[*runtime.MachineStatus](on(t, node), c.COSI, runtime.MachineStatusID)
	if err != nil {
		t.Fatal(err)
	}
	return ms.TypedSpec().Status
}

func TestKubeletChokes(t *testing.T) {
	cl := start(t, "turingpi", talosd.Options{TimeScale: 20})
	c := connect(t, cl, role.Reader, node1)
	n := cl.Node(node3)
	if !n.ChokeKubelet(24 * time.Hour) {
		t.Fatal("the kubelet did not choke")
	}
	k := kubelet(t, c, node3)
	if k.GetState() != "Running" || k.GetHealth().GetHealthy() || k.GetHealth().GetUnknown() ||
		!strings.HasSuffix(k.GetHealth().GetLastMessage(), "context deadline exceeded") {
		t.Errorf("the choking kubelet is %v", k)
	}
	status := machineStatus(t, c, node3)
	if status.Ready || len(status.UnmetConditions) != 1 || status.UnmetConditions[0].Reason != "kubelet not healthy" {
		t.Errorf("the machine is %+v", status)
	}
	if n.ChokeKubelet(time.Second) || n.CrashKubelet() {
		t.Error("a kubelet in trouble got into more")
	}
}

func TestKubeletRecovers(t *testing.T) {
	cl := start(t, "turingpi", talosd.Options{TimeScale: 20})
	c := connect(t, cl, role.Reader, node1)
	n := cl.Node(node3)
	if !n.ChokeKubelet(time.Second) {
		t.Fatal("the kubelet did not choke")
	}
	eventually(t, "the kubelet is healthy and the machine ready", func() bool {
		return n.KubeletHealthy() && kubelet(t, c, node3).GetHealth().GetHealthy() && machineStatus(t, c, node3).Ready
	})
}

func TestKubeletCrashes(t *testing.T) {
	cl := start(t, "turingpi", talosd.Options{TimeScale: 20})
	c := connect(t, cl, role.Reader, node1)
	n := cl.Node(node3)
	var mu sync.Mutex
	var heard []bool
	cl.OnMachine(func(e talosd.MachineEvent) {
		mu.Lock()
		defer mu.Unlock()
		if len(heard) == 0 || heard[len(heard)-1] != e.KubeletUp {
			heard = append(heard, e.KubeletUp)
		}
	})
	if !n.CrashKubelet() {
		t.Fatal("the kubelet did not crash")
	}
	eventually(t, "the kubelet is healthy and the machine ready", func() bool {
		return kubelet(t, c, node3).GetHealth().GetHealthy() && machineStatus(t, c, node3).Ready
	})
	eventually(t, "the listener heard that it is up again", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return fmt.Sprint(heard) == "[false true]"
	})
	var said []string
	for _, e := range kubelet(t, c, node3).GetEvents().GetEvents() {
		said = append(said, e.GetState()+" "+e.GetMsg())
	}
	text := strings.Join(said, "\n")
	if !strings.Contains(text, `Waiting Error running Containerd(kubelet), going to restart forever: task "kubelet" failed: exit code 1`) {
		t.Errorf("the service's events do not tell of the crash:\n%s", text)
	}
	stream, err := c.Logs(on(t, node3), "system", common.ContainerDriver_CONTAINERD, "kubelet", false, -1)
	if err != nil {
		t.Fatal(err)
	}
	if text := logText(t, stream); strings.Count(text, "Failed to start cAdvisor") != 1 {
		t.Errorf("the kubelet's log does not tell of the crash:\n%s", text)
	}
}

func TestARebootIsStrongerThanTrouble(t *testing.T) {
	cl := start(t, "turingpi", talosd.Options{TimeScale: 40})
	c := connect(t, cl, role.Reader, node1)
	n := cl.Node(node3)
	n.ChokeKubelet(10 * time.Second)
	boot := n.BootID()
	n.Reboot()
	eventually(t, "the machine has rebooted and is ready", func() bool {
		if n.BootID() == boot || !n.Reachable() {
			return false
		}
		ms, err := safe.StateGetByID[*runtime.MachineStatus](on(t, node3), c.COSI, runtime.MachineStatusID)
		return err == nil && ms.TypedSpec().Stage == runtime.MachineStageRunning && ms.TypedSpec().Status.Ready
	})
}

func TestContainersOfAnotherSource(t *testing.T) {
	clock := newClock()
	id := strings.Repeat("ab", 32)
	cl := start(t, "turingpi", talosd.Options{
		Now: clock.Now,
		Pods: func(node string) []talosd.Pod {
			return []talosd.Pod{
				{Namespace: "kube-system", Name: "kube-scheduler-" + node, UID: "static", Containers: []talosd.Container{{Name: "kube-scheduler", Image: "x", ID: id}}},
				{Namespace: "apps", Name: "web", UID: "u", Containers: []talosd.Container{
					{Name: "web", Image: "nginx", ID: strings.Repeat("cd", 32), Started: clock.Now().Add(-time.Minute), CPU: 0.5, Memory: 1 << 20},
					{Name: "init", Image: "busybox", ID: strings.Repeat("ef", 32), Exited: true},
				}},
			}
		},
		PodLog: func(ns, pod, container, short string, from, to time.Time, limit int) []talosd.PodLine {
			if ns+"/"+pod+":"+container != "apps/web:web" || short != "cdcdcdcdcdcd" || !from.Before(to) || limit < 1 {
				return nil
			}
			return []talosd.PodLine{{At: to, Text: "it works"}}
		},
	})
	c := connect(t, cl, role.Reader, node1)
	resp, err := c.Containers(on(t, node1), "k8s.io", common.ContainerDriver_CRI)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, info := range resp.GetMessages()[0].GetContainers() {
		if strings.Contains(info.GetName(), "/") {
			continue // a sandbox
		}
		seen[info.GetId()] = fmt.Sprint(info.GetStatus(), " ", info.GetPid() > 0, " ", info.GetUid())
	}
	want := map[string]string{
		"apps/web:web:cdcdcdcdcdcd":  "CONTAINER_RUNNING true u",
		"apps/web:init:efefefefefef": "CONTAINER_EXITED false u",
		"kube-system/kube-scheduler-talos-test01:kube-scheduler:abababababab": "CONTAINER_RUNNING true static",
	}
	for name, what := range want {
		if seen[name] != what {
			t.Errorf("%s is %q, want %q", name, seen[name], what)
		}
	}
	if len(seen) != 5 {
		t.Errorf("there are %d containers, want these and two other static pods': %v", len(seen), seen)
	}
	stats, err := c.Stats(on(t, node1), "k8s.io", common.ContainerDriver_CRI)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stats.GetMessages()[0].GetStats() {
		if s.GetName() == "web" && (s.GetCpuUsage() != 30e9 || s.GetMemoryUsage() != 1<<20) {
			t.Errorf("half a core for a minute and 1 MiB are %v", s)
		}
	}
	stream, err := c.Logs(on(t, node1), "k8s.io", common.ContainerDriver_CRI, "apps/web:web:cdcdcdcdcdcd", false, -1)
	if err != nil {
		t.Fatal(err)
	}
	if text := logText(t, stream); text != "2026-11-23T12:00:00Z stdout F it works\n" {
		t.Errorf("the container's log is %q", text)
	}
}
