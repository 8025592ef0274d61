package talosd

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/cosi-project/runtime/pkg/resource"
	"github.com/cosi-project/runtime/pkg/state"
	"github.com/siderolabs/crypto/x509"
	machinetype "github.com/siderolabs/talos/pkg/machinery/config/machine"
	"github.com/siderolabs/talos/pkg/machinery/extensions"
	"github.com/siderolabs/talos/pkg/machinery/resources/cluster"
	"github.com/siderolabs/talos/pkg/machinery/resources/config"
	"github.com/siderolabs/talos/pkg/machinery/resources/etcd"
	"github.com/siderolabs/talos/pkg/machinery/resources/k8s"
	"github.com/siderolabs/talos/pkg/machinery/resources/runtime"
	"github.com/siderolabs/talos/pkg/machinery/resources/secrets"
	"github.com/siderolabs/talos/pkg/machinery/resources/time"
	"github.com/siderolabs/talos/pkg/machinery/resources/v1alpha1"
)

const (
	kernelCmdline = "talos.platform=metal console=tty0 console=ttyS9,115200 console=ttyS2,115200 sysctl.kernel.kexec_load_disabled=1 talos.dashboard.disabled=1 init_on_alloc=1 slab_nomerge pti=on"
	ntpServer     = "time.cloudflare.com"
)

// filler puts resources into a state and remembers the first failure.
type filler struct {
	st    state.State
	err   error
	types map[resource.Type]bool // of what was put; may be nil
}

// put creates a resource that belongs to a controller.
func (f *filler) put(owner string, r resource.Resource) {
	if f.types != nil {
		f.types[r.Metadata().Type()] = true
	}
	if f.err == nil {
		f.err = f.st.Create(context.Background(), r, state.WithCreateOwner(owner))
	}
}

// fill makes all resources of the machine as they are now; the caller holds l.mu.
func (l *life) fill(st state.State, types map[resource.Type]bool) error {
	f := &filler{st: st, types: types}
	l.fillRuntime(f)
	l.n.fillCluster(f)
	l.fillKubernetes(f)
	l.n.fillHardware(f)
	l.n.fillBlock(f)
	l.n.fillNetwork(f)
	l.n.fillMachineType(f)
	if l.n.spec.ControlPlane {
		l.n.fillControlPlane(f)
	}
	return f.err
}

func (l *life) fillRuntime(f *filler) {
	n := l.n
	status := runtime.NewMachineStatus()
	l.fillStage(status.TypedSpec())
	f.put(machineStatusOwner, status)
	for _, s := range l.services {
		if s.running() {
			r := v1alpha1.NewService(s.id)
			s.fillResource(r.TypedSpec())
			f.put(serviceOwner, r)
		}
	}
	version := runtime.NewVersion()
	*version.TypedSpec() = runtime.VersionSpec{Name: "Talos", Version: n.spec.Talos}
	f.put("runtime.VersionController", version)

	security := runtime.NewSecurityStateSpec(runtime.NamespaceName)
	security.TypedSpec().BootedWithUKI = false
	f.put("runtime.SecurityStateController", security)

	cmdline := runtime.NewKernelCmdline()
	cmdline.TypedSpec().Cmdline = kernelCmdline
	f.put("runtime.KernelCmdlineController", cmdline)

	platform := runtime.NewPlatformMetadataSpec(runtime.NamespaceName, "")
	*platform.TypedSpec() = runtime.PlatformMetadataSpec{Platform: "metal", Hostname: n.spec.Name}
	f.put("network.PlatformConfigController", platform)

	for i, layer := range extensionsOf(n.spec.Talos) {
		ext := runtime.NewExtensionStatus(runtime.NamespaceName, fmt.Sprint(i))
		*ext.TypedSpec() = layer
		f.put("runtime.ExtensionStatusController", ext)
	}
	clock := time.NewStatus()
	clock.TypedSpec().Synced = true
	f.put("time.SyncController", clock)
	for _, m := range n.mounts() {
		if !strings.HasPrefix(m.source, "/dev/nvme") {
			continue
		}
		r := runtime.NewMountStatus(v1alpha1.NamespaceName, m.target)
		*r.TypedSpec() = runtime.MountStatusSpec{Source: m.source, Target: m.target, FilesystemType: m.kind}
		f.put("block.MountStatusController", r)
	}
	if minor(n.spec.Talos) >= 14 {
		f.put("runtime.BootIDController", newBootID(l.bootID))
	}
}

