package talosd

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/siderolabs/talos/pkg/machinery/nethelpers"
	"github.com/siderolabs/talos/pkg/machinery/resources/block"
	"github.com/siderolabs/talos/pkg/machinery/resources/hardware"
	"github.com/siderolabs/talos/pkg/machinery/resources/network"
)

const (
	diskModel = "Samsung SSD 980"
	diskBus   = "/platform/a40000000.pcie/pci0000:00/0000:00:00.0/0000:01:00.0/nvme"
)

func (n *Node) diskSerial() string { return strings.ToUpper(hex(n.random("disk"), 15)) }

func (n *Node) fillHardware(f *filler) {
	system := hardware.NewSystemInformation(hardware.SystemInformationID)
	*system.TypedSpec() = hardware.SystemInformationSpec{
		Manufacturer: "Turing Machines", ProductName: "Turing RK1", Version: "rev 1.3", SerialNumber: hex(n.random("serial"), 16),
		UUID: n.UUID(), WakeUpType: "Power Switch", SKUNumber: "TRK1-" + fmt.Sprint(n.spec.Memory>>30) + "GB",
	}
	f.put("hardware.SystemInfoController", system)

	cpu := hardware.NewProcessorInfo("CPU-0")
	*cpu.TypedSpec() = hardware.ProcessorSpec{
		Socket: "SOC", Manufacturer: "Rockchip", ProductName: "RK3588", MaxSpeed: 2400, BootSpeed: 1800, Status: 65,
		CoreCount: uint32(n.spec.CPUs), CoreEnabled: uint32(n.spec.CPUs), ThreadCount: uint32(n.spec.CPUs),
	}
	f.put("hardware.SystemInfoController", cpu)

	memory := hardware.NewMemoryModuleInfo("onboard")
	*memory.TypedSpec() = hardware.MemoryModuleSpec{
		Size: uint32(n.spec.Memory >> 20), DeviceLocator: "onboard", BankLocator: "BANK 0", Speed: 2112, Manufacturer: "Samsung", ProductName: "LPDDR4X",
	}
	f.put("hardware.SystemInfoController", memory)
}

// partition is one part of the install disk.
type partition struct {
	label string
	size  uint64 // bytes; 0 takes the rest
	kind  block.FilesystemType
	mount string
}

var partitions = []partition{
	{"EFI", 100 << 20, block.FilesystemTypeVFAT, ""},
	{"BIOS", 1 << 20, block.FilesystemTypeNone, ""},
	{"BOOT", 2000 << 20, block.FilesystemTypeXFS, ""},
	{"META", 1 << 20, block.FilesystemTypeNone, ""},
	{"STATE", 100 << 20, block.FilesystemTypeXFS, "/system/state"},
	{"EPHEMERAL", 0, block.FilesystemTypeXFS, "/var"},
}

// pretty prints bytes as Talos does, in powers of a thousand.
func pretty(bytes uint64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB"}
	value, unit := float64(bytes), 0
	for value >= 1000 && unit < len(units)-1 {
		value /= 1000
		unit++
	}
	if value < 10 {
		return fmt.Sprintf("%.1f %s", value, units[unit])
	}
	return fmt.Sprintf("%.0f %s", value, units[unit])
}

func (n *Node) fillBlock(f *filler) {
	size := uint64(n.spec.Disk)
	disk := block.NewDisk(block.NamespaceName, "nvme0n1")
	*disk.TypedSpec() = block.DiskSpec{
		DevPath: "/dev/nvme0n1", Size: size, PrettySize: pretty(size), IOSize: 512, SectorSize: 512, Model: diskModel, Serial: n.diskSerial(),
		WWID: "eui." + n.diskSerial(), BusPath: diskBus, SubSystem: "/sys/class/block", Transport: "nvme",
	}
	f.put("block.DisksController", disk)

	system := block.NewSystemDisk(block.NamespaceName, block.SystemDiskID)
	*system.TypedSpec() = block.SystemDiskSpec{DiskID: "nvme0n1", DevPath: "/dev/nvme0n1"}
	f.put("block.SystemDiskController", system)

	whole := block.NewDiscoveredVolume(block.NamespaceName, "nvme0n1")
	*whole.TypedSpec() = block.DiscoveredVolumeSpec{
		DevPath: "/dev/nvme0n1", Type: "disk", DevicePath: "/devices" + diskBus + "/nvme0/nvme0n1", Size: size, PrettySize: pretty(size), SectorSize: 512, IOSize: 512, Name: "gpt",
	}
	f.put("block.DiscoveryController", whole)

	rest, offset := size-2<<20, uint64(1<<20)
	for _, p := range partitions {
		rest -= p.size
	}
	for i, p := range partitions {
		if p.size == 0 {
			p.size = rest
		}
		n.fillPartition(f, i+1, p, offset)
		offset += p.size
	}
}

