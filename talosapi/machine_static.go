package talosapi

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/siderolabs/talos/pkg/machinery/api/common"
	machineapi "github.com/siderolabs/talos/pkg/machinery/api/machine"
	"github.com/siderolabs/talos/pkg/machinery/resources/config"
	"github.com/siderolabs/talos/pkg/machinery/resources/hardware"
	"github.com/siderolabs/talos/pkg/machinery/resources/network"
	"github.com/siderolabs/talos/pkg/machinery/resources/runtime"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
)

var (
	extensionStatuses = kind{runtime.NamespaceName, runtime.ExtensionStatusType}
	// Types of Talos 1.14, which this machinery does not know: read by their YAML.
	bootIDs    = kind{runtime.NamespaceName, "BootIDs.runtime.talos.dev"}
	schematics = kind{runtime.NamespaceName, "ImageFactorySchematics.runtime.talos.dev"}
)

// describe reads what changes only with a boot or an upgrade.
func (m *machine) describe(ctx context.Context, news *[]change) bool {
	return m.gatherParts(ctx, news, readVersion, readRole, readHardware, readExtensions, readBootID, readKernel, readClock)
}

func readVersion(ctx context.Context, conn *grpc.ClientConn) (change, error) {
	resp, err := machineapi.NewMachineServiceClient(conn).Version(ctx, &emptypb.Empty{})
	if err != nil || len(resp.GetMessages()) == 0 {
		return nil, err
	}
	msg := resp.GetMessages()[0]
	version, arch := feed.Clean(msg.GetVersion().GetTag()), feed.Clean(msg.GetVersion().GetArch())
	platform := feed.Clean(msg.GetPlatform().GetName())
	return func(v *cluster.Machine) { v.Version, v.Arch, v.Platform = version, arch, platform }, nil
}

func readRole(ctx context.Context, conn *grpc.ClientConn) (change, error) {
	r, err := get[*config.MachineType](ctx, conn, machineTypes, config.MachineTypeID)
	if err != nil {
		return nil, err
	}
	role := roleOf(r.MachineType().String())
	return func(v *cluster.Machine) { v.Role = role }, nil
}

func readHardware(ctx context.Context, conn *grpc.ClientConn) (change, error) {
	r, err := get[*hardware.SystemInformation](ctx, conn, systemInfos, hardware.SystemInformationID)
	if err != nil {
		return nil, err
	}
	uuid, serial := feed.Clean(r.TypedSpec().UUID), feed.Clean(r.TypedSpec().SerialNumber)
	return func(v *cluster.Machine) { v.UUID, v.Serial = uuid, serial }, nil
}

// readExtensions reads the system extensions; the image factory adds one by the
// name "schematic" whose version is the schematic's id.
func readExtensions(ctx context.Context, conn *grpc.ClientConn) (change, error) {
	all, err := list[*runtime.ExtensionStatus](ctx, conn, extensionStatuses)
	if err != nil {
		return nil, err
	}
	var names []string
	schematic := ""
	for _, e := range all {
		name, version := feed.Clean(e.TypedSpec().Metadata.Name), feed.Clean(e.TypedSpec().Metadata.Version)
		switch name {
		case "schematic":
			schematic = version
		case "modules.dep":
		default:
			names = append(names, strings.TrimSpace(name+" "+version))
		}
	}
	if schematic == "" {
		schematic = readSchematic(ctx, conn)
	}
	slices.Sort(names)
	return func(v *cluster.Machine) { v.Extensions, v.Schematic = names, schematic }, nil
}

// readSchematic reads the schematic where Talos 1.14 keeps it; empty: not told.
func readSchematic(ctx context.Context, conn *grpc.ClientConn) string {
	all, err := listRaw(ctx, conn, schematics)
	if err != nil || len(all) != 1 {
		return ""
	}
	var spec struct {
		ID string `yaml:"schematicId"`
	}
	if decodeYAML(all[0], &spec) != nil {
		return ""
	}
	return feed.Clean(spec.ID)
}

