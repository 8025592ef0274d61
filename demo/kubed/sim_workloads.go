package kubed

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const hashLabel = appsv1.DefaultDeploymentUniqueLabelKey

// reconcile brings one workload to the state that it asks for.
func (m *sim) reconcile(res *resource, ns, name string) {
	m.change(func(t tx) {
		o, ok := t.get(res, ns, name)
		if !ok || o.GetDeletionTimestamp() != nil {
			return
		}
		switch w := o.(type) {
		case *appsv1.Deployment:
			m.deployment(t, w)
		case *appsv1.ReplicaSet:
			m.replicaSet(t, w)
		case *appsv1.StatefulSet:
			m.statefulSet(t, w)
		case *appsv1.DaemonSet:
			m.daemonSet(t, w)
		}
	})
}

func asBudget(o object) *policyv1.PodDisruptionBudget {
	b, ok := o.(*policyv1.PodDisruptionBudget)
	if !ok {
		return &policyv1.PodDisruptionBudget{}
	}
	return b
}

// podsOf returns the pods of an owner, the young ones last.
func podsOf(t tx, owner object) []*corev1.Pod {
	var out []*corev1.Pod
	for _, o := range t.find(pods, "owner", string(owner.GetUID())) {
		if p, ok := o.(*corev1.Pod); ok && p.Namespace == owner.GetNamespace() {
			out = append(out, p)
		}
	}
	slices.SortStableFunc(out, func(a, b *corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	return out
}

func active(p *corev1.Pod) bool {
	return p.DeletionTimestamp == nil && p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed
}

// templateHash names the revision of a pod template.
func (m *sim) templateHash(t corev1.PodTemplateSpec) string {
	c := *t.DeepCopy()
	delete(c.Labels, hashLabel)
	// A template always encodes.
	raw, _ := json.Marshal(c)
	return suffixOf(m.scene.Seed, 10, "template", string(raw))
}

func (m *sim) deployment(t tx, d *appsv1.Deployment) {
	hash := m.templateHash(d.Spec.Template)
	name := d.Name + "-" + hash
	var sets []*appsv1.ReplicaSet
	for _, o := range t.list(replicaSets) {
		if r, ok := o.(*appsv1.ReplicaSet); ok && r.Namespace == d.Namespace && metav1.IsControlledBy(r, d) {
			sets = append(sets, r)
		}
	}
	i := slices.IndexFunc(sets, func(r *appsv1.ReplicaSet) bool { return r.Name == name })
	if i < 0 {
		t.put(replicaSets, m.newReplicaSet(d, hash, len(sets)+1))
		return // its own event brings us back
	}
	current := sets[i]
	if wanted(current) != wanted(d) {
		m.resize(t, current, wanted(d))
	}
	for _, old := range sets {
		if old != current && wanted(old) > 0 && current.Status.ReadyReplicas >= wanted(d) {
			m.resize(t, old, 0)
		}
	}
	m.deploymentStatus(t, d, sets, current)
}

func (m *sim) resize(t tx, r *appsv1.ReplicaSet, n int32) {
	r = clone(r)
	r.Spec.Replicas = ptr(n)
	r.Generation++
	t.put(replicaSets, r)
}

func (m *sim) newReplicaSet(d *appsv1.Deployment, hash string, revision int) *appsv1.ReplicaSet {
	template := *d.Spec.Template.DeepCopy()
	template.Labels = with(template.Labels, hashLabel, hash)
	return &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Name: d.Name + "-" + hash, Namespace: d.Namespace, Labels: template.Labels, Generation: 1,
			Annotations:     map[string]string{"deployment.kubernetes.io/revision": strconv.Itoa(revision)},
			OwnerReferences: []metav1.OwnerReference{ownerRef(deployments, d)},
		},
		Spec: appsv1.ReplicaSetSpec{
			Replicas: ptr(wanted(d)), Template: template,
			Selector: &metav1.LabelSelector{MatchLabels: with(d.Spec.Selector.MatchLabels, hashLabel, hash)},
		},
	}
}

func with(m map[string]string, key, value string) map[string]string {
	out := make(map[string]string, len(m)+1)
	for k, v := range m {
		out[k] = v
	}
	out[key] = value
	return out
}

