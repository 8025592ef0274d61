package talosd_test

import (
	"crypto/tls"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"github.com/siderolabs/talos/pkg/machinery/api/storage"
	timeapi "github.com/siderolabs/talos/pkg/machinery/api/time"
	"github.com/siderolabs/talos/pkg/machinery/client"
	"github.com/siderolabs/talos/pkg/machinery/client/config"
	"github.com/siderolabs/talos/pkg/machinery/role"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/talos-cockpit/talos-cockpit/demo/scene"
	"github.com/talos-cockpit/talos-cockpit/demo/talosd"
)

func TestAnonymousIsToldToBringACertificate(t *testing.T) {
	cl := start(t, "still", talosd.Options{})
	conn, err := grpc.NewClient("dns:///"+cl.Endpoints()[0],
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{InsecureSkipVerify: true})))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, err = machine.NewMachineServiceClient(conn).Version(within(t, 5*time.Second), &emptypb.Empty{})
	if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "tls: certificate required") {
		t.Errorf("got %v, want Unavailable: tls: certificate required", err)
	}
}

func TestManyNodesWithAWorkersRefusal(t *testing.T) {
	c := connect(t, start(t, "still", talosd.Options{}), role.Reader, node1)
	resp, err := c.MachineClient.EtcdMemberList(client.WithNodes(within(t, 5*time.Second), node2, node3), &machine.EtcdMemberListRequest{})
	if len(resp.GetMessages()) != 2 {
		t.Fatalf("got %v, %v", resp, err)
	}
	const want = "rpc error: code = Unimplemented desc = member list is only available on control plane nodes"
	for _, m := range resp.GetMessages() {
		switch m.GetMetadata().GetHostname() {
		case node2:
			if len(m.GetMembers()) != 2 || m.GetLegacyMembers()[0] != "talos-test01" {
				t.Errorf("the control plane answered %v", m)
			}
		default:
			if m.GetMetadata().GetError() != want || m.GetMetadata().GetStatus().GetCode() != int32(codes.Unimplemented) {
				t.Errorf("the worker answered %v, want %s", m.GetMetadata(), want)
			}
		}
	}
}

func TestVirtualAddressMoves(t *testing.T) {
	cl := start(t, "six", talosd.Options{TimeScale: 100})
	c := connect(t, cl, role.Reader, "192.168.13.10")
	asked := func() string {
		resp, err := hostname(within(t, 10*time.Second), c)
		if err != nil {
			return err.Error()
		}
		return resp.GetMessages()[0].GetHostname()
	}
	if got := asked(); got != "talos-test01" {
		t.Errorf("the virtual address led to %s", got)
	}
	cl.Node("talos-test01").SetFault(scene.FaultRefused)
	eventually(t, "the virtual address to move", func() bool { return asked() == "talos-test02" })
	if _, err := cl.Dialer()(t.Context(), "192.168.13.12:6443"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("another port gave %v, want connection refused", err)
	}
	if _, err := cl.Dialer()(t.Context(), "10.9.8.7:50000"); !errors.Is(err, syscall.EHOSTUNREACH) {
		t.Errorf("an address of nobody gave %v, want no route to host", err)
	}
}

func TestHungInTheMiddle(t *testing.T) {
	cl := start(t, "turingpi", talosd.Options{})
	direct, through := connect(t, cl, role.Reader, node3), connect(t, cl, role.Reader, node1)
	for _, c := range []*client.Client{direct, through} {
		if _, err := hostname(on(t, node3), c); err != nil {
			t.Fatal(err)
		}
	}
	n := cl.Node("talos-test03")
	n.SetFault(scene.FaultHung)
	for name, c := range map[string]*client.Client{"directly": direct, "through another": through} {
		if _, err := hostname(client.WithNode(within(t, 150*time.Millisecond), node3), c); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("%s: %v, want our own deadline alone to end the call", name, err)
		}
	}
	n.SetFault(scene.FaultNone)
	for name, c := range map[string]*client.Client{"directly": direct, "through another": through} {
		if _, err := hostname(on(t, node3), c); err != nil {
			t.Errorf("%s, thawed: %v", name, err)
		}
	}
}

