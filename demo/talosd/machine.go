package talosd

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	cosi "github.com/cosi-project/runtime/api/v1alpha1"
	"github.com/siderolabs/talos/pkg/machinery/api/cluster"
	"github.com/siderolabs/talos/pkg/machinery/api/inspect"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"github.com/siderolabs/talos/pkg/machinery/api/storage"
	timeapi "github.com/siderolabs/talos/pkg/machinery/api/time"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// register puts all services on a server; each handler finds its node in the context.
func register(s *grpc.Server, c *Cluster) {
	machine.RegisterMachineServiceServer(s, &machineServer{c: c})
	machine.RegisterImageServiceServer(s, machine.UnimplementedImageServiceServer{})
	machine.RegisterDebugServiceServer(s, machine.UnimplementedDebugServiceServer{})
	machine.RegisterLifecycleServiceServer(s, machine.UnimplementedLifecycleServiceServer{})
	cluster.RegisterClusterServiceServer(s, cluster.UnimplementedClusterServiceServer{})
	inspect.RegisterInspectServiceServer(s, inspect.UnimplementedInspectServiceServer{})
	storage.RegisterStorageServiceServer(s, &storageServer{})
	timeapi.RegisterTimeServiceServer(s, &timeServer{})
	cosi.RegisterStateServer(s, &stateServer{})
}

// machineServer is Talos' MachineService; what it does not define is Unimplemented.
type machineServer struct {
	machine.UnimplementedMachineServiceServer
	c *Cluster
}

// buildOf makes up the commit of a Talos version; the simulation has no real one.
func buildOf(tag string) string {
	sum := sha256.Sum256([]byte("simulated Talos " + tag))
	return fmt.Sprintf("%x", sum[:4])
}

// Version tells the Talos version; these machines are bare metal.
func (m *machineServer) Version(ctx context.Context, _ *emptypb.Empty) (*machine.VersionResponse, error) {
	tag := targetOf(ctx).node.spec.Talos
	return &machine.VersionResponse{Messages: []*machine.Version{{
		Version:  &machine.VersionInfo{Tag: tag, Sha: buildOf(tag), GoVersion: "go1.26.6", Os: "linux", Arch: "arm64"},
		Platform: &machine.PlatformInfo{Name: "metal", Mode: "metal"},
		Features: &machine.FeaturesInfo{Rbac: true},
	}}}, nil
}

// Hostname tells the host name.
func (m *machineServer) Hostname(ctx context.Context, _ *emptypb.Empty) (*machine.HostnameResponse, error) {
	return &machine.HostnameResponse{Messages: []*machine.Hostname{{Hostname: targetOf(ctx).node.spec.Name}}}, nil
}

// ServiceList lists Talos' own services.
func (m *machineServer) ServiceList(ctx context.Context, _ *emptypb.Empty) (*machine.ServiceListResponse, error) {
	return &machine.ServiceListResponse{Messages: []*machine.ServiceList{{Services: targetOf(ctx).life.infos()}}}, nil
}

// ServiceStart starts a service that was stopped.
func (m *machineServer) ServiceStart(ctx context.Context, req *machine.ServiceStartRequest) (*machine.ServiceStartResponse, error) {
	if err := targetOf(ctx).life.control(req.GetId(), "start"); err != nil {
		return nil, err
	}
	return &machine.ServiceStartResponse{Messages: []*machine.ServiceStart{{Resp: fmt.Sprintf("Service %q started", req.GetId())}}}, nil
}

// ServiceStop stops a service; Talos lets none of the simulated ones be stopped.
func (m *machineServer) ServiceStop(ctx context.Context, req *machine.ServiceStopRequest) (*machine.ServiceStopResponse, error) {
	if err := targetOf(ctx).life.control(req.GetId(), "stop"); err != nil {
		return nil, err
	}
	return &machine.ServiceStopResponse{Messages: []*machine.ServiceStop{{Resp: fmt.Sprintf("Service %q stopped", req.GetId())}}}, nil
}

// ServiceRestart restarts a service.
func (m *machineServer) ServiceRestart(ctx context.Context, req *machine.ServiceRestartRequest) (*machine.ServiceRestartResponse, error) {
	if err := targetOf(ctx).life.control(req.GetId(), "restart"); err != nil {
		return nil, err
	}
	return &machine.ServiceRestartResponse{Messages: []*machine.ServiceRestart{{Resp: fmt.Sprintf("Service %q restarted", req.GetId())}}}, nil
}