func ownerRef(res *resource, o object) metav1.OwnerReference {
	return metav1.OwnerReference{
		APIVersion: res.GroupVersion().String(), Kind: res.Kind, Name: o.GetName(), UID: o.GetUID(),
		Controller: ptr(true), BlockOwnerDeletion: ptr(true),
	}
}

func (m *sim) deploymentStatus(t tx, d *appsv1.Deployment, sets []*appsv1.ReplicaSet, current *appsv1.ReplicaSet) {
	next := clone(d)
	st := &next.Status
	st.Replicas, st.ReadyReplicas = 0, 0
	for _, r := range sets {
		st.Replicas += r.Status.Replicas
		st.ReadyReplicas += r.Status.ReadyReplicas
	}
	st.UpdatedReplicas, st.AvailableReplicas = current.Status.Replicas, st.ReadyReplicas
	st.UnavailableReplicas = max(0, wanted(d)-st.AvailableReplicas)
	st.ObservedGeneration = d.Generation
	available, reason := corev1.ConditionTrue, "MinimumReplicasAvailable"
	message := "Deployment has minimum availability."
	if st.UnavailableReplicas > wanted(d)/4 {
		available, reason, message = corev1.ConditionFalse, "MinimumReplicasUnavailable", "Deployment does not have minimum availability."
	}
	m.deploymentCondition(next, appsv1.DeploymentAvailable, available, reason, message)
	if st.UpdatedReplicas == wanted(d) && st.UnavailableReplicas == 0 {
		m.deploymentCondition(next, appsv1.DeploymentProgressing, corev1.ConditionTrue, "NewReplicaSetAvailable",
			fmt.Sprintf("ReplicaSet %q has successfully progressed.", current.Name))
	}
	if !sameObject(d, next) {
		t.put(deployments, next)
	}
}

func (m *sim) deploymentCondition(d *appsv1.Deployment, kind appsv1.DeploymentConditionType, status corev1.ConditionStatus, reason, message string) {
	c := appsv1.DeploymentCondition{Type: kind, Status: status, Reason: reason, Message: message, LastUpdateTime: m.now(), LastTransitionTime: m.now()}
	for i, old := range d.Status.Conditions {
		if old.Type != kind {
			continue
		}
		if old.Status == status {
			c.LastTransitionTime = old.LastTransitionTime
			if old.Reason == reason && old.Message == message {
				return
			}
		}
		d.Status.Conditions[i] = c
		return
	}
	d.Status.Conditions = append(d.Status.Conditions, c)
}

func (m *sim) replicaSet(t tx, r *appsv1.ReplicaSet) {
	var live []*corev1.Pod
	ready := int32(0)
	for _, p := range podsOf(t, r) {
		if active(p) {
			live = append(live, p)
		}
		if podReady(p) && p.DeletionTimestamp == nil {
			ready++
		}
	}
	want := int(wanted(r))
	for i := len(live); i < want; i++ {
		m.store.uids++
		name := r.Name + "-" + suffixOf(m.scene.Seed, 5, "pod", r.Namespace, r.Name, strconv.FormatUint(m.store.uids, 10))
		p := m.newPod(r.Spec.Template, ownerRef(replicaSets, r), r.Namespace, name)
		p.GenerateName = r.Name + "-"
		t.put(pods, p)
		m.emitIn(t, r, replicaSets, "SuccessfulCreate", "Created pod: "+name, corev1.EventSource{Component: "replicaset-controller"})
	}
	for i := len(live) - 1; i >= want; i-- {
		m.s.delete(t, pods, live[i], metav1.DeleteOptions{})
	}
	next := clone(r)
	next.Status.Replicas, next.Status.FullyLabeledReplicas = int32(max(len(live), 0)), int32(len(live))
	next.Status.ReadyReplicas, next.Status.AvailableReplicas = ready, ready
	next.Status.ObservedGeneration = r.Generation
	if !sameObject(r, next) {
		t.put(replicaSets, next)
	}
}