func (n *Node) fillPartition(f *filler, index int, p partition, offset uint64) {
	id := fmt.Sprintf("nvme0n1p%d", index)
	volumeUUID, partUUID := uuid(n.random("volume"+p.label)), uuid(n.random("partition"+p.label))
	name := ""
	if p.kind != block.FilesystemTypeNone {
		name = p.kind.String()
	}
	found := block.NewDiscoveredVolume(block.NamespaceName, id)
	*found.TypedSpec() = block.DiscoveredVolumeSpec{
		DevPath: "/dev/" + id, Type: "partition", Parent: "nvme0n1", ParentDevPath: "/dev/nvme0n1", Offset: offset, Size: p.size, PrettySize: pretty(p.size),
		SectorSize: 512, IOSize: 512, Name: name, Label: p.label, UUID: volumeUUID, PartitionUUID: partUUID, PartitionLabel: p.label, PartitionIndex: uint(index),
	}
	f.put("block.DiscoveryController", found)
	if p.mount == "" && p.label != "META" {
		return
	}
	status := block.NewVolumeStatus(block.NamespaceName, p.label)
	*status.TypedSpec() = block.VolumeStatusSpec{
		Phase: block.VolumePhaseReady, Type: block.VolumeTypePartition, Location: "/dev/" + id, MountLocation: "/dev/" + id, ParentLocation: "/dev/nvme0n1",
		PartitionIndex: index, UUID: volumeUUID, PartitionUUID: partUUID, Size: p.size, PrettySize: pretty(p.size), Filesystem: p.kind,
		MountSpec: block.MountSpec{TargetPath: p.mount},
	}
	f.put("block.VolumeManagerController", status)
	if p.mount == "" {
		return
	}
	mounted := block.NewMountStatus(block.NamespaceName, p.label)
	mounted.TypedSpec().Spec.VolumeID = p.label
	mounted.TypedSpec().Source, mounted.TypedSpec().Target, mounted.TypedSpec().Filesystem = "/dev/"+id, p.mount, p.kind
	f.put("block.MountController", mounted)
}

func (n *Node) fillNetwork(f *filler) {
	hostname := network.NewHostnameStatus(network.NamespaceName, network.HostnameID)
	hostname.TypedSpec().Hostname = n.spec.Name
	f.put("network.HostnameSpecController", hostname)

	ready := network.NewStatus(network.NamespaceName, network.StatusID)
	*ready.TypedSpec() = network.StatusSpec{AddressReady: true, ConnectivityReady: true, HostnameReady: true, EtcFilesReady: true}
	f.put("network.StatusController", ready)

	own := n.prefix()
	addresses := []netip.Prefix{own}
	if n.c.vip() == n {
		if vip, err := netip.ParseAddr(n.c.scene.APIAddress); err == nil {
			addresses = append(addresses, netip.PrefixFrom(vip, 32))
		}
	}
	for _, id := range []string{network.NodeAddressDefaultID, network.NodeAddressCurrentID, network.NodeAddressAccumulativeID, network.NodeAddressRoutedID} {
		r := network.NewNodeAddress(network.NamespaceName, id)
		r.TypedSpec().Addresses = []netip.Prefix{own}
		if id == network.NodeAddressCurrentID {
			r.TypedSpec().Addresses = addresses
		}
		f.put("network.NodeAddressController", r)
	}
	n.fillVIP(f)
	for _, prefix := range addresses {
		n.fillAddress(f, "end0", 2, prefix)
	}
	n.fillAddress(f, "lo", 1, netip.PrefixFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 8))
	n.fillLinks(f)
	n.fillRoutes(f, own)

	resolver := network.NewResolverStatus(network.NamespaceName, network.ResolverID)
	resolver.TypedSpec().DNSServers = []netip.Addr{n.gateway()}
	f.put("network.ResolverSpecController", resolver)
	servers := network.NewTimeServerStatus(network.NamespaceName, network.TimeServerID)
	servers.TypedSpec().NTPServers = []string{ntpServer}
	f.put("network.TimeServerSpecController", servers)
}