// schematicID is the image factory's name for the extensions of these machines.
var schematicID = fmt.Sprintf("%x", sha256.Sum256([]byte("overlay: turingrk1\nextensions: iscsi-tools, util-linux-tools\n")))

// extensionsOf are the system extensions of the installed image, the schematic last.
func extensionsOf(talos string) []extensions.Layer {
	layer := func(name, version, author, description string) extensions.Layer {
		return extensions.Layer{
			Image: name + ".sqsh",
			Metadata: extensions.Metadata{
				Name: name, Version: version, Author: author, Description: description,
				Compatibility: extensions.Compatibility{Talos: extensions.Constraint{Version: ">= " + talos}},
			},
		}
	}
	schematic := layer("schematic", schematicID, "Image Factory", "Virtual extension which specifies the schematic of the image built with Image Factory.")
	schematic.Image = ""
	schematic.Metadata.ExtraInfo = "overlay:\n    image: siderolabs/sbc-rockchip\n    name: turingrk1\ncustomization:\n    systemExtensions:\n        officialExtensions:\n            - siderolabs/iscsi-tools\n            - siderolabs/util-linux-tools\n"
	return []extensions.Layer{
		layer("iscsi-tools", "v0.2.0", "Sidero Labs", "This system extension provides iscsi-tools."),
		layer("util-linux-tools", "2.41.2", "Sidero Labs", "This system extension provides linux utilities."),
		schematic,
	}
}

const nodeIDLetters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// nodeID is the node's identity in the cluster's discovery.
func (n *Node) nodeID() string {
	rng := n.random("identity")
	out := make([]byte, 44)
	for i := range out {
		out[i] = nodeIDLetters[rng.IntN(len(nodeIDLetters))]
	}
	return string(out)
}

func (n *Node) machineType() machinetype.Type {
	if n.spec.ControlPlane {
		return machinetype.TypeControlPlane
	}
	return machinetype.TypeWorker
}

func (n *Node) addr() netip.Addr {
	addr, err := netip.ParseAddr(n.spec.Address)
	if err != nil {
		return netip.Addr{}
	}
	return addr
}

func (n *Node) fillCluster(f *filler) {
	identity := cluster.NewIdentity(cluster.NamespaceName, cluster.LocalIdentity)
	identity.TypedSpec().NodeID = n.nodeID()
	f.put("cluster.NodeIdentityController", identity)

	info := cluster.NewInfo()
	*info.TypedSpec() = cluster.InfoSpec{ClusterID: n.c.id(), ClusterName: n.c.scene.Cluster}
	f.put("cluster.InfoController", info)
}

func (l *life) fillKubernetes(f *filler) {
	n := l.n
	nodename := k8s.NewNodename(k8s.NamespaceName, k8s.NodenameID)
	*nodename.TypedSpec() = k8s.NodenameSpec{Nodename: n.spec.Name, HostnameVersion: "1"}
	f.put("k8s.NodenameController", nodename)

	status := k8s.NewNodeStatus(k8s.NamespaceName, n.spec.Name)
	*status.TypedSpec() = k8s.NodeStatusSpec{Nodename: n.spec.Name, NodeReady: !l.notReady, Unschedulable: n.isCordoned(), Labels: n.labels(), Annotations: map[string]string{
		"node.alpha.kubernetes.io/ttl": "0", "volumes.kubernetes.io/controller-managed-attach-detach": "true",
	}}
	f.put(nodeStatusOwner, status)

	ip := k8s.NewNodeIP(k8s.NamespaceName, k8s.KubeletID)
	ip.TypedSpec().Addresses = []netip.Addr{n.addr()}
	f.put("k8s.NodeIPController", ip)

	kubelet := k8s.NewKubeletSpec(k8s.NamespaceName, k8s.KubeletID)
	*kubelet.TypedSpec() = k8s.KubeletSpecSpec{
		Image: "ghcr.io/siderolabs/kubelet:" + n.c.scene.Kubernetes,
		Args: []string{
			"--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubeconfig", "--cert-dir=/var/lib/kubelet/pki", "--config=/etc/kubernetes/kubelet.yaml",
			"--hostname-override=" + n.spec.Name, "--kubeconfig=/etc/kubernetes/kubeconfig-kubelet", "--node-ip=" + n.spec.Address,
		},
		ExpectedNodename: n.spec.Name,
		Config: map[string]any{
			"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "clusterDomain": "cluster.local",
			"shutdownGracePeriod": "30s", "shutdownGracePeriodCriticalPods": "10s", "rotateCertificates": true, "logging": map[string]any{"format": "json"},
		},
	}
	f.put("k8s.KubeletSpecController", kubelet)
}

