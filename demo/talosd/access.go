package talosd

import (
	"context"

	"github.com/siderolabs/talos/pkg/machinery/role"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// errNotAuthorized is how Talos refuses a call that the role does not allow.
var errNotAuthorized = status.Error(codes.PermissionDenied, "not authorized")

var (
	admins    = role.MakeSet(role.Admin)
	operators = role.MakeSet(role.Admin, role.Operator)
	readers   = role.MakeSet(role.Admin, role.Operator, role.Reader)
	backups   = role.MakeSet(role.Admin, role.Operator, role.EtcdBackup)
	etcdViews = role.MakeSet(role.Admin, role.Operator, role.Reader, role.EtcdBackup)
	metaRoles = role.MakeSet(role.Admin, role.MetaWriter)
)

// allowed are the roles of every method that is not for admins alone, as in
// Talos' machined; ApplyConfiguration and BlockDeviceWipe let readers in only
// in maintenance mode, which a node of a scene is never in.
var allowed = func() map[string]role.Set {
	out := map[string]role.Set{
		"/cluster.ClusterService/HealthCheck":                   readers,
		"/inspect.InspectService/ControllerRuntimeDependencies": readers,
		"/machine.ImageService/List":                            readers,
		"/machine.ImageService/Pull":                            operators,
		"/machine.ImageService/Verify":                          readers,
		"/storage.StorageService/Disks":                         readers,
		"/time.TimeService/Time":                                readers,
		"/time.TimeService/TimeCheck":                           readers,
		"/cosi.resource.State/Get":                              readers,
		"/cosi.resource.State/List":                             readers,
		"/cosi.resource.State/Watch":                            readers,
	}
	machine := func(set role.Set, methods ...string) {
		for _, m := range methods {
			out["/machine.MachineService/"+m] = set
		}
	}
	machine(readers, "CPUInfo", "CPUFreqStats", "Containers", "DiskStats", "DiskUsage", "Dmesg", "Events", "Hostname",
		"ImageList", "List", "LoadAvg", "Logs", "LogsContainers", "Memory", "Mounts", "NetworkDeviceStats", "Netstat",
		"Processes", "ServiceList", "Stats", "SystemStat", "Version")
	machine(operators, "EtcdAlarmDisarm", "EtcdDefragment", "ImagePull", "PacketCapture", "Reboot", "Restart",
		"ServiceRestart", "ServiceStart", "ServiceStop", "Shutdown")
	machine(etcdViews, "EtcdAlarmList", "EtcdMemberList", "EtcdStatus")
	machine(backups, "EtcdSnapshot")
	machine(metaRoles, "MetaWrite", "MetaDelete")
	return out
}()

func authorize(roles role.Set, method string) error {
	set, ok := allowed[method]
	if !ok {
		set = admins
	}
	if !set.IncludesAny(roles) {
		return errNotAuthorized
	}
	return nil
}

// caller is who makes a call.
type caller struct {
	roles   role.Set
	address string
}

// callerOf reads the roles from the organizations of the client's certificate.
func callerOf(ctx context.Context) caller {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return caller{roles: role.Zero}
	}
	who := caller{roles: role.Zero, address: p.Addr.String()}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.PeerCertificates) == 0 {
		return who
	}
	who.roles, _ = role.Parse(info.State.PeerCertificates[0].Subject.Organization)
	return who
}