// SystemStat tells the CPU times in seconds since the boot.
func (m *machineServer) SystemStat(ctx context.Context, _ *emptypb.Empty) (*machine.SystemStatResponse, error) {
	t := targetOf(ctx)
	up := t.node.load.counted(t.life.uptime())
	total := &machine.CPUStat{}
	stat := &machine.SystemStat{BootTime: uint64(t.life.boot.Unix()), CpuTotal: total}
	for _, c := range t.node.load.cores {
		cpu := cpuTimes(up, c.busySeconds(up))
		total.User += cpu.User
		total.Nice += cpu.Nice
		total.System += cpu.System
		total.Irq += cpu.Irq
		total.SoftIrq += cpu.SoftIrq
		total.Iowait += cpu.Iowait
		total.Idle += cpu.Idle
		stat.Cpu = append(stat.Cpu, cpu)
	}
	stat.IrqTotal = uint64(up * 1900)
	stat.ContextSwitches = uint64(up * 3400)
	stat.ProcessCreated = 2200 + uint64(up*1.7)
	stat.ProcessRunning = 1 + uint64(t.node.CPUBusy()*float64(len(stat.GetCpu())))
	stat.SoftIrqTotal = uint64(up * 1100)
	stat.SoftIrq = &machine.SoftIRQStat{Timer: uint64(up * 400), NetTx: uint64(up * 20), NetRx: uint64(up * 300), Sched: uint64(up * 250), Rcu: uint64(up * 130)}
	return &machine.SystemStatResponse{Messages: []*machine.SystemStat{stat}}, nil
}

// cpuTimes splits a core's time since the boot; the parts add up to it.
func cpuTimes(up, busy float64) *machine.CPUStat {
	all, work := math.Round(up*100), math.Round(busy*100)
	nice, system, irq, soft, wait := math.Floor(work*0.02), math.Floor(work*0.34), math.Floor(work*0.02), math.Floor(work*0.04), math.Floor(all*0.004)
	return &machine.CPUStat{
		User: (work - nice - system - irq - soft) / 100, Nice: nice / 100, System: system / 100, Irq: irq / 100, SoftIrq: soft / 100,
		Iowait: wait / 100, Idle: (all - work - wait) / 100,
	}
}

// cents rounds to hundredths of a second, the kernel's unit.
func cents(seconds float64) float64 { return math.Round(seconds*100) / 100 }

// LoadAvg tells the load averages.
func (m *machineServer) LoadAvg(ctx context.Context, _ *emptypb.Empty) (*machine.LoadAvgResponse, error) {
	t := targetOf(ctx)
	up := t.life.uptime()
	avg := func(window time.Duration) float64 { return cents(t.node.load.average(up, window) * 1.15) }
	return &machine.LoadAvgResponse{Messages: []*machine.LoadAvg{{
		Load1: avg(time.Minute), Load5: avg(5 * time.Minute), Load15: avg(15 * time.Minute),
	}}}, nil
}

// CPUInfo tells the cores of an RK1 module: four little ones, four big ones.
func (m *machineServer) CPUInfo(ctx context.Context, _ *emptypb.Empty) (*machine.CPUInfoResponse, error) {
	out := &machine.CPUsInfo{}
	for i := range targetOf(ctx).node.spec.CPUs {
		out.CpuInfo = append(out.CpuInfo, &machine.CPUInfo{
			Processor: uint32(i), CpuFamily: "8", BogoMips: 48,
			Flags: []string{"fp", "asimd", "evtstrm", "aes", "pmull", "sha1", "sha2", "crc32", "atomics", "fphp", "asimdhp", "cpuid", "asimdrdm", "lrcpc", "dcpop", "asimddp"},
		})
	}
	return &machine.CPUInfoResponse{Messages: []*machine.CPUsInfo{out}}, nil
}

// CPUFreqStats tells the clock of every core in kHz.
func (m *machineServer) CPUFreqStats(ctx context.Context, _ *emptypb.Empty) (*machine.CPUFreqStatsResponse, error) {
	t := targetOf(ctx)
	out := &machine.CPUsFreqStats{}
	for _, c := range t.node.load.cores {
		out.CpuFreqStats = append(out.CpuFreqStats, &machine.CPUFreqStats{
			CurrentFrequency: 408000 + uint64(c.busy(t.life.uptime())*14)*96000,
			MinimumFrequency: 408000, MaximumFrequency: 1800000, Governor: "schedutil",
		})
	}
	return &machine.CPUFreqStatsResponse{Messages: []*machine.CPUsFreqStats{out}}, nil
}

