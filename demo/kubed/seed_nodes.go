package kubed

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

const controlPlaneLabel = "node-role.kubernetes.io/control-plane"

func seedNodes(m *sim, t tx) {
	for _, n := range m.scene.Nodes {
		node := m.newNode(n, m.ago(clusterAge))
		node.ManagedFields = nodeFieldsOf(node, m.began.Add(-clusterAge))
		t.put(nodes, node)
		t.put(csiNodes, m.newCSINode(node))
		t.put(leases, m.newLease(n.Name, node.UID))
		for _, p := range m.mirrorPods(n, node) {
			p.ManagedFields = owned(pods, p, p.CreationTimestamp.Time, "kubelet", "kubelet", false)
			t.put(pods, p)
		}
	}
	for _, name := range []string{"kube-controller-manager", "kube-scheduler"} {
		m.controllerLease(t, name)
	}
}

// nodeFieldsOf says who writes which part of a Talos node.
func nodeFieldsOf(n *corev1.Node, at time.Time) []metav1.ManagedFieldsEntry {
	u, err := asUnstructured(nodes, n)
	if err != nil {
		return nil
	}
	meta := trimMeta(u.Object)["metadata"]
	update := metav1.ManagedFieldsOperationUpdate
	return []metav1.ManagedFieldsEntry{
		entryOf(nodes, "talos", update, "", at, map[string]any{"metadata": meta}),
		entryOf(nodes, "kube-controller-manager", update, "", at, map[string]any{"spec": map[string]any{"podCIDR": "", "podCIDRs": ""}}),
		entryOf(nodes, "kubelet", update, "status", at, map[string]any{"status": u.Object["status"]}),
	}
}

func (m *sim) index(name string) int {
	for i, n := range m.scene.Nodes {
		if n.Name == name {
			return i
		}
	}
	return 0
}

// podNetwork is the first three numbers of the node's part of the pod network.
func (m *sim) podNetwork(name string) string {
	prefix, err := netip.ParsePrefix(m.scene.PodCIDR)
	if err != nil {
		return "10.244.0"
	}
	i := m.index(name)
	b := prefix.Addr().As4()
	return fmt.Sprintf("%d.%d.%d", b[0], int(b[1])+i/256, i%256)
}

func (m *sim) newNode(n scene.Node, at metav1.Time) *corev1.Node {
	labels := map[string]string{
		corev1.LabelHostname: n.Name, corev1.LabelOSStable: "linux", corev1.LabelArchStable: "arm64",
		"beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": "arm64",
	}
	var own []string
	for k, v := range n.Labels {
		labels[k] = v
		own = append(own, `"`+k+`"`)
	}
	if n.ControlPlane {
		labels[controlPlaneLabel] = ""
	}
	cidr := m.podNetwork(n.Name) + ".0/24"
	slices.Sort(own)
	capacity := corev1.ResourceList{
		corev1.ResourceCPU:              *quantity.NewQuantity(int64(n.CPUs), quantity.DecimalSI),
		corev1.ResourceMemory:           *quantity.NewQuantity(n.Memory*97/100/1024*1024, quantity.BinarySI),
		corev1.ResourceEphemeralStorage: *quantity.NewQuantity(n.Disk*96/100/1024*1024, quantity.BinarySI),
		corev1.ResourcePods:             *quantity.NewQuantity(110, quantity.DecimalSI),
	}
	allocatable := capacity.DeepCopy()
	allocatable[corev1.ResourceCPU] = *quantity.NewMilliQuantity(n.CPUMilli, quantity.DecimalSI)
	allocatable[corev1.ResourceMemory] = *quantity.NewQuantity(n.Memory*827/1000/1024*1024, quantity.BinarySI)
	allocatable[corev1.ResourceEphemeralStorage] = *quantity.NewQuantity(n.Disk*88/100, quantity.DecimalSI)
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: n.Name, Labels: labels, CreationTimestamp: at,
			Annotations: map[string]string{
				"csi.volume.kubernetes.io/nodeid":                        fmt.Sprintf("{%q:%q,%q:%q}", nfsDriver, n.Name, iscsiDriver, n.Name),
				"networking.talos.dev/api-server-port":                   "6443",
				"networking.talos.dev/self-ips":                          n.Address,
				"node.alpha.kubernetes.io/ttl":                           "0",
				"talos.dev/owned-annotations":                            `["networking.talos.dev/api-server-port","networking.talos.dev/self-ips"]`,
				"talos.dev/owned-labels":                                 "[" + strings.Join(own, ",") + "]",
				"volumes.kubernetes.io/controller-managed-attach-detach": "true",
			},
		},
		Spec: corev1.NodeSpec{PodCIDR: cidr, PodCIDRs: []string{cidr}},
		Status: corev1.NodeStatus{
			Capacity: capacity, Allocatable: allocatable, NodeInfo: m.nodeInfo(n),
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: n.Address}, {Type: corev1.NodeHostName, Address: n.Name},
			},
			DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: 10250}},
		},
	}
	if !n.ControlPlane {
		delete(node.Annotations, "networking.talos.dev/api-server-port")
		node.Annotations["talos.dev/owned-annotations"] = `["networking.talos.dev/self-ips"]`
	}
	for _, c := range healthyConditions(at) {
		c.LastHeartbeatTime = metaTime(m.s.opts.Now().Add(-time.Duration(between(m.scene.Seed, 20, 280, "beat", n.Name)) * time.Second))
		node.Status.Conditions = append(node.Status.Conditions, c)
	}
	return node
}

