package talosd

import (
	"context"
	"fmt"

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
	if n.c.opts.Pods != nil {
		out = append(out, n.c.opts.Pods(n.spec.Name)...)
	}
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
		out = append(out, &machine.ContainerInfo{
			Namespace: constants.K8sContainerdNamespace, Id: id, Uid: pod.UID, InternalId: hex(rng, 64), Image: pauseImage,
			Pid: uint32(1378 + 57*i), Status: "SANDBOX_READY", PodId: id, Name: id,
		})
		for j, c := range pod.Containers {
			internal := hex(rng, 64)
			out = append(out, &machine.ContainerInfo{
				Namespace: constants.K8sContainerdNamespace, Id: fmt.Sprintf("%s:%s:%s", id, c.Name, internal[:12]), Uid: pod.UID,
				InternalId: internal, Image: c.Image, Pid: uint32(1953 + 57*i + 11*j), Status: "CONTAINER_RUNNING", PodId: id, Name: c.Name,
			})
		}
	}
	return out
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
	busy := t.node.load.busySeconds(t.life.uptime())
	out := &machine.Stats{}
	for _, c := range list {
		stat := &machine.Stat{Namespace: c.GetNamespace(), Id: c.GetId(), PodId: c.GetPodId(), Name: c.GetName()}
		if c.GetStatus() != "SANDBOX_READY" {
			u := t.node.useOf(c.GetName())
			stat.CpuUsage = uint64(busy * u.cpu * 1e9)
			stat.MemoryUsage = u.memory<<20 + uint64(busy)%512<<10
		}
		out.Stats = append(out.Stats, stat)
	}
	return &machine.StatsResponse{Messages: []*machine.Stats{out}}, nil
}
