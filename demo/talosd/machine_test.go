package talosd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/api/common"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"github.com/siderolabs/talos/pkg/machinery/role"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/talos-cockpit/talos-cockpit/demo/scene"
	"github.com/talos-cockpit/talos-cockpit/demo/talosd"
)

func TestServices(t *testing.T) {
	c := connect(t, start(t, "still", talosd.Options{}), role.Operator, node1)
	list := func(node string) (ids []string) {
		resp, err := c.ServiceList(on(t, node))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range resp.GetMessages()[0].GetServices() {
			ids = append(ids, s.GetId())
			events := s.GetEvents().GetEvents()
			last := events[len(events)-1]
			if s.GetState() != "Running" || s.GetId() != "dashboard" && (!s.GetHealth().GetHealthy() || last.GetMsg() != "Health check successful") {
				t.Errorf("%s is %s, %v, %q", s.GetId(), s.GetState(), s.GetHealth(), last.GetMsg())
			}
		}
		return ids
	}
	worker := []string{"apid", "auditd", "containerd", "cri", "dashboard", "kubelet", "machined", "syslogd", "udevd"}
	if got := list(node3); !slices.Equal(got, worker) {
		t.Errorf("a worker runs %v, want %v", got, worker)
	}
	if got := list(node1); len(got) != 11 || !slices.Contains(got, "etcd") || !slices.Contains(got, "trustd") {
		t.Errorf("a control plane runs %v, want etcd and trustd, too", got)
	}
	for id, want := range map[string]string{
		"nosuch": `service "nosuch" not defined`,
		"apid":   `service "apid" doesn't support restart operation via API`,
		"etcd":   `service "etcd" doesn't support restart operation via API`,
	} {
		_, err := c.ServiceRestart(on(t, node1), id)
		refused(t, err, codes.Unknown, want)
	}
	_, err := c.ServiceStop(on(t, node1), "machined")
	refused(t, err, codes.Unknown, `service "machined" doesn't support stop operation via API`)
	resp, err := c.ServiceStart(on(t, node1), "etcd")
	if err != nil || resp.GetMessages()[0].GetResp() != `Service "etcd" started` {
		t.Errorf("starting what runs: %v %v, want success", resp, err)
	}
}

func TestEtcd(t *testing.T) {
	s, err := scene.Get("six")
	if err != nil {
		t.Fatal(err)
	}
	cl := startScene(t, s, talosd.Options{TimeScale: 1000})
	c := connect(t, cl, role.Reader, node3)
	members := func() (*machine.EtcdMemberListResponse, error) {
		return c.EtcdMemberList(on(t, node3), &machine.EtcdMemberListRequest{})
	}
	status := func() *machine.EtcdMemberStatus {
		resp, err := c.EtcdStatus(on(t, node3))
		if err != nil {
			t.Fatal(err)
		}
		return resp.GetMessages()[0].GetMemberStatus()
	}
	resp, err := members()
	if err != nil || len(resp.GetMessages()[0].GetMembers()) != 3 {
		t.Fatalf("members: %v %v, want three", resp, err)
	}
	before := status()
	if before.GetLeader() == 0 || len(before.GetErrors()) != 0 {
		t.Fatalf("healthy status is %v", before)
	}
	cl.Node("talos-test01").SetFault(scene.FaultDead)
	if one := status(); one.GetLeader() == 0 || one.GetLeader() == before.GetLeader() || one.GetRaftTerm() != before.GetRaftTerm()+1 {
		t.Errorf("with the leader dead: %v, want another leader and the next term", one)
	}
	cl.Node("talos-test02").SetFault(scene.FaultDead)
	if two := status(); two.GetLeader() != 0 || !slices.Equal(two.GetErrors(), []string{"etcdserver: no leader"}) {
		t.Errorf("without a quorum: %v, want leader 0 and its error", two)
	}
	_, err = members()
	refused(t, err, codes.Unknown, "etcdserver: no leader")
	_, err = c.EtcdMemberList(on(t, "192.168.13.14"), &machine.EtcdMemberListRequest{})
	refused(t, err, codes.Unimplemented, "member list is only available on control plane nodes")
	_, err = c.EtcdStatus(on(t, "192.168.13.14"))
	refused(t, err, codes.Unimplemented, "etcd status is only available on control plane nodes")
}

func TestNotSimulatedIsSaid(t *testing.T) {
	c := connect(t, start(t, "still", talosd.Options{}), role.Admin, node1)
	_, err := c.MachineClient.Reset(on(t, node3), &machine.ResetRequest{})
	refused(t, err, codes.Unimplemented, "/machine.MachineService/Reset is not simulated by this cluster")
	snapshot, err := c.EtcdSnapshot(on(t, node1), &machine.EtcdSnapshotRequest{})
	if err == nil {
		_, err = io.ReadAll(snapshot)
	}
	refused(t, err, codes.Unimplemented, "/machine.MachineService/EtcdSnapshot is not simulated by this cluster")
}