func TestTalosconfig(t *testing.T) {
	cl := start(t, "still", talosd.Options{})
	raw, err := cl.Talosconfig(role.Operator, nil)
	if err != nil {
		t.Fatal(err)
	}
	conf, err := config.FromBytes(raw)
	if err != nil {
		t.Fatal(err)
	}
	ctx := conf.Contexts["turingpi"]
	if conf.Context != "turingpi" || ctx == nil || len(ctx.Endpoints) != 2 || ctx.Endpoints[0] != node1 || len(ctx.Nodes) != 4 {
		t.Errorf("the talosconfig is %+v", ctx)
	}
}

func TestHardwareCounters(t *testing.T) {
	clock := newClock()
	c := connect(t, start(t, "turingpi", talosd.Options{Now: clock.Now}), role.Reader, node1)
	netBytes := func() uint64 {
		resp, err := c.MachineClient.NetworkDeviceStats(on(t, node3), &emptypb.Empty{})
		if err != nil {
			t.Fatal(err)
		}
		return resp.GetMessages()[0].GetTotal().GetRxBytes()
	}
	before := netBytes()
	clock.Advance(time.Minute)
	if grown := netBytes() - before; grown < 1e6 || grown > 40e6 {
		t.Errorf("the network carried %d bytes in a minute", grown)
	}
	procs, err := c.Processes(on(t, node1))
	if err != nil {
		t.Fatal(err)
	}
	if first := procs.GetMessages()[0].GetProcesses()[0]; first.GetPid() != 1 || first.GetCpuTime() == 0 {
		t.Errorf("process 1 is %v", first)
	}
	disks, err := storage.NewStorageServiceClient(c.Conn()).Disks(on(t, node3), &emptypb.Empty{})
	if err != nil || !disks.GetMessages()[0].GetDisks()[0].GetSystemDisk() {
		t.Errorf("disks: %v %v, want the system disk", disks, err)
	}
	clocks, err := timeapi.NewTimeServiceClient(c.Conn()).Time(on(t, node3), &emptypb.Empty{})
	if err != nil || !clocks.GetMessages()[0].GetRemotetime().AsTime().Equal(clock.Now()) {
		t.Errorf("time: %v %v, want the cluster's clock", clocks, err)
	}
}

func TestDmesgFollowFromNow(t *testing.T) {
	cl := start(t, "still", talosd.Options{})
	c := connect(t, cl, role.Reader, node1)
	stream, err := c.Dmesg(on(t, node3), true, true)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 1)
	go func() {
		m, err := stream.Recv()
		if err != nil {
			got <- err.Error()
			return
		}
		got <- string(m.GetBytes())
	}()
	// The stream may open at any moment: write until it has heard.
	eventually(t, "a new line of the kernel", func() bool {
		cl.Node("talos-test03").WriteLog("dmesg", "kern:    info: [2026-11-23T04:00:00Z]: hello")
		select {
		case line := <-got:
			if line != "kern:    info: [2026-11-23T04:00:00Z]: hello\n" {
				t.Errorf("the first line was %q", line)
			}
			return true
		default:
			return false
		}
	})
}

func TestStopEndsEverything(t *testing.T) {
	cl := start(t, "hung-node", talosd.Options{})
	c := connect(t, cl, role.Operator, node1)
	logs, err := c.Logs(on(t, node2), "system", 0, "kubelet", true, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := logs.Recv(); err != nil {
		t.Fatal(err)
	}
	stop := cl.BurstLogs("talos-test02", "etcd", 1000)
	defer stop()
	if cl.Node("talos-test02").Reboot() == "" {
		t.Error("the reboot did not begin")
	}
	if again := cl.Node("talos-test02").Reboot(); again != "" {
		t.Errorf("a second reboot began: %s", again)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		cl.Stop()
	}()
	select {
	case <-done:
	case <-within(t, 10*time.Second).Done():
		t.Fatal("Stop hangs")
	}
	if _, err := drain(logs.Recv); err == nil {
		t.Error("a followed log ended cleanly, want an error")
	}
	if cl.Node("talos-test02").Reboot() != "" {
		t.Error("a stopped cluster reboots")
	}
}