func (m *sim) newPod(template corev1.PodTemplateSpec, owner metav1.OwnerReference, ns, name string) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: ns, Labels: template.Labels, Annotations: template.Annotations, Generation: 1,
			OwnerReferences: []metav1.OwnerReference{owner},
		},
		Spec: template.Spec,
	}
	setDefaults(p)
	p.Spec.Tolerations = append(slices.Clone(p.Spec.Tolerations), defaultTolerations(p)...)
	p.ManagedFields = owned(pods, p, m.s.opts.Now(), "kube-controller-manager", "", false)
	return p
}

// defaultTolerations keep a pod on a node that is away for five minutes.
func defaultTolerations(p *corev1.Pod) []corev1.Toleration {
	var out []corev1.Toleration
	for _, key := range []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable} {
		if !tolerates(p, corev1.Taint{Key: key, Effect: corev1.TaintEffectNoExecute}) {
			out = append(out, corev1.Toleration{
				Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: ptr(int64(300)),
			})
		}
	}
	return out
}

func (m *sim) statefulSet(t tx, w *appsv1.StatefulSet) {
	byName := map[string]*corev1.Pod{}
	ready := int32(0)
	for _, p := range podsOf(t, w) {
		byName[p.Name] = p
		if podReady(p) && p.DeletionTimestamp == nil {
			ready++
		}
	}
	hash := w.Name + "-" + m.templateHash(w.Spec.Template)
	for i := range int(wanted(w)) {
		name := fmt.Sprintf("%s-%d", w.Name, i)
		p, ok := byName[name]
		if ok && p.Status.Phase != corev1.PodFailed && p.Status.Phase != corev1.PodSucceeded {
			if !podReady(p) {
				break // one at a time
			}
			continue
		}
		if ok {
			t.remove(pods, p.Namespace, p.Name)
		}
		p = m.newPod(w.Spec.Template, ownerRef(statefulSets, w), w.Namespace, name)
		p.Labels = with(with(p.Labels, appsv1.StatefulSetPodNameLabel, name), appsv1.PodIndexLabel, strconv.Itoa(i))
		p.Labels = with(p.Labels, appsv1.ControllerRevisionHashLabelKey, hash)
		m.claimVolumes(p, w)
		t.put(pods, p)
		m.emitIn(t, w, statefulSets, "SuccessfulCreate",
			fmt.Sprintf("create Pod %s in StatefulSet %s successful", name, w.Name), corev1.EventSource{Component: "statefulset-controller"})
		break
	}
	for name, p := range byName {
		if n, err := strconv.Atoi(strings.TrimPrefix(name, w.Name+"-")); err == nil && n >= int(wanted(w)) && p.DeletionTimestamp == nil {
			m.s.delete(t, pods, p, metav1.DeleteOptions{})
		}
	}
	next := clone(w)
	n := int32(len(byName))
	next.Status.Replicas, next.Status.CurrentReplicas, next.Status.UpdatedReplicas = n, n, n
	next.Status.ReadyReplicas, next.Status.AvailableReplicas = ready, ready
	next.Status.ObservedGeneration, next.Status.CurrentRevision, next.Status.UpdateRevision = w.Generation, hash, hash
	if !sameObject(w, next) {
		t.put(statefulSets, next)
	}
}

// claimVolumes gives the pod the volumes of its ordinal.
func (m *sim) claimVolumes(p *corev1.Pod, w *appsv1.StatefulSet) {
	p.Spec.Volumes = slices.Clone(p.Spec.Volumes)
	for _, c := range w.Spec.VolumeClaimTemplates {
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: c.Name, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: c.Name + "-" + p.Name},
		}})
	}
}

func (m *sim) daemonSet(t tx, w *appsv1.DaemonSet) {
	byNode := map[string]*corev1.Pod{}
	ready := int32(0)
	for _, p := range podsOf(t, w) {
		node := boundTo(p)
		if _, ok := t.get(nodes, "", node); !ok {
			t.remove(pods, p.Namespace, p.Name)
			continue
		}
		if p.Status.Phase == corev1.PodFailed {
			t.remove(pods, p.Namespace, p.Name)
			continue
		}
		byNode[node] = p
		if podReady(p) && p.DeletionTimestamp == nil {
			ready++
		}
	}
	want := int32(0)
	for _, o := range t.list(nodes) {
		n, ok := o.(*corev1.Node)
		if !ok || !daemonFits(w, n) {
			continue
		}
		want++
		if byNode[n.Name] == nil {
			t.put(pods, m.daemonPod(w, n.Name))
		}
	}
	next := clone(w)
	st := &next.Status
	st.DesiredNumberScheduled, st.CurrentNumberScheduled, st.UpdatedNumberScheduled = want, want, want
	st.NumberReady, st.NumberAvailable, st.NumberUnavailable = ready, ready, max(0, want-ready)
	st.ObservedGeneration = w.Generation
	if !sameObject(w, next) {
		t.put(daemonSets, next)
	}
}

