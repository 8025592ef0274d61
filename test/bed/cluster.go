package bed

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

//go:embed manifests/workloads.yaml
var workloads string

// readyLimit is how long nodes and workloads may take to become ready.
const readyLimit = 3 * time.Minute

// object is a Kubernetes object on its way to the API server.
type object = map[string]any

// firstAddress is the node network's address before that of the first node.
var firstAddress = netip.MustParseAddr("192.168.13.10")

func (b *Bed) createNodes(ctx context.Context, n int) error {
	addr := firstAddress
	for i := 1; i <= n; i++ {
		addr = addr.Next()
		if err := b.create(ctx, "/api/v1/nodes", node(i, addr)); err != nil {
			return fmt.Errorf("node %d: %w", i, err)
		}
	}
	err := b.within(ctx, readyLimit, func(ctx context.Context) error { return b.nodesReady(ctx, n) })
	if err != nil {
		return fmt.Errorf("nodes: %w%s", err, tail(b.LogFile("kwok"), 5))
	}
	b.log("%d nodes are ready", n)
	return nil
}

// node is a Turing Pi's compute module as its kubelet would register it: the
// first two are control planes that take workloads too. KWOK's server, which
// stands for every kubelet, is found by the InternalDNS.
func node(i int, addr netip.Addr) object {
	name := fmt.Sprintf("talos-test%02d", i)
	labels := object{
		"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "arm64",
		"beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": "arm64",
	}
	if i <= 2 {
		labels["node-role.kubernetes.io/control-plane"] = ""
	}
	return object{
		"apiVersion": "v1", "kind": "Node",
		"metadata": object{"name": name, "labels": labels},
		"spec":     object{"providerID": "kwok://" + name},
		"status": object{
			"capacity":    object{"cpu": "4", "memory": "7450Mi", "pods": "110", "ephemeral-storage": "28Gi"},
			"allocatable": object{"cpu": "3950m", "memory": "6770Mi", "pods": "110", "ephemeral-storage": "25Gi"},
			"addresses": []object{
				{"type": "InternalIP", "address": addr.String()},
				{"type": "Hostname", "address": name},
				{"type": "InternalDNS", "address": "localhost"},
			},
			"nodeInfo": object{
				"architecture": "arm64", "operatingSystem": "linux", "osImage": "Talos (v1.13.9)",
				"kernelVersion": "6.18.24-talos", "containerRuntimeVersion": "containerd://2.2.4",
				"kubeletVersion": KubernetesVersion, "kubeProxyVersion": "",
				// KWOK's template does not quote: an id of digits alone becomes a number.
				"machineID": fmt.Sprintf("c0ffee%026x", i), "bootID": fmt.Sprintf("00000000-0000-4000-8000-%012x", i),
				"systemUUID": fmt.Sprintf("00000000-0000-4000-9000-%012x", i),
			},
		},
	}
}

// condition is one of an object's status conditions.
type condition struct {
	Type, Status, Reason, Message string
}

// conditioned is what the bed reads of any object with conditions.
type conditioned struct {
	Metadata struct {
		Name       string
		Generation int64
	}
	Status struct {
		ObservedGeneration    int64
		LastAttemptedRevision string
		Conditions            []condition
	}
}

// get returns the condition of a type; without it the status is "Unknown".
func (c conditioned) get(kind string) condition {
	for _, x := range c.Status.Conditions {
		if x.Type == kind {
			return x
		}
	}
	return condition{Type: kind, Status: "Unknown"}
}

func (b *Bed) nodesReady(ctx context.Context, want int) error {
	var list struct{ Items []conditioned }
	if err := b.Get(ctx, "/api/v1/nodes", &list); err != nil {
		return err
	}
	ready := 0
	for _, n := range list.Items {
		if n.get("Ready").Status == "True" {
			ready++
		}
	}
	if ready < want {
		return fmt.Errorf("%d of %d nodes are ready", ready, want)
	}
	return nil
}

func (b *Bed) createWorkloads(ctx context.Context) error {
	// The namespaces' service accounts come from the controller manager, after the
	// namespaces: the first attempts to create pods may be refused.
	err := b.within(ctx, readyLimit, func(ctx context.Context) error { return b.Apply(ctx, workloads) })
	if err != nil {
		return fmt.Errorf("workloads: %w", err)
	}
	err = b.within(ctx, readyLimit, b.podsReady)
	if err != nil {
		return fmt.Errorf("workloads: %w%s", err, tail(b.LogFile("kwok"), 5))
	}
	b.log("workloads run")
	return nil
}

// podsReady says whether every pod runs or has done its work, and every Deployment,
// StatefulSet and DaemonSet has all its pods.
func (b *Bed) podsReady(ctx context.Context) error {
	var pods struct {
		Items []struct {
			Metadata struct{ Namespace, Name string }
			Status   struct{ Phase string }
		}
	}
	if err := b.Get(ctx, "/api/v1/pods", &pods); err != nil {
		return err
	}
	for _, p := range pods.Items {
		if p.Status.Phase != "Running" && p.Status.Phase != "Succeeded" {
			return fmt.Errorf("pod %s/%s is %s", p.Metadata.Namespace, p.Metadata.Name, p.Status.Phase)
		}
	}
	for _, kind := range []string{"deployments", "statefulsets", "daemonsets"} {
		if err := b.replicasReady(ctx, kind); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bed) replicasReady(ctx context.Context, kind string) error {
	var list struct {
		Items []struct {
			Metadata struct{ Namespace, Name string }
			Spec     struct{ Replicas int }
			Status   struct{ ReadyReplicas, DesiredNumberScheduled, NumberReady int }
		}
	}
	if err := b.Get(ctx, "/apis/apps/v1/"+kind, &list); err != nil {
		return err
	}
	if len(list.Items) == 0 {
		return errors.New("there are no " + kind)
	}
	for _, w := range list.Items {
		want, have := w.Spec.Replicas, w.Status.ReadyReplicas
		if kind == "daemonsets" {
			want, have = max(w.Status.DesiredNumberScheduled, 1), w.Status.NumberReady
		}
		if have < want {
			return fmt.Errorf("%s %s/%s has %d of %d pods ready", kind, w.Metadata.Namespace, w.Metadata.Name, have, want)
		}
	}
	return nil
}

// within polls a condition for a limited time.
func (b *Bed) within(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not within %s", limit))
	defer cancel()
	return poll(ctx, f)
}
