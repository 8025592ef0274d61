package talosd_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cosi-project/runtime/pkg/resource"
	"github.com/cosi-project/runtime/pkg/safe"
	"github.com/cosi-project/runtime/pkg/state"
	"github.com/siderolabs/talos/pkg/machinery/resources/cluster"
	"github.com/siderolabs/talos/pkg/machinery/resources/config"
	"github.com/siderolabs/talos/pkg/machinery/resources/hardware"
	"github.com/siderolabs/talos/pkg/machinery/resources/k8s"
	"github.com/siderolabs/talos/pkg/machinery/resources/network"
	"github.com/siderolabs/talos/pkg/machinery/resources/perf"
	"github.com/siderolabs/talos/pkg/machinery/resources/runtime"
	"github.com/siderolabs/talos/pkg/machinery/resources/secrets"
	"github.com/siderolabs/talos/pkg/machinery/resources/v1alpha1"
	"github.com/siderolabs/talos/pkg/machinery/role"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/talos-cockpit/talos-cockpit/demo/talosd"
)

func TestResources(t *testing.T) {
	c := connect(t, start(t, "still", talosd.Options{}), role.Reader, node1)
	ctx := on(t, node3)
	members, err := safe.StateListAll[*cluster.Member](ctx, c.COSI)
	if err != nil || members.Len() != 4 {
		t.Fatalf("members: %d %v, want 4", members.Len(), err)
	}
	first := members.Get(0).TypedSpec()
	if first.Hostname != "talos-test01" || first.OperatingSystem != "Talos (v1.13.9)" || first.ControlPlane == nil || first.ControlPlane.APIServerPort != 6443 {
		t.Errorf("the first member is %+v", first)
	}
	ms, err := safe.StateGetByID[*runtime.MachineStatus](ctx, c.COSI, runtime.MachineStatusID)
	if err != nil || ms.TypedSpec().Stage != runtime.MachineStageRunning || !ms.TypedSpec().Status.Ready {
		t.Errorf("machine status: %v %v, want running and ready", ms, err)
	}
	system, err := safe.StateGetByID[*hardware.SystemInformation](ctx, c.COSI, hardware.SystemInformationID)
	if err != nil || len(system.TypedSpec().UUID) != 36 || system.TypedSpec().SerialNumber == "" {
		t.Errorf("system information: %v %v", system, err)
	}
	ext, err := safe.StateListAll[*runtime.ExtensionStatus](ctx, c.COSI)
	if err != nil || ext.Get(ext.Len()-1).TypedSpec().Metadata.Name != "schematic" || len(ext.Get(ext.Len()-1).TypedSpec().Metadata.Version) != 64 {
		t.Errorf("extensions: %v, want a schematic last", err)
	}
	_, err = c.COSI.Get(ctx, resource.NewMetadata(network.NamespaceName, network.HostnameStatusType, "nope", resource.VersionUndefined))
	refused(t, err, codes.NotFound, "resource HostnameStatuses.net.talos.dev(network/nope@undefined) doesn't exist")
	_, err = c.COSI.List(ctx, resource.NewMetadata(network.NamespaceName, "Nosuch.talos.dev", "", resource.VersionUndefined))
	refused(t, err, codes.PermissionDenied, `resource type "Nosuch.talos.dev" is not supported`)
	_, err = c.COSI.List(ctx, resource.NewMetadata("nosuch", network.HostnameStatusType, "", resource.VersionUndefined))
	refused(t, err, codes.PermissionDenied, `namespace "nosuch" is not supported`)
}

func TestSensitiveResources(t *testing.T) {
	cl := start(t, "still", talosd.Options{})
	admin, operator := connect(t, cl, role.Admin, node1), connect(t, cl, role.Operator, node1)
	conf, err := safe.StateGetByID[*config.MachineConfig](on(t, node3), admin.COSI, config.ActiveID)
	if err != nil {
		t.Fatal(err)
	}
	if got := conf.Provider().Machine().Type().String(); got != "worker" {
		t.Errorf("the configuration of a worker says %s", got)
	}
	if _, err := safe.StateGetByID[*secrets.KubernetesRoot](on(t, node1), admin.COSI, secrets.KubernetesRootID); err != nil {
		t.Errorf("an admin reading the Kubernetes secrets: %v", err)
	}
	_, err = safe.StateGetByID[*config.MachineConfig](on(t, node3), operator.COSI, config.ActiveID)
	refused(t, err, codes.PermissionDenied, "not authorized")
	err = admin.COSI.Destroy(on(t, node1), cluster.NewMember(cluster.NamespaceName, "talos-test04").Metadata())
	refused(t, err, codes.PermissionDenied, "write access is not allowed")
}

func TestBootIDResourceIsNewIn114(t *testing.T) {
	cl := start(t, "still", talosd.Options{})
	c := connect(t, cl, role.Reader, node1)
	md := resource.NewMetadata(runtime.NamespaceName, "BootIDs.runtime.talos.dev", "boot-id", resource.VersionUndefined)
	if _, err := c.COSI.Get(on(t, node3), md); status.Code(err) != codes.PermissionDenied {
		t.Errorf("1.13 answered %v, want an unknown type", err)
	}
	if _, err := c.COSI.Get(on(t, node4), md); err != nil {
		t.Errorf("1.14 answered %v", err)
	}
}