// readBootID prefers the resource of Talos 1.14 and falls back to the file, which
// takes a role that may read files.
func readBootID(ctx context.Context, conn *grpc.ClientConn) (change, error) {
	id := ""
	if all, err := listRaw(ctx, conn, bootIDs); err == nil && len(all) == 1 {
		var spec struct {
			ID string `yaml:"bootID"`
		}
		if decodeYAML(all[0], &spec) == nil {
			id = feed.Clean(spec.ID)
		}
	}
	var err error
	if id == "" {
		id, err = readFile(ctx, conn, "/proc/sys/kernel/random/boot_id")
	}
	return func(v *cluster.Machine) { v.BootID = id }, ignoreRefusal(err)
}

func readKernel(ctx context.Context, conn *grpc.ClientConn) (change, error) {
	release, err := readFile(ctx, conn, "/proc/sys/kernel/osrelease")
	return func(v *cluster.Machine) { v.Kernel = release }, ignoreRefusal(err)
}

// ignoreRefusal drops the error of a node that answered but did not tell.
func ignoreRefusal(err error) error {
	if err != nil && serverSaid(err) && !unreachable(err) {
		return nil
	}
	return err
}

// maxSmallFile bounds what readFile takes in.
const maxSmallFile = 4096

// readFile reads a small text file of the node, without blanks around it.
func readFile(ctx context.Context, conn *grpc.ClientConn, path string) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := machineapi.NewMachineServiceClient(conn).Read(ctx, &machineapi.ReadRequest{Path: path})
	if err != nil {
		return "", err
	}
	text, err := gather(stream, maxSmallFile)
	if err != nil {
		return "", err
	}
	return feed.Clean(strings.TrimSpace(string(text))), nil
}

// dataStream is a stream of bytes, as logs, files and archives come.
type dataStream interface {
	Recv() (*common.Data, error)
}

// errTooLong says that a stream brought more than it may.
var errTooLong = errors.New("the answer is too long")

// gather reads a stream to its end, at most limit bytes.
func gather(stream dataStream, limit int) ([]byte, error) {
	var out []byte
	for {
		d, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if out = append(out, d.GetBytes()...); len(out) > limit {
			return nil, errTooLong
		}
	}
}

// survey reads what moves slowly: file systems, host name, addresses.
func (m *machine) survey(ctx context.Context, news *[]change) bool {
	return m.gatherParts(ctx, news, readDisk, readHostname, m.readAddresses)
}

// readDisk finds the file system of EPHEMERAL, which Talos mounts on /var.
func readDisk(ctx context.Context, conn *grpc.ClientConn) (change, error) {
	resp, err := machineapi.NewMachineServiceClient(conn).Mounts(ctx, &emptypb.Empty{})
	if err != nil {
		return nil, err
	}
	usage := cluster.Opt[cluster.Usage]{}
	for _, msg := range resp.GetMessages() {
		for _, s := range msg.GetStats() {
			if s.GetMountedOn() == "/var" && s.GetSize() > 0 && s.GetAvailable() <= s.GetSize() {
				usage = cluster.Some(cluster.Usage{Used: int64(s.GetSize() - s.GetAvailable()), Total: int64(s.GetSize())})
			}
		}
	}
	return func(v *cluster.Machine) { v.Disk = usage }, nil
}

func readHostname(ctx context.Context, conn *grpc.ClientConn) (change, error) {
	r, err := get[*network.HostnameStatus](ctx, conn, hostnames, network.HostnameID)
	if err != nil {
		return nil, err
	}
	name := feed.Clean(r.TypedSpec().Hostname)
	return func(v *cluster.Machine) { v.Hostname = name }, nil
}

func (m *machine) readAddresses(ctx context.Context, conn *grpc.ClientConn) (change, error) {
	got, err := askAddresses(ctx, conn)
	if err != nil {
		return nil, err
	}
	m.client.learnVIPs(got.shared)
	own := m.client.own(got.own)
	return func(v *cluster.Machine) { v.Addresses = own }, nil
}
