package talosd_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cosi-project/runtime/pkg/safe"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"github.com/siderolabs/talos/pkg/machinery/client"
	"github.com/siderolabs/talos/pkg/machinery/resources/cluster"
	"github.com/siderolabs/talos/pkg/machinery/role"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/talos-cockpit/talos-cockpit/demo/scene"
	"github.com/talos-cockpit/talos-cockpit/demo/talosd"
)

const noRoute4 = `connection error: desc = "transport: Error while dialing: dial tcp 192.168.13.14:50000: connect: no route to host"`

func hostname(ctx context.Context, c *client.Client) (*machine.HostnameResponse, error) {
	return c.MachineClient.Hostname(ctx, &emptypb.Empty{})
}

func TestOneNode(t *testing.T) {
	c := connect(t, start(t, "turingpi", talosd.Options{}), role.Admin, node1)
	for node, want := range map[string]string{node1: "talos-test01", node3: "talos-test03", "192.168.13.10": "talos-test01"} {
		resp, err := hostname(on(t, node), c)
		if err != nil {
			t.Fatal(err)
		}
		if m := resp.GetMessages()[0]; m.GetHostname() != want || m.GetMetadata() != nil {
			t.Errorf("node %s answered %v, want %s without metadata", node, m, want)
		}
	}
	for node, want := range map[string]struct {
		code codes.Code
		text string
	}{
		node1 + ":50000": {codes.Internal, `invalid target "192.168.13.11:50000"`},
		"":               {codes.Internal, `invalid target ""`},
		"192.168.13.99":  {codes.Unavailable, strings.ReplaceAll(noRoute4, ".14:", ".99:")},
	} {
		_, err := hostname(on(t, node), c)
		refused(t, err, want.code, want.text)
	}
	ctx := metadata.AppendToOutgoingContext(within(t, 5*time.Second), "node", node1, "node", node2)
	_, err := hostname(ctx, c)
	refused(t, err, codes.InvalidArgument, "node metadata must be single-valued")
}

func TestManyNodes(t *testing.T) {
	c := connect(t, start(t, "dead-node", talosd.Options{TimeScale: 100}), role.Admin, node1)
	resp, err := hostname(client.WithNodes(within(t, 10*time.Second), node2, node4), c)
	if err != nil {
		t.Fatal(err)
	}
	if len(resp.GetMessages()) != 2 {
		t.Fatalf("got %d messages, want 2", len(resp.GetMessages()))
	}
	for _, m := range resp.GetMessages() {
		switch md := m.GetMetadata(); md.GetHostname() {
		case node2:
			if m.GetHostname() != "talos-test02" || md.GetError() != "" {
				t.Errorf("node 2 answered %v", m)
			}
		case node4:
			if want := "rpc error: code = Unavailable desc = " + noRoute4; md.GetError() != want || md.GetStatus().GetCode() != 14 || md.GetStatus().GetMessage() != noRoute4 {
				t.Errorf("node 4: got %v, want %s", md, want)
			}
		default:
			t.Errorf("nobody asked %q", md.GetHostname())
		}
	}
}

func TestManyNodesStream(t *testing.T) {
	c := connect(t, start(t, "dead-node", talosd.Options{TimeScale: 100}), role.Admin, node1)
	stream, err := c.Logs(client.WithNodes(within(t, 10*time.Second), node1, node2, node4), "system", 0, "machined", false, 2)
	if err != nil {
		t.Fatal(err)
	}
	all, err := drain(stream.Recv)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, m := range all {
		md := m.GetMetadata()
		seen[md.GetHostname()] = true
		if failed := md.GetError() != ""; failed != (md.GetHostname() == node4) {
			t.Errorf("%s: error %q", md.GetHostname(), md.GetError())
		}
	}
	if len(seen) != 3 {
		t.Errorf("heard of %v, want three nodes", seen)
	}
}

func TestManyNodesNotForAllServices(t *testing.T) {
	c := connect(t, start(t, "turingpi", talosd.Options{}), role.Admin, node1)
	_, err := safe.StateListAll[*cluster.Member](client.WithNodes(within(t, 5*time.Second), node1, node2), c.COSI)
	refused(t, err, codes.InvalidArgument, "one-2-many proxying is not supported for method /cosi.resource.State/List")
	images, err := c.ImageClient.List(client.WithNodes(within(t, 5*time.Second), node1, node2), &machine.ImageServiceListRequest{})
	if err == nil {
		_, err = images.Recv()
	}
	refused(t, err, codes.InvalidArgument, "one-2-many proxying is not supported for method /machine.ImageService/List")
}

func TestWorkerDoesNotForward(t *testing.T) {
	c := connect(t, start(t, "turingpi", talosd.Options{}), role.Admin, node3)
	if resp, err := hostname(on(t, node3), c); err != nil || resp.GetMessages()[0].GetHostname() != "talos-test03" {
		t.Errorf("a worker asked about itself: %v %v", resp, err)
	}
	_, err := hostname(on(t, node1), c)
	refused(t, err, codes.PermissionDenied, "no request forwarding")
	_, err = hostname(client.WithNodes(within(t, 5*time.Second), node1, node3), c)
	refused(t, err, codes.PermissionDenied, "no request forwarding")
}