// boundTo is the node that a DaemonSet's pod is meant for.
func boundTo(p *corev1.Pod) string {
	if p.Spec.NodeName != "" {
		return p.Spec.NodeName
	}
	if a := p.Spec.Affinity; a != nil && a.NodeAffinity != nil && a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution != nil {
		for _, term := range a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
			for _, f := range term.MatchFields {
				if f.Key == "metadata.name" && len(f.Values) == 1 {
					return f.Values[0]
				}
			}
		}
	}
	return ""
}

func daemonFits(w *appsv1.DaemonSet, n *corev1.Node) bool {
	p := &corev1.Pod{Spec: w.Spec.Template.Spec}
	p.Spec.Tolerations = append(slices.Clone(p.Spec.Tolerations), daemonTolerations()...)
	for _, taint := range n.Spec.Taints {
		if taint.Effect != corev1.TaintEffectPreferNoSchedule && !tolerates(p, taint) {
			return false
		}
	}
	return selects(p, n)
}

func daemonTolerations() []corev1.Toleration {
	var out []corev1.Toleration
	for _, key := range []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable} {
		out = append(out, corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute})
	}
	for _, key := range []string{
		corev1.TaintNodeDiskPressure, corev1.TaintNodeMemoryPressure, corev1.TaintNodePIDPressure,
		corev1.TaintNodeUnschedulable, corev1.TaintNodeNetworkUnavailable, corev1.TaintNodeUnreachable, corev1.TaintNodeNotReady,
	} {
		out = append(out, corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule})
	}
	return out
}

func (m *sim) daemonPod(w *appsv1.DaemonSet, node string) *corev1.Pod {
	m.store.uids++
	template := *w.Spec.Template.DeepCopy()
	template.Spec.Tolerations = append(template.Spec.Tolerations, daemonTolerations()...)
	template.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchFields: []corev1.NodeSelectorRequirement{{Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{node}}},
		}}},
	}}
	name := w.Name + "-" + suffixOf(m.scene.Seed, 5, "pod", w.Namespace, w.Name, node, strconv.FormatUint(m.store.uids, 10))
	p := m.newPod(template, ownerRef(daemonSets, w), w.Namespace, name)
	p.GenerateName = w.Name + "-"
	p.Labels = with(with(p.Labels, appsv1.ControllerRevisionHashLabelKey, suffixOf(m.scene.Seed, 10, w.Name)), "pod-template-generation", "1")
	return p
}

// collect deletes what an owner that is gone has left.
func (m *sim) collect(uid string) {
	m.change(func(t tx) {
		for _, o := range t.find(pods, "owner", uid) {
			m.s.delete(t, pods, o, metav1.DeleteOptions{})
		}
		for _, res := range []*resource{replicaSets, jobs} {
			for _, o := range t.list(res) {
				for _, ref := range o.GetOwnerReferences() {
					if string(ref.UID) == uid {
						m.s.delete(t, res, o, metav1.DeleteOptions{})
					}
				}
			}
		}
	})
}

// emptyNamespace deletes everything in a namespace that is being deleted, and then it.
func (m *sim) emptyNamespace(name string) {
	left := 0
	m.change(func(t tx) {
		for _, res := range registry {
			if !res.Namespaced || res.View || res.ReadOnly {
				continue
			}
			for _, o := range t.list(res) {
				if o.GetNamespace() == name {
					left++
					m.s.delete(t, res, o, metav1.DeleteOptions{})
				}
			}
		}
		if left == 0 {
			t.remove(namespaces, "", name)
		}
	})
	if left > 0 {
		m.after("namespace "+name, time.Second, func() { m.emptyNamespace(name) })
	}
}