func (n *Node) labels() map[string]string {
	out := map[string]string{
		"kubernetes.io/arch": "arm64", "kubernetes.io/os": "linux", "kubernetes.io/hostname": n.spec.Name,
		"beta.kubernetes.io/arch": "arm64", "beta.kubernetes.io/os": "linux",
	}
	if n.spec.ControlPlane {
		out["node-role.kubernetes.io/control-plane"] = ""
	}
	for key, value := range n.spec.Labels {
		out[key] = value
	}
	return out
}

func (n *Node) fillControlPlane(f *filler) {
	manifests := k8s.NewBootstrapManifestsConfig()
	*manifests.TypedSpec() = k8s.BootstrapManifestsConfigSpec{
		Server: n.c.endpointURL().String(), ClusterDomain: "cluster.local", PodCIDRs: []string{n.c.scene.PodCIDR}, CNIName: "none",
	}
	f.put("k8s.ControlPlaneBootstrapManifestsController", manifests)
	member := etcd.NewMember(etcd.NamespaceName, etcd.LocalMemberID)
	member.TypedSpec().MemberID = etcd.FormatMemberID(n.c.etcd.member(n).id)
	f.put("etcd.MemberController", member)
	for _, pod := range n.StaticPods() {
		status := k8s.NewStaticPodStatus(k8s.NamespaceName, pod.Namespace+"/"+pod.Name)
		status.TypedSpec().PodStatus = map[string]any{
			"phase": "Running",
			"conditions": []any{
				map[string]any{"type": "Initialized", "status": "True"},
				map[string]any{"type": "Ready", "status": "True"},
				map[string]any{"type": "ContainersReady", "status": "True"},
				map[string]any{"type": "PodScheduled", "status": "True"},
			},
			"hostIP": n.spec.Address, "podIP": n.spec.Address,
		}
		f.put("k8s.KubeletStaticPodController", status)
	}
	root := secrets.NewKubernetesRoot(secrets.KubernetesRootID)
	*root.TypedSpec() = secrets.KubernetesRootSpec{
		Name: n.c.scene.Cluster, Endpoint: n.c.endpointURL(), LocalEndpoint: &url.URL{Scheme: "https", Host: "localhost:7445"},
		CertSANs: []string{n.c.scene.APIAddress}, DNSDomain: "cluster.local",
		IssuingCA:      &x509.PEMEncodedCertificateAndKey{Crt: n.c.pki.Kubernetes.CertPEM(), Key: n.c.pki.Kubernetes.KeyPEM()},
		ServiceAccount: &x509.PEMEncodedKey{Key: n.c.pki.Kubernetes.KeyPEM()},
		AggregatorCA:   &x509.PEMEncodedCertificateAndKey{Crt: n.c.pki.Kubernetes.CertPEM(), Key: n.c.pki.Kubernetes.KeyPEM()},
	}
	f.put("secrets.RootController", root)
	os := secrets.NewOSRoot(secrets.OSRootID)
	os.TypedSpec().IssuingCA = &x509.PEMEncodedCertificateAndKey{Crt: n.c.pki.Talos.CertPEM(), Key: n.c.pki.Talos.KeyPEM()}
	f.put("secrets.RootController", os)
}

// endpointURL is the address of the Kubernetes API.
func (c *Cluster) endpointURL() *url.URL {
	return &url.URL{Scheme: "https", Host: c.scene.APIAddress + ":6443"}
}

func (n *Node) fillMachineType(f *filler) {
	r := config.NewMachineType()
	r.SetMachineType(n.machineType())
	f.put("config.MachineTypeController", r)
}
