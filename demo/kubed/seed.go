package kubed

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

// The age of the cluster and of what was installed on it.
const (
	clusterAge = 47 * 24 * time.Hour
	appAge     = 31 * 24 * time.Hour
)

// seed fills the store with the cluster of the scene, as it stands when it begins.
func seed(m *sim) {
	m.change(func(t tx) {
		seedNamespaces(m, t)
		seedNodes(m, t)
		seedStorage(m, t)
		seedDefinitions(m, t)
		seedWorkloads(m, t)
		seedServices(m, t)
		seedFlux(m, t)
		seedFaults(m, t)
		seedEvents(m, t)
	})
}

// ago is a moment before the simulation began.
func (m *sim) ago(d time.Duration) metav1.Time { return metaTime(m.began.Add(-d)) }

// add stores an object of the seed.
func (m *sim) add(t tx, res *resource, o object, age time.Duration, owner, statusOwner string, apply bool) object {
	if created := o.GetCreationTimestamp(); created.IsZero() {
		o.SetCreationTimestamp(m.ago(age))
	}
	if res.Generation && o.GetGeneration() == 0 {
		o.SetGeneration(1)
	}
	o.SetManagedFields(owned(res, o, m.began.Add(-age), owner, statusOwner, apply))
	return t.put(res, o)
}

func seedNamespaces(m *sim, t tx) {
	for _, name := range []string{
		"default", "kube-node-lease", "kube-public", "kube-system", "flux-system", "database", "media", "monitoring", "network", "storage",
	} {
		labels := map[string]string{corev1.LabelMetadataName: name}
		owner := "kube-apiserver"
		switch name {
		case "default", "kube-node-lease", "kube-public", "kube-system":
		default:
			owner = "kustomize-controller"
			labels["kustomize.toolkit.fluxcd.io/name"] = "cluster"
			labels["kustomize.toolkit.fluxcd.io/namespace"] = "flux-system"
		}
		if name == "kube-system" || name == "storage" {
			labels["pod-security.kubernetes.io/enforce"] = "privileged"
		}
		m.add(t, namespaces, &corev1.Namespace{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
			Spec:       corev1.NamespaceSpec{Finalizers: []corev1.FinalizerName{corev1.FinalizerKubernetes}},
			Status:     corev1.NamespaceStatus{Phase: corev1.NamespaceActive},
		}, clusterAge, owner, "", false)
	}
}

// seedFaults lets the nodes that are off have been off for a while.
func seedFaults(m *sim, t tx) {
	const away = 23 * time.Minute
	for _, n := range m.scene.Nodes {
		if n.Fault != scene.FaultDead {
			continue
		}
		lost := m.ago(away)
		o, ok := t.get(nodes, "", n.Name)
		node, isNode := o.(*corev1.Node)
		if !ok || !isNode {
			continue
		}
		node = clone(node)
		markUnknown(node, lost)
		for i := range node.Status.Conditions {
			node.Status.Conditions[i].LastHeartbeatTime = m.ago(away + 3*time.Minute)
		}
		t.put(nodes, node)
		lease := m.newLease(n.Name, node.UID)
		lease.Spec.RenewTime = ptr(metav1.NewMicroTime(m.began.Add(-away - 40*time.Second)))
		t.put(leases, lease)
		for _, o := range t.find(pods, "node", n.Name) {
			strand(t, o, lost)
		}
		m.replaceStranded(t, away-6*time.Minute)
		m.emitAt(t, node, nodes, "Normal", "NodeNotReady", "Node "+n.Name+" status is now: NodeNotReady",
			corev1.EventSource{Component: "node-controller"}, lost, nil)
	}
}

// replaceStranded has the pods of a lost node running elsewhere since then.
func (m *sim) replaceStranded(t tx, age time.Duration) {
	for _, o := range t.list(replicaSets) {
		if r, ok := o.(*appsv1.ReplicaSet); ok {
			m.replicaSet(t, r)
		}
	}
	for _, o := range t.list(pods) {
		m.settlePod(t, o, age)
	}
	for _, o := range t.list(replicaSets) {
		if r, ok := o.(*appsv1.ReplicaSet); ok {
			m.replicaSet(t, r)
		}
	}
	forgetEvents(t)
}

// strand leaves a pod on a node that is off: not ready, and terminating for good
// unless it tolerates that.
func strand(t tx, o object, lost metav1.Time) {
	p, ok := o.(*corev1.Pod)
	if !ok || p.Status.Phase != corev1.PodRunning {
		return
	}
	p = clone(p)
	setPodCondition(p, corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: lost})
	if !staysForever(p) {
		at := metav1.NewTime(lost.Add(5*time.Minute + 30*time.Second))
		p.DeletionTimestamp, p.DeletionGracePeriodSeconds = &at, ptr(int64(30))
	}
	t.put(pods, p)
}