func healthyConditions(at metav1.Time) []corev1.NodeCondition {
	c := func(kind corev1.NodeConditionType, status corev1.ConditionStatus, reason, message string) corev1.NodeCondition {
		return corev1.NodeCondition{
			Type: kind, Status: status, Reason: reason, Message: message, LastHeartbeatTime: at, LastTransitionTime: at,
		}
	}
	return []corev1.NodeCondition{
		c(corev1.NodeNetworkUnavailable, corev1.ConditionFalse, "CiliumIsUp", "Cilium is running on this node"),
		c(corev1.NodeMemoryPressure, corev1.ConditionFalse, "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
		c(corev1.NodeDiskPressure, corev1.ConditionFalse, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
		c(corev1.NodePIDPressure, corev1.ConditionFalse, "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
		c(corev1.NodeReady, corev1.ConditionTrue, "KubeletReady", "kubelet is posting ready status"),
	}
}

// nodeInfo is what the kubelet reports about its machine.
func (m *sim) nodeInfo(n scene.Node) corev1.NodeSystemInfo {
	var id Identity
	if m.s.opts.Identity != nil {
		id = m.s.opts.Identity(n.Name)
	}
	m.mu.Lock()
	if k := m.kubelets[n.Name]; k != nil && k.bootID != "" {
		id.BootID = k.bootID
	}
	m.mu.Unlock()
	kernel, containerd := "6.18.24-talos", "2.2.4"
	if strings.HasPrefix(n.Talos, "v1.14.") {
		kernel, containerd = "6.18.33-talos", "2.3.1"
	}
	first := func(values ...string) string {
		for _, v := range values {
			if v != "" {
				return v
			}
		}
		return ""
	}
	return corev1.NodeSystemInfo{
		MachineID:  first(id.MachineID, hexOf(m.scene.Seed, 32, "machine", n.Name)),
		SystemUUID: first(id.SystemUUID, uuidOf(m.scene.Seed, "system", n.Name)),
		BootID:     first(id.BootID, uuidOf(m.scene.Seed, "boot", n.Name)), KernelVersion: first(id.Kernel, kernel),
		OSImage: "Talos (" + n.Talos + ")", ContainerRuntimeVersion: "containerd://" + first(id.Containerd, containerd),
		KubeletVersion: m.scene.Kubernetes, OperatingSystem: "linux", Architecture: "arm64",
	}
}

func (m *sim) newLease(node string, uid types.UID) *coordinationv1.Lease {
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{
			Name: node, Namespace: leaseNamespace, CreationTimestamp: m.ago(clusterAge),
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: node, UID: uid}},
		},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: ptr(node), LeaseDurationSeconds: ptr(int32(40)), RenewTime: ptr(metav1.NewMicroTime(m.s.opts.Now())),
		},
	}
}