func TestStillStandsStill(t *testing.T) {
	clock := newClock()
	c := connect(t, start(t, "still", talosd.Options{Now: clock.Now}), role.Reader, node1)
	for name, call := range map[string]func(context.Context) (proto.Message, error){
		"Memory":     func(ctx context.Context) (proto.Message, error) { return c.Memory(ctx) },
		"EtcdStatus": func(ctx context.Context) (proto.Message, error) { return c.EtcdStatus(ctx) },
		"LoadAvg": func(ctx context.Context) (proto.Message, error) {
			return c.MachineClient.LoadAvg(ctx, &emptypb.Empty{})
		},
	} {
		one, err := call(on(t, node2))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		clock.Advance(47 * time.Minute)
		two, err := call(on(t, node2))
		if err != nil || !proto.Equal(one, two) {
			t.Errorf("%s moved (%v):\n%v\n%v", name, err, one, two)
		}
	}
}

func busyAndAll(s *machine.CPUStat) (busy, all float64) {
	busy = s.GetUser() + s.GetNice() + s.GetSystem() + s.GetIrq() + s.GetSoftIrq()
	return busy, busy + s.GetIdle() + s.GetIowait()
}

func TestStillCountsOnWithTheSameShare(t *testing.T) {
	clock := newClock()
	cl := start(t, "still", talosd.Options{Now: clock.Now})
	c := connect(t, cl, role.Reader, node1)
	for _, node := range []string{node1, node2, node3, node4} {
		var busy, all float64
		shares := map[string]bool{}
		for _, pause := range []time.Duration{0, 950 * time.Millisecond, 5 * time.Second, 1230 * time.Millisecond, 10 * time.Hour} {
			clock.Advance(pause)
			resp, err := c.MachineClient.SystemStat(on(t, node), &emptypb.Empty{})
			if err != nil {
				t.Fatal(err)
			}
			b, a := busyAndAll(resp.GetMessages()[0].GetCpuTotal())
			if pause > 0 {
				shares[fmt.Sprintf("%.6f", (b-busy)/(a-all))] = true
			}
			busy, all = b, a
		}
		want := fmt.Sprintf("%.6f", cl.Node(node).CPUBusy())
		if share := cl.Node(node).CPUBusy(); len(shares) != 1 || !shares[want] || math.IsNaN(share) || share < 0.04 || share > 0.5 {
			t.Errorf("%s: the counters gave the shares %v, want %s at any time", node, shares, want)
		}
	}
}