func TestDeadIsSlowOnceThenFast(t *testing.T) {
	cl := start(t, "dead-node", talosd.Options{TimeScale: 10})
	c := connect(t, cl, role.Admin, node1)
	began := time.Now()
	_, err := hostname(on(t, node4), c)
	refused(t, err, codes.Unavailable, noRoute4)
	if took := time.Since(began); took < 250*time.Millisecond {
		t.Errorf("the first attempt took %s, want 300ms (3 s, ten times faster)", took)
	}
	began = time.Now()
	if _, err := cl.Dialer()(t.Context(), node4+":50000"); !errors.Is(err, syscall.EHOSTUNREACH) {
		t.Errorf("dialling gave %v, want no route to host", err)
	} else if want := "dial tcp 192.168.13.14:50000: connect: no route to host"; err.Error() != want {
		t.Errorf("dialling gave %q, want %q", err, want)
	}
	if took := time.Since(began); took > 200*time.Millisecond {
		t.Errorf("the second attempt took %s, want at once", took)
	}
}

func TestRefusedAndHung(t *testing.T) {
	cl := start(t, "hung-and-refused", talosd.Options{})
	c := connect(t, cl, role.Admin, node1)
	_, err := hostname(on(t, node4), c)
	refused(t, err, codes.Unavailable, strings.ReplaceAll(noRoute4, "no route to host", "connection refused"))

	ctx := client.WithNode(within(t, 200*time.Millisecond), node3)
	if _, err := hostname(ctx, c); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("a hung node gave %v, want only our own deadline", err)
	}
	conn, err := cl.Dialer()(t.Context(), node3+":50000")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("anything at all")); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(150 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	var timeout net.Error
	if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("a hung node answered %d bytes, %v", n, err)
	}
}

func TestFaultsLive(t *testing.T) {
	cl := start(t, "turingpi", talosd.Options{TimeScale: 100})
	c := connect(t, cl, role.Admin, node1)
	n := cl.Node("talos-test03")
	stream, err := c.Logs(on(t, node3), "system", 0, "kubelet", true, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	n.SetFault(scene.FaultRefused)
	if _, err := drain(stream.Recv); status.Code(err) != codes.Unavailable {
		t.Errorf("the followed log ended with %v, want Unavailable", err)
	}
	n.SetFault(scene.FaultNone)
	if _, err := hostname(on(t, node3), c); err != nil {
		t.Errorf("mended: %v", err)
	}
	eventually(t, "the port of the mended node to listen", func() bool {
		conn, err := cl.Dialer()(t.Context(), node3+":50000")
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
	boot := n.BootID()
	n.SetFault(scene.FaultDead)
	if _, err := hostname(on(t, node3), c); status.Code(err) != codes.Unavailable {
		t.Errorf("dead: %v", err)
	}
	n.SetFault(scene.FaultNone)
	eventually(t, "the machine to boot", func() bool {
		_, err := hostname(on(t, node3), c)
		return err == nil && n.BootID() != boot
	})
}

func TestRoles(t *testing.T) {
	cl := start(t, "turingpi", talosd.Options{})
	reader := connect(t, cl, role.Reader, node1)
	operator := connect(t, cl, role.Operator, node1)
	read := func(c *client.Client) error {
		r, err := c.Read(on(t, node2), "/proc/sys/kernel/random/boot_id")
		if err != nil {
			return err
		}
		_, err = r.Read(make([]byte, 64))
		return err
	}
	kubeconfig := func(c *client.Client) error {
		_, err := c.Kubeconfig(on(t, node2))
		return err
	}
	reboot := func(c *client.Client) error { return c.Reboot(on(t, node2)) }
	for name, err := range map[string]error{
		"reader reads": read(reader), "operator reads": read(operator), "reader kubeconfig": kubeconfig(reader),
		"reader reboots": reboot(reader), "reader restarts": func() error { _, err := reader.ServiceRestart(on(t, node2), "kubelet"); return err }(),
	} {
		if err == nil || !strings.HasSuffix(err.Error(), "code = PermissionDenied desc = not authorized") {
			t.Errorf("%s: %v, want PermissionDenied: not authorized", name, err)
		}
	}
	for name, f := range map[string]func(context.Context) error{
		"version":  func(ctx context.Context) error { _, err := reader.Version(ctx); return err },
		"services": func(ctx context.Context) error { _, err := reader.ServiceList(ctx); return err },
		"members": func(ctx context.Context) error {
			_, err := reader.EtcdMemberList(ctx, &machine.EtcdMemberListRequest{})
			return err
		},
		"procs": func(ctx context.Context) error { _, err := reader.Processes(ctx); return err },
	} {
		if err := f(on(t, node2)); err != nil {
			t.Errorf("reader %s: %v", name, err)
		}
	}
	var methods []string
	for _, call := range cl.Calls() {
		if call.Code == codes.PermissionDenied && slices.Equal(call.Roles, []string{"os:reader"}) && call.Node == "talos-test02" {
			methods = append(methods, call.Method)
		}
	}
	if !slices.Contains(methods, "/machine.MachineService/Reboot") {
		t.Errorf("the calls refused were %v, want Reboot among them", methods)
	}
}

func TestExpiredCredentials(t *testing.T) {
	cl := start(t, "turingpi", talosd.Options{})
	raw, err := cl.TalosconfigUntil(role.Admin, []string{node1}, time.Now().Add(-time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	_, err = hostname(within(t, 5*time.Second), connectConfig(t, cl, raw))
	if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "expired certificate") {
		t.Errorf("got %v, want Unavailable: expired certificate", err)
	}
}

func TestLoopbackEndpoints(t *testing.T) {
	cl := start(t, "turingpi", talosd.Options{})
	if got := len(cl.Endpoints()); got != 2 {
		t.Fatalf("%d endpoints, want two control planes", got)
	}
	c := connect(t, cl, role.Admin, cl.Endpoints()...)
	resp, err := c.Version(on(t, node4))
	if err != nil {
		t.Fatal(err)
	}
	if v := resp.GetMessages()[0]; v.GetVersion().GetTag() != "v1.14.0" || v.GetPlatform().GetMode() != "metal" {
		t.Errorf("version is %v", v)
	}
}