// Memory tells what /proc/meminfo says, in kB.
func (m *machineServer) Memory(ctx context.Context, _ *emptypb.Empty) (*machine.MemoryResponse, error) {
	n := targetOf(ctx).node
	total := uint64(n.spec.Memory) / 1024
	used := uint64(n.MemoryUsed()) / 1024
	cached, buffers, sreclaimable := total/5, total/180, total/60
	available := total - used
	free := available - cached - buffers - sreclaimable
	return &machine.MemoryResponse{Messages: []*machine.Memory{{Meminfo: &machine.MemInfo{
		Memtotal: total, Memfree: free, Memavailable: available, Buffers: buffers, Cached: cached,
		Active: used * 2 / 3, Inactive: cached, Anonpages: used / 2, Activeanon: used / 3, Inactiveanon: used / 6,
		Activefile: cached / 2, Inactivefile: cached / 2, Mapped: cached / 4, Shmem: total / 900, Dirty: 1200 + used%900,
		Slab: sreclaimable * 3 / 2, Sreclaimable: sreclaimable, Sunreclaim: sreclaimable / 2, Kernelstack: 9200, Pagetables: total / 500,
		Commitlimit: total / 2, Committedas: used * 2, Vmalloctotal: 133141626880, Vmallocused: 29000, Hugepagesize: 2048,
	}}}}, nil
}

// Mounts lists the file systems with their sizes in bytes.
func (m *machineServer) Mounts(ctx context.Context, _ *emptypb.Empty) (*machine.MountsResponse, error) {
	n := targetOf(ctx).node
	out := &machine.Mounts{}
	for _, mount := range n.mounts() {
		stat := &machine.MountStat{Filesystem: mount.source, MountedOn: mount.target, Size: mount.size}
		if mount.size > 0 {
			stat.Available = mount.size - mount.used
		}
		out.Stats = append(out.Stats, stat)
	}
	return &machine.MountsResponse{Messages: []*machine.Mounts{out}}, nil
}

// mount is a mounted file system; sizes are in bytes, 0 for those without.
type mount struct {
	source, target, kind string
	size, used           uint64
}

func (n *Node) mounts() []mount {
	disk := uint64(n.spec.Disk)
	data := disk - 2400<<20 // what the system's partitions leave
	used := uint64(n.DiskUsed())
	memory := uint64(n.spec.Memory)
	return []mount{
		{"devtmpfs", "/dev", "devtmpfs", memory/2 - 4<<20, 0},
		{"proc", "/proc", "proc", 0, 0},
		{"sysfs", "/sys", "sysfs", 0, 0},
		{"tmpfs", "/run", "tmpfs", memory / 2, 5 << 20},
		{"tmpfs", "/system", "tmpfs", memory / 2, 1 << 20},
		{"tmpfs", "/tmp", "tmpfs", 64 << 20, 0},
		{"/dev/loop0", "/", "squashfs", 76 << 20, 76 << 20},
		{"overlay", "/etc/cni", "overlay", data, used},
		{"overlay", "/etc/kubernetes", "overlay", data, used},
		{"/dev/nvme0n1p5", "/system/state", "xfs", 92 << 20, 6 << 20},
		{"/dev/nvme0n1p6", "/var", "xfs", data, used},
	}
}

// DiskStats tells the counters of the disks since the boot.
func (m *machineServer) DiskStats(ctx context.Context, _ *emptypb.Empty) (*machine.DiskStatsResponse, error) {
	t := targetOf(ctx)
	work := t.node.load.busySeconds(t.life.uptime())
	stat := func(name string) *machine.DiskStat {
		return &machine.DiskStat{
			Name: name, ReadCompleted: 30000 + uint64(work*2), ReadMerged: 900, ReadSectors: 2400000 + uint64(work*60), ReadTimeMs: 20000 + uint64(work),
			WriteCompleted: uint64(work * 21), WriteMerged: uint64(work * 9), WriteSectors: uint64(work * 420), WriteTimeMs: uint64(work * 30),
			IoTimeMs: uint64(work * 12), IoTimeWeightedMs: uint64(work * 31),
		}
	}
	return &machine.DiskStatsResponse{Messages: []*machine.DiskStats{{
		Total:   stat(""),
		Devices: []*machine.DiskStat{{Name: "loop0", ReadCompleted: 84, ReadSectors: 24576, ReadTimeMs: 25, IoTimeMs: 20, IoTimeWeightedMs: 25}, stat("nvme0n1")},
	}}}, nil
}