// next waits for the next event of a watch.
func next(t *testing.T, ch <-chan state.Event) state.Event {
	t.Helper()
	select {
	case e := <-ch:
		return e
	case <-within(t, 10e9).Done():
		t.Fatal("no event came")
		return state.Event{}
	}
}

func TestWatchServices(t *testing.T) {
	cl := start(t, "turingpi", talosd.Options{TimeScale: 50})
	c := connect(t, cl, role.Operator, node1)
	ch := make(chan state.Event)
	kind := resource.NewMetadata(v1alpha1.NamespaceName, v1alpha1.ServiceType, "", resource.VersionUndefined)
	if err := c.COSI.WatchKind(on(t, node3), kind, ch, state.WithBootstrapContents(true)); err != nil {
		t.Fatal(err)
	}
	count := 0
	for e := next(t, ch); e.Type != state.Bootstrapped; e = next(t, ch) {
		count++
	}
	if count != 9 {
		t.Errorf("%d services on a worker, want 9", count)
	}
	if _, err := c.ServiceRestart(on(t, node3), "kubelet"); err != nil {
		t.Fatal(err)
	}
	var seen []string
	for {
		e := next(t, ch)
		seen = append(seen, e.Type.String())
		if s, ok := e.Resource.(*v1alpha1.Service); ok && e.Type == state.Updated && s.TypedSpec().Healthy {
			break
		}
	}
	if len(seen) != 3 {
		t.Errorf("the watch saw %v, want Destroyed, Created, Updated", seen)
	}
}

func TestKubeNode(t *testing.T) {
	cl := start(t, "turingpi", talosd.Options{})
	c := connect(t, cl, role.Reader, node1)
	ready := func() (kube, machine, cordoned bool) {
		node, err := safe.StateGetByID[*k8s.NodeStatus](on(t, node3), c.COSI, "talos-test03")
		if err != nil {
			t.Fatal(err)
		}
		ms, err := safe.StateGetByID[*runtime.MachineStatus](on(t, node3), c.COSI, runtime.MachineStatusID)
		if err != nil {
			t.Fatal(err)
		}
		return node.TypedSpec().NodeReady, ms.TypedSpec().Status.Ready, node.TypedSpec().Unschedulable
	}
	if kube, machine, cordoned := ready(); !kube || !machine || cordoned {
		t.Errorf("at first: %v %v %v", kube, machine, cordoned)
	}
	cl.Node("talos-test03").SetKubeNode(false, true)
	if kube, machine, cordoned := ready(); kube || machine || !cordoned {
		t.Errorf("not ready and cordoned: %v %v %v", kube, machine, cordoned)
	}
	cl.Node("talos-test03").SetKubeNode(true, false)
	if kube, machine, cordoned := ready(); !kube || !machine || cordoned {
		t.Errorf("ready again: %v %v %v", kube, machine, cordoned)
	}
}

func TestSameSeedSameCluster(t *testing.T) {
	text := func() string {
		clock := newClock()
		cl := start(t, "turingpi", talosd.Options{Now: clock.Now})
		c := connect(t, cl, role.Reader, node1)
		clock.Advance(time.Minute)
		stream, err := c.Logs(on(t, node3), "system", 0, "kubelet", false, -1)
		if err != nil {
			t.Fatal(err)
		}
		stat, err := c.MachineClient.SystemStat(on(t, node3), &emptypb.Empty{})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(cl.Node(node3).BootID(), cl.Node(node3).UUID(), prototext.Format(stat), logText(t, stream))
	}
	if one, two := text(), text(); one != two {
		t.Error("the same seed and clock gave two different clusters")
	}
}

func TestResourcesThatAreNotSimulatedSaySo(t *testing.T) {
	cl := start(t, "still", talosd.Options{})
	c := connect(t, cl, role.Admin, node1)
	if _, err := safe.StateListAll[*perf.CPU](on(t, node3), c.COSI); err == nil ||
		!strings.Contains(err.Error(), `code = Unimplemented desc = resource type "CPUStats.perf.talos.dev" is not simulated by this cluster`) {
		t.Errorf("CPU statistics: %v", err)
	}
	if list, err := safe.StateListAll[*runtime.Diagnostic](on(t, node3), c.COSI); err != nil || list.Len() > 0 {
		t.Errorf("diagnostics: %v %v", list, err)
	}
	for node, want := range map[string]int{node1: 1, node3: 0} {
		list, err := safe.StateListAll[*network.OperatorSpec](on(t, node), c.COSI)
		if err != nil || list.Len() != want {
			t.Errorf("%s has %d operators, %v; want %d", node, list.Len(), err, want)
		}
	}
	reader := connect(t, cl, role.Reader, node1)
	_, err := safe.StateListAll[*secrets.Etcd](on(t, node1), reader.COSI)
	refused(t, err, codes.PermissionDenied, "not authorized")
}
