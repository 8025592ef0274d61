package kube

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
)

// pause is the least time between two calls of a watcher's emit.
const pause = 200 * time.Millisecond

// WatchNodes follows the nodes until ctx ends. It calls emit, from one goroutine
// at a time, with all nodes sorted by name once they are listed and after each
// change of what is shown: a heartbeat is none. An error says why the nodes,
// kept as they were last seen, cannot be followed at the moment; nil nodes with
// an error: they were never seen.
func (c *Client) WatchNodes(ctx context.Context, emit func([]cluster.KubeNode, *cluster.Trouble)) {
	t := newTable(sameNode)
	changed := newBell()
	t.onChange(changed.ring)
	f := builtin(c, "nodes", "list nodes", t, func() runtime.Object { return &corev1.NodeList{} }, nodeRow)
	done := background(c.spawn, func() { f.run(ctx) })
	changed.each(ctx, pause, func() { emit(sortedNodes(t)) })
	<-done
}

// background runs f in a goroutine that start starts; the channel closes when f has ended.
func background(start func(func()), f func()) <-chan struct{} {
	done := make(chan struct{})
	start(func() {
		defer close(done)
		f()
	})
	return done
}

func plain(f func()) { go f() }

// builtin is a follower of a core resource in protobuf.
func builtin[T any](c *Client, resource, what string, t *table[T], list func() runtime.Object, row func(runtime.Object) (T, bool)) *follower[T] {
	get := func(opts metav1.ListOptions) *rest.Request {
		return c.core.Get().Resource(resource).VersionedParams(&opts, metav1.ParameterCodec)
	}
	return &follower[T]{
		what: what, to: t, row: row,
		explain: c.Explain, trouble: func(error) { c.lookNow() }, back: &c.back,
		list: func(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
			into := list()
			err := get(opts).Do(ctx).Into(into)
			return into, err
		},
		watch: func(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
			opts.Watch = true
			return get(opts).Watch(ctx)
		},
	}
}

func sortedNodes(t *table[cluster.KubeNode]) (nodes []cluster.KubeNode, trouble *cluster.Trouble) {
	t.read(func(rows map[types.NamespacedName]cluster.KubeNode, synced bool, err *cluster.Trouble) {
		trouble = err
		if !synced {
			return
		}
		nodes = make([]cluster.KubeNode, 0, len(rows))
		for _, n := range rows {
			nodes = append(nodes, n)
		}
	})
	slices.SortFunc(nodes, func(a, b cluster.KubeNode) int { return strings.Compare(a.Name, b.Name) })
	return nodes, trouble
}

func sameNode(a, b cluster.KubeNode) bool { return reflect.DeepEqual(a, b) }

func nodeRow(o runtime.Object) (cluster.KubeNode, bool) {
	n, ok := o.(*corev1.Node)
	if !ok {
		return cluster.KubeNode{}, false
	}
	return KubeNode(n), true
}

// KubeNode is what is shown of a node. All its text is clean.
func KubeNode(n *corev1.Node) cluster.KubeNode {
	info := n.Status.NodeInfo
	k := cluster.KubeNode{
		Name: feed.Clean(n.Name), UID: feed.Clean(string(n.UID)),
		Addresses:     addresses(n.Status.Addresses),
		Role:          role(n.Labels),
		Unschedulable: n.Spec.Unschedulable,
		Kubelet:       feed.Clean(info.KubeletVersion),
		OSImage:       feed.Clean(info.OSImage),
		Kernel:        feed.Clean(info.KernelVersion),
		Runtime:       feed.Clean(info.ContainerRuntimeVersion),
		CPUMilli:      n.Status.Allocatable.Cpu().MilliValue(),
		Memory:        n.Status.Allocatable.Memory().Value(),
		PodCapacity:   n.Status.Allocatable.Pods().Value(),
		Created:       n.CreationTimestamp.Time,
	}
	for _, t := range n.Spec.Taints {
		k.Taints = append(k.Taints, cluster.Taint{Key: feed.Clean(t.Key), Value: feed.Clean(t.Value), Effect: feed.Clean(string(t.Effect))})
	}
	if len(n.Labels) > 0 {
		k.Labels = make(map[string]string, len(n.Labels))
		for key, value := range n.Labels {
			k.Labels[feed.Clean(key)] = feed.Clean(value)
		}
	}
	addConditions(&k, n.Status.Conditions)
	if n.Spec.Unschedulable {
		by, at := firstOwner(n.ManagedFields, "f:spec", "f:unschedulable")
		k.Cordon = &cluster.Cordon{By: by, At: at}
	}
	return k
}

// addConditions fills the conditions without their heartbeats, readiness and pressures.
func addConditions(k *cluster.KubeNode, conditions []corev1.NodeCondition) {
	for _, c := range conditions {
		k.Conditions = append(k.Conditions, cluster.Condition{
			Type: feed.Clean(string(c.Type)), Status: feed.Clean(string(c.Status)),
			Reason: feed.Clean(c.Reason), Message: feed.Clean(c.Message), Since: c.LastTransitionTime.Time,
		})
		switch c.Type {
		case corev1.NodeReady:
			k.Ready, k.ReadySince = feed.Clean(string(c.Status)), c.LastTransitionTime.Time
			k.ReadyReason = feed.Clean(c.Reason)
		case corev1.NodeMemoryPressure, corev1.NodeDiskPressure, corev1.NodePIDPressure, corev1.NodeNetworkUnavailable:
			if c.Status == corev1.ConditionTrue {
				k.Pressures = append(k.Pressures, string(c.Type))
			}
		default:
		}
	}
}

// addresses are the node's, internal ones first, without host names.
func addresses(all []corev1.NodeAddress) []string {
	var out []string
	for _, kind := range []corev1.NodeAddressType{corev1.NodeInternalIP, corev1.NodeExternalIP} {
		for _, a := range all {
			if clean := feed.Clean(a.Address); a.Type == kind && !slices.Contains(out, clean) {
				out = append(out, clean)
			}
		}
	}
	return out
}

// role is the role that the node's labels tell. Talos labels control planes
// only: a node without a role label may be a worker, or not labelled yet.
func role(labels map[string]string) cluster.Role {
	for _, label := range []string{"node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"} {
		if _, ok := labels[label]; ok {
			return cluster.RoleControlPlane
		}
	}
	if _, ok := labels["node-role.kubernetes.io/worker"]; ok {
		return cluster.RoleWorker
	}
	return cluster.RoleUnknown
}