// NetworkDeviceStats tells the counters of the network devices since the boot.
func (m *machineServer) NetworkDeviceStats(ctx context.Context, _ *emptypb.Empty) (*machine.NetworkDeviceStatsResponse, error) {
	t := targetOf(ctx)
	bytes := t.node.load.net.busySeconds(t.life.uptime()) * 100e3
	dev := func(name string, rx, tx float64) *machine.NetDev {
		return &machine.NetDev{Name: name, RxBytes: uint64(rx), RxPackets: uint64(rx / 610), TxBytes: uint64(tx), TxPackets: uint64(tx / 540)}
	}
	lo, end := dev("lo", bytes/6, bytes/6), dev("end0", bytes, bytes*0.7)
	total := dev("end0, lo", bytes*7/6, bytes*0.7+bytes/6)
	return &machine.NetworkDeviceStatsResponse{Messages: []*machine.NetworkDeviceStats{{Total: total, Devices: []*machine.NetDev{lo, end}}}}, nil
}

// Processes lists what runs: the programs of Talos and of the control plane.
func (m *machineServer) Processes(ctx context.Context, _ *emptypb.Empty) (*machine.ProcessesResponse, error) {
	t := targetOf(ctx)
	busy := t.node.load.busySeconds(t.life.uptime())
	out := &machine.Process{}
	for i, name := range t.life.programs() {
		u := t.node.useOf(name)
		p := &machine.ProcessInfo{
			Pid: int32(1200 + 31*i), Ppid: 1, State: "S", Threads: int32(5 + i%9), CpuTime: cents(busy * u.cpu),
			VirtualMemory: u.memory << 20 * 9, ResidentMemory: u.memory << 20,
			Command: name, Executable: "/usr/bin/" + name, Args: "/usr/bin/" + name,
		}
		if name == "machined" {
			p.Pid, p.Ppid, p.Command, p.Executable, p.Args = 1, 0, "init", "/usr/bin/init", "/sbin/init"
		}
		out.Processes = append(out.Processes, p)
	}
	return &machine.ProcessesResponse{Messages: []*machine.Process{out}}, nil
}

// programs are the names of the processes that run.
func (l *life) programs() []string {
	names := []string{"machined", "containerd", "systemd-udevd"}
	if l.n.spec.ControlPlane {
		names = append(names, "kube-apiserver", "kube-controller-manager", "kube-scheduler")
	}
	for _, s := range l.infos() {
		switch s.GetId() {
		case "apid", "dashboard", "etcd", "kubelet", "trustd":
			if s.GetState() == "Running" {
				names = append(names, s.GetId())
			}
		}
	}
	return names
}

// storageServer is Talos' older StorageService.
type storageServer struct {
	storage.UnimplementedStorageServiceServer
}

// Disks lists the disks.
func (*storageServer) Disks(ctx context.Context, _ *emptypb.Empty) (*storage.DisksResponse, error) {
	n := targetOf(ctx).node
	return &storage.DisksResponse{Messages: []*storage.Disks{{Disks: []*storage.Disk{{
		Size: uint64(n.spec.Disk), Model: diskModel, DeviceName: "/dev/nvme0n1", Serial: n.diskSerial(), Wwid: "eui." + n.diskSerial(),
		Type: storage.Disk_NVME, BusPath: diskBus, SystemDisk: true, Subsystem: "/sys/class/block",
	}}}}}, nil
}

// timeServer is Talos' TimeService.
type timeServer struct {
	timeapi.UnimplementedTimeServiceServer
}

// Time compares the node's clock with its time server's.
func (*timeServer) Time(ctx context.Context, _ *emptypb.Empty) (*timeapi.TimeResponse, error) {
	return timeReply(ctx, ntpServer), nil
}

// TimeCheck compares the node's clock with a given server's.
func (*timeServer) TimeCheck(ctx context.Context, req *timeapi.TimeRequest) (*timeapi.TimeResponse, error) {
	return timeReply(ctx, req.GetServer()), nil
}

func timeReply(ctx context.Context, server string) *timeapi.TimeResponse {
	n := targetOf(ctx).node
	now := n.c.now()
	drift := time.Duration(n.random("drift").IntN(3000)) * time.Microsecond
	return &timeapi.TimeResponse{Messages: []*timeapi.Time{{
		Server: server, Localtime: timestamppb.New(now.Add(drift)), Remotetime: timestamppb.New(now),
	}}}
}

// minor returns the minor number of a version such as v1.13.9, 0 when it has none.
func minor(version string) int {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 2 {
		return 0
	}
	number, err := strconv.Atoi(parts[1])
	if err != nil {
		return 0
	}
	return number
}
