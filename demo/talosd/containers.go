package talosd

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/siderolabs/talos/pkg/machinery/api/common"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"github.com/siderolabs/talos/pkg/machinery/constants"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const pauseImage = "registry.k8s.io/pause:3.10.2"

// StaticPods are the pods that a control plane's kubelet runs by itself.
func (n *Node) StaticPods() []Pod {
	if !n.spec.ControlPlane {
		return nil
	}
	var out []Pod
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		out = append(out, Pod{
			Namespace: "kube-system", Name: name + "-" + n.spec.Name, UID: hex(n.random("pod/"+name), 32),
			Containers: []Container{{Name: name, Image: "registry.k8s.io/" + name + ":" + n.c.scene.Kubernetes}},
		})
	}
	return out
}

func (n *Node) pods() []Pod {
	out := n.StaticPods()
	if n.c.opts.Pods == nil {
		return out
	}
	for _, pod := range n.c.opts.Pods(n.spec.Name) {
		same := func(p Pod) bool { return p.Namespace == pod.Namespace && p.Name == pod.Name }
		if i := slices.IndexFunc(out, same); i >= 0 {
			out[i] = pod
		} else {
			out = append(out, pod)
		}
	}
	slices.SortFunc(out, func(a, b Pod) int { return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name) })
	return out
}

// containers lists the containers of a namespace as its container runtime does.
func (n *Node) containers(namespace string, driver common.ContainerDriver) ([]*machine.ContainerInfo, error) {
	switch {
	case namespace == "":
		return nil, status.Error(codes.InvalidArgument, "namespace can't be empty")
	case driver == common.ContainerDriver_CRI && namespace == constants.K8sContainerdNamespace:
		return n.podContainers(), nil
	case driver == common.ContainerDriver_CONTAINERD:
		return n.systemContainers(namespace), nil
	default:
		return nil, status.Errorf(codes.InvalidArgument, "unsupported driver %q", driver)
	}
}

func (n *Node) systemContainers(namespace string) []*machine.ContainerInfo {
	if namespace != constants.SystemContainerdNamespace {
		return nil
	}
	ids := []string{"apid"}
	if n.spec.ControlPlane {
		ids = append(ids, "trustd")
	}
	var out []*machine.ContainerInfo
	for i, id := range ids {
		out = append(out, &machine.ContainerInfo{Namespace: namespace, Id: id, Pid: uint32(1125 + 19*i), Status: "RUNNING", PodId: id, Name: id})
	}
	return out
}

func (n *Node) podContainers() []*machine.ContainerInfo {
	var out []*machine.ContainerInfo
	for i, pod := range n.pods() {
		id := pod.Namespace + "/" + pod.Name
		rng := n.random("sandbox/" + id + n.BootID())
		sandbox := &machine.ContainerInfo{
			Namespace: constants.K8sContainerdNamespace, Id: id, Uid: pod.UID, InternalId: hex(rng, 64), Image: pauseImage,
			Pid: uint32(1378 + 57*i), Status: "SANDBOX_READY", PodId: id, Name: id,
		}
		out = append(out, sandbox)
		for j, c := range pod.Containers {
			internal := containerID(rng, c)
			info := &machine.ContainerInfo{
				Namespace: constants.K8sContainerdNamespace, Id: fmt.Sprintf("%s:%s:%s", id, c.Name, internal[:idShown]), Uid: pod.UID,
				InternalId: internal, Image: c.Image, Pid: uint32(1953 + 57*i + 11*j), Status: "CONTAINER_RUNNING", PodId: id, Name: c.Name,
			}
			if c.Exited {
				info.Pid, info.Status = 0, "CONTAINER_EXITED"
			}
			out = append(out, info)
		}
	}
	return out
}

// idShown is how much of a container's ID its name has.
const idShown = 12

func containerID(rng *rand.Rand, c Container) string {
	internal := hex(rng, 64)
	if len(c.ID) >= idShown {
		return c.ID
	}
	return internal
}

// container finds a container by the name that a caller gives it.
func (n *Node) container(namespace string, driver common.ContainerDriver, id string) (*machine.ContainerInfo, error) {
	list, err := n.containers(namespace, driver)
	if err != nil {
		return nil, err
	}
	for _, c := range list {
		if c.GetId() == id || c.GetInternalId() == id {
			return c, nil
		}
	}
	return nil, fmt.Errorf("container %q not found", id)
}

// Containers lists containers.
func (m *machineServer) Containers(ctx context.Context, req *machine.ContainersRequest) (*machine.ContainersResponse, error) {
	list, err := targetOf(ctx).node.containers(req.GetNamespace(), req.GetDriver())
	if err != nil {
		return nil, err
	}
	return &machine.ContainersResponse{Messages: []*machine.Container{{Containers: list}}}, nil
}

// Stats tells the memory in bytes and the CPU time in nanoseconds of containers.
func (m *machineServer) Stats(ctx context.Context, req *machine.StatsRequest) (*machine.StatsResponse, error) {
	t := targetOf(ctx)
	list, err := t.node.containers(req.GetNamespace(), req.GetDriver())
	if err != nil {
		return nil, err
	}
	measured := t.node.measured()
	out := &machine.Stats{}
	for _, c := range list {
		stat := &machine.Stat{Namespace: c.GetNamespace(), Id: c.GetId(), PodId: c.GetPodId(), Name: c.GetName()}
		switch m, known := measured[c.GetInternalId()]; {
		case c.GetStatus() == "SANDBOX_READY" || c.GetStatus() == "CONTAINER_EXITED":
		case known:
			stat.CpuUsage, stat.MemoryUsage = t.life.cpuTime(m), uint64(m.Memory)
		default:
			u := t.node.useOf(c.GetName())
			stat.CpuUsage = uint64(t.node.load.busySeconds(t.life.uptime()) * u.cpu * 1e9)
			stat.MemoryUsage = uint64(float64(u.memory<<20) * t.node.load.memory.busy(t.life.uptime()) / t.node.load.memory.level)
		}
		out.Stats = append(out.Stats, stat)
	}
	return &machine.StatsResponse{Messages: []*machine.Stats{out}}, nil
}

// measured are the containers whose use is known, by their ID.
func (n *Node) measured() map[string]Container {
	out := map[string]Container{}
	for _, pod := range n.pods() {
		for _, c := range pod.Containers {
			if c.ID != "" && c.Memory > 0 {
				out[c.ID] = c
			}
		}
	}
	return out
}

// cpuTime is the time in nanoseconds that a container has computed since its
// start, or since the machine's.
func (l *life) cpuTime(c Container) uint64 {
	ran := l.n.c.now().Sub(later(c.Started, l.boot))
	return uint64(max(ran.Seconds(), 0) * c.CPU * 1e9)
}