func (m *sim) controllerLease(t tx, name string) {
	holder := ""
	for _, n := range m.scene.ControlPlanes() {
		if n.Fault != scene.FaultDead {
			holder = n.Name + "_" + uuidOf(m.scene.Seed, "holder", name)
			break
		}
	}
	l := m.newLease(name, "")
	l.Namespace, l.OwnerReferences = metav1.NamespaceSystem, nil
	l.Spec.HolderIdentity, l.Spec.LeaseDurationSeconds = ptr(holder), ptr(int32(15))
	l.Spec.AcquireTime = ptr(metav1.NewMicroTime(m.began.Add(-9 * 24 * time.Hour)))
	l.Spec.LeaseTransitions = ptr(int32(3))
	t.put(leases, l)
}

func (m *sim) newCSINode(n *corev1.Node) *storagev1.CSINode {
	return &storagev1.CSINode{
		ObjectMeta: metav1.ObjectMeta{
			Name: n.Name, CreationTimestamp: n.CreationTimestamp,
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: n.Name, UID: n.UID}},
		},
		Spec: storagev1.CSINodeSpec{Drivers: []storagev1.CSINodeDriver{
			{Name: nfsDriver, NodeID: n.Name}, {Name: iscsiDriver, NodeID: n.Name},
		}},
	}
}

// mirrorPods are the static pods of a control plane, as its kubelet shows them.
func (m *sim) mirrorPods(n scene.Node, node *corev1.Node) []*corev1.Pod {
	if !n.ControlPlane {
		return nil
	}
	var out []*corev1.Pod
	for _, c := range []struct {
		name string
		cpu  int64
		mem  int64
	}{{"kube-apiserver", 200, 512}, {"kube-controller-manager", 50, 256}, {"kube-scheduler", 10, 64}} {
		hash := hexOf(m.scene.Seed, 32, "static", c.name, n.Name)
		p := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Name: c.name + "-" + n.Name, Namespace: metav1.NamespaceSystem, Generation: 1,
				Labels: map[string]string{"component": c.name, "tier": "control-plane", "k8s-app": c.name},
				Annotations: map[string]string{
					corev1.MirrorPodAnnotationKey: hash, "kubernetes.io/config.hash": hash, "kubernetes.io/config.source": "file",
					"kubernetes.io/config.seen": node.CreationTimestamp.UTC().Format(time.RFC3339Nano), "talos.dev/config-version": "1",
				},
				OwnerReferences:   []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: n.Name, UID: node.UID, Controller: ptr(true)}},
				CreationTimestamp: node.CreationTimestamp,
			},
			Spec: corev1.PodSpec{
				NodeName: n.Name, HostNetwork: true, PriorityClassName: "system-cluster-critical", Priority: ptr(int32(2000000000)),
				Tolerations: []corev1.Toleration{{Effect: corev1.TaintEffectNoExecute, Operator: corev1.TolerationOpExists}},
				Containers: []corev1.Container{{
					Name: c.name, Image: "registry.k8s.io/" + c.name + ":" + m.scene.Kubernetes,
					Command:   []string{"/usr/local/bin/" + c.name},
					Resources: corev1.ResourceRequirements{Requests: quantities(c.cpu, c.mem)},
				}},
			},
		}
		setDefaults(p)
		m.setRunning(p, node.CreationTimestamp)
		out = append(out, p)
	}
	return out
}

func quantities(cpuMilli, memMiB int64) corev1.ResourceList {
	out := corev1.ResourceList{}
	if cpuMilli > 0 {
		out[corev1.ResourceCPU] = *quantity.NewMilliQuantity(cpuMilli, quantity.DecimalSI)
	}
	if memMiB > 0 {
		out[corev1.ResourceMemory] = *quantity.NewQuantity(memMiB<<20, quantity.BinarySI)
	}
	return out
}