// fillVIP puts the operator that holds the virtual address on one control plane.
func (n *Node) fillVIP(f *filler) {
	vip, err := netip.ParseAddr(n.c.scene.APIAddress)
	if err != nil || !n.spec.ControlPlane {
		return
	}
	spec := network.OperatorSpecSpec{
		Operator: network.OperatorVIP, LinkName: "end0", RequireUp: true,
		VIP: network.VIPOperatorSpec{IP: vip, GratuitousARP: true}, ConfigLayer: network.ConfigMachineConfiguration,
	}
	r := network.NewOperatorSpec(network.NamespaceName, network.OperatorID(spec))
	*r.TypedSpec() = spec
	f.put("network.OperatorMergeController", r)
}

// prefix is the node's address with the length of the node network.
func (n *Node) prefix() netip.Prefix {
	cidr, err := netip.ParsePrefix(n.c.scene.NodeCIDR)
	if err != nil {
		return netip.PrefixFrom(n.addr(), 24)
	}
	return netip.PrefixFrom(n.addr(), cidr.Bits())
}

// gateway is the first address of the node network.
func (n *Node) gateway() netip.Addr { return n.prefix().Masked().Addr().Next() }

func (n *Node) fillAddress(f *filler, link string, index uint32, prefix netip.Prefix) {
	r := network.NewAddressStatus(network.NamespaceName, link+"/"+prefix.String())
	*r.TypedSpec() = network.AddressStatusSpec{
		Address: prefix, Local: prefix.Addr(), LinkIndex: index, LinkName: link, Family: nethelpers.FamilyInet4,
		Scope: nethelpers.ScopeGlobal, Flags: nethelpers.AddressFlags(nethelpers.AddressPermanent),
	}
	f.put("network.AddressStatusController", r)
}

// mac is the hardware address of the node's network port.
func (n *Node) mac() nethelpers.HardwareAddr {
	mac := binary.BigEndian.AppendUint64(nil, n.random("mac").Uint64())[:6]
	mac[0] = mac[0]&^1 | 2
	return nethelpers.HardwareAddr(mac)
}

func (n *Node) fillLinks(f *filler) {
	end0 := network.NewLinkStatus(network.NamespaceName, "end0")
	*end0.TypedSpec() = network.LinkStatusSpec{
		Index: 2, Type: nethelpers.LinkEther, HardwareAddr: n.mac(), PermanentAddr: n.mac(), MTU: 1500, QueueDisc: "mq",
		OperationalState: nethelpers.OperStateUp, LinkState: true, SpeedMegabits: 1000, Duplex: nethelpers.Full, Driver: "rk_gmac-dwmac",
	}
	f.put("network.LinkStatusController", end0)
	lo := network.NewLinkStatus(network.NamespaceName, "lo")
	*lo.TypedSpec() = network.LinkStatusSpec{
		Index: 1, Type: nethelpers.LinkLoopbck, HardwareAddr: make(nethelpers.HardwareAddr, 6), MTU: 65536, QueueDisc: "noqueue",
		OperationalState: nethelpers.OperStateUnknown, LinkState: true,
	}
	f.put("network.LinkStatusController", lo)
}

func (n *Node) fillRoutes(f *filler, own netip.Prefix) {
	net := own.Masked()
	direct := network.NewRouteStatus(network.NamespaceName, "inet4//"+net.String()+"/0")
	*direct.TypedSpec() = network.RouteStatusSpec{
		Family: nethelpers.FamilyInet4, Destination: net, Source: n.addr(), OutLinkIndex: 2, OutLinkName: "end0", Table: nethelpers.TableMain,
		Scope: nethelpers.ScopeLink, Type: nethelpers.TypeUnicast, Protocol: nethelpers.ProtocolKernel,
	}
	f.put("network.RouteStatusController", direct)
	out := network.NewRouteStatus(network.NamespaceName, "inet4/"+n.gateway().String()+"//1024")
	*out.TypedSpec() = network.RouteStatusSpec{
		Family: nethelpers.FamilyInet4, Gateway: n.gateway(), OutLinkIndex: 2, OutLinkName: "end0", Table: nethelpers.TableMain, Priority: 1024,
		Scope: nethelpers.ScopeGlobal, Type: nethelpers.TypeUnicast, Protocol: nethelpers.ProtocolStatic,
	}
	f.put("network.RouteStatusController", out)
}