func TestStillKeepsTime(t *testing.T) {
	clock := newClock()
	c := connect(t, start(t, "still", talosd.Options{Now: clock.Now}), role.Reader, node1)
	logs := func() string {
		stream, err := c.Logs(on(t, node3), "system", 0, "kubelet", false, -1)
		if err != nil {
			t.Fatal(err)
		}
		return logText(t, stream)
	}
	before := logs()
	clock.Advance(time.Hour)
	if after := logs(); after != before || before == "" {
		t.Errorf("the kubelet's log grew from %d to %d bytes", len(before), len(after))
	}
	// A log that is first read now had its last line an hour ago, too.
	stream, err := c.Logs(on(t, node2), "system", 0, "kubelet", false, 1)
	if err != nil {
		t.Fatal(err)
	}
	var last struct{ TS float64 }
	if err := json.Unmarshal([]byte(logText(t, stream)), &last); err != nil {
		t.Fatal(err)
	}
	if age := clock.Now().Sub(time.UnixMilli(int64(last.TS))); age < 59*time.Minute {
		t.Errorf("the last line is %s old", age)
	}
	resp, err := c.TimeClient.Time(on(t, node3), &emptypb.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	if off := resp.GetMessages()[0].GetLocaltime().AsTime().Sub(clock.Now()); off.Abs() > time.Second {
		t.Errorf("the node's clock is off by %s", off)
	}
}

func TestCPUCountersFollowTheLoad(t *testing.T) {
	clock := newClock()
	cl := start(t, "turingpi", talosd.Options{Now: clock.Now})
	c := connect(t, cl, role.Reader, node1)
	read := func() *machine.CPUStat {
		resp, err := c.MachineClient.SystemStat(on(t, node3), &emptypb.Empty{})
		if err != nil {
			t.Fatal(err)
		}
		return resp.GetMessages()[0].GetCpuTotal()
	}
	a := read()
	low := cl.Node("talos-test03").CPUBusy()
	clock.Advance(10e9)
	b := read()
	high := cl.Node("talos-test03").CPUBusy()
	low, high = min(low, high), max(low, high)
	before, whole := busyAndAll(a)
	after, total := busyAndAll(b)
	share := (after - before) / (total - whole)
	if share < low-0.05 || share > high+0.05 || share <= 0 {
		t.Errorf("the counters say %.3f busy, the load was between %.3f and %.3f", share, low, high)
	}
	mem, err := c.Memory(on(t, node3))
	if err != nil {
		t.Fatal(err)
	}
	info := mem.GetMessages()[0].GetMeminfo()
	if used := int64(info.GetMemtotal()-info.GetMemavailable()) * 1024; used/1e6 != cl.Node("talos-test03").MemoryUsed()/1e6 {
		t.Errorf("meminfo says %d bytes used, the node %d", used, cl.Node("talos-test03").MemoryUsed())
	}
}

func TestMounts(t *testing.T) {
	c := connect(t, start(t, "still", talosd.Options{}), role.Reader, node1)
	resp, err := c.Mounts(on(t, node3))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range resp.GetMessages()[0].GetStats() {
		if m.GetMountedOn() == "/var" {
			if m.GetSize() < 250<<30 || m.GetAvailable() == 0 || m.GetAvailable() >= m.GetSize() {
				t.Errorf("/var is %v", m)
			}
			return
		}
	}
	t.Error("there is no /var")
}

func TestContainers(t *testing.T) {
	cl := start(t, "still", talosd.Options{Pods: func(string) []talosd.Pod {
		return []talosd.Pod{{Namespace: "apps", Name: "web-1", UID: "u", Containers: []talosd.Container{{Name: "web", Image: "nginx"}}}}
	}})
	c := connect(t, cl, role.Reader, node1)
	resp, err := c.Containers(on(t, node1), "k8s.io", common.ContainerDriver_CRI)
	if err != nil {
		t.Fatal(err)
	}
	var web, api string
	for _, info := range resp.GetMessages()[0].GetContainers() {
		switch info.GetName() {
		case "web":
			web = info.GetId()
		case "kube-apiserver":
			api = info.GetId()
		}
	}
	if !strings.HasPrefix(web, "apps/web-1:web:") || !strings.HasPrefix(api, "kube-system/kube-apiserver-talos-test01:kube-apiserver:") {
		t.Errorf("containers are %q and %q", web, api)
	}
	stream, err := c.Logs(on(t, node1), "k8s.io", common.ContainerDriver_CRI, api, false, 3)
	if err != nil {
		t.Fatal(err)
	}
	text := logText(t, stream)
	for line := range strings.Lines(text) {
		if !strings.Contains(line, " stderr F ") {
			t.Errorf("not a raw CRI line: %q", line)
		}
	}
	if strings.Count(text, "\n") != 3 {
		t.Errorf("got %q, want three lines", text)
	}
	resp, err = c.Containers(on(t, node3), "system", common.ContainerDriver_CONTAINERD)
	if err != nil || len(resp.GetMessages()[0].GetContainers()) != 1 {
		t.Errorf("system containers of a worker: %v %v, want apid alone", resp, err)
	}
}

func TestReadAndKubeconfig(t *testing.T) {
	cl := start(t, "still", talosd.Options{Kubeconfig: func(context.Context) ([]byte, error) { return []byte("apiVersion: v1\n"), nil }})
	c := connect(t, cl, role.Admin, node1)
	r, err := c.Read(on(t, node3), "/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil || strings.TrimSpace(string(got)) != cl.Node("talos-test03").BootID() {
		t.Errorf("boot ID %q (%v), want %q", got, err, cl.Node("talos-test03").BootID())
	}
	for path, want := range map[string]struct {
		code codes.Code
		text string
	}{
		"/nope": {codes.NotFound, "stat /nope: no such file or directory (this cluster simulates a few files only)"},
		"/proc": {codes.Unknown, "path must be a regular file"},
	} {
		r, err := c.Read(on(t, node3), path)
		if err == nil {
			_, err = io.ReadAll(r)
		}
		refused(t, err, want.code, want.text)
	}
	conf, err := c.Kubeconfig(on(t, node1))
	if err != nil || string(conf) != "apiVersion: v1\n" {
		t.Errorf("kubeconfig is %q, %v", conf, err)
	}
	list, err := c.LS(on(t, node3), &machine.ListRequest{Root: "/etc"})
	if err != nil {
		t.Fatal(err)
	}
	files, err := drain(list.Recv)
	if err != nil || len(files) != 4 || files[1].GetName() != "/etc/hostname" {
		t.Errorf("/etc holds %v, %v", files, err)
	}
}
