package kubed

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

// podReview decides what happens to a pod next: it is scheduled, started or ended.
func (m *sim) podReview(ns, name string) {
	p := m.pod(ns, name)
	if p == nil {
		return
	}
	key := ns + "/" + name + " " + string(p.UID)
	switch {
	case p.DeletionTimestamp != nil:
		if m.kubeletUp(p.Spec.NodeName) {
			m.after("end "+key, m.endsIn(p), func() { m.endPod(ns, name, string(p.UID)) })
		}
	case p.Status.Phase != corev1.PodPending:
	case p.Spec.NodeName == "":
		m.after("schedule "+key, 400*time.Millisecond, func() { m.schedule(ns, name) })
	case m.kubeletUp(p.Spec.NodeName):
		delay := time.Duration(between(m.scene.Seed, 1500, 4500, "start", name)) * time.Millisecond
		m.after("start "+key, delay, func() { m.startPod(ns, name, string(p.UID)) })
	}
}

// endsIn is how long a pod takes to end: programs end soon after the signal, and never later than their grace.
func (m *sim) endsIn(p *corev1.Pod) time.Duration {
	took := time.Duration(between(m.scene.Seed, 800, 4000, "end", p.Name)) * time.Millisecond
	if p.DeletionGracePeriodSeconds != nil {
		took = min(took, secondsOf(*p.DeletionGracePeriodSeconds))
	}
	return took
}

func (m *sim) pod(ns, name string) *corev1.Pod {
	var p *corev1.Pod
	m.store.read(func(t tx) {
		if o, ok := t.get(pods, ns, name); ok {
			p, _ = o.(*corev1.Pod)
		}
	})
	return p
}

// edit changes a copy of the pod, if it is still the one with that uid.
func (m *sim) edit(ns, name, uid string, change func(p *corev1.Pod)) {
	m.change(func(t tx) {
		o, ok := t.get(pods, ns, name)
		if !ok || string(o.GetUID()) != uid {
			return
		}
		p, ok := o.(*corev1.Pod)
		if !ok {
			return
		}
		p = clone(p)
		change(p)
		t.put(pods, p)
	})
}

func (m *sim) startPod(ns, name, uid string) {
	p := m.pod(ns, name)
	if p == nil || string(p.UID) != uid || p.DeletionTimestamp != nil || !m.kubeletUp(p.Spec.NodeName) {
		return
	}
	m.edit(ns, name, uid, func(p *corev1.Pod) { m.setRunning(p, m.now()) })
	source := corev1.EventSource{Component: "kubelet", Host: p.Spec.NodeName}
	for _, c := range p.Spec.Containers {
		m.emit(p, pods, "Normal", "Pulled", fmt.Sprintf("Container image %q already present on machine and can be accessed by the pod", c.Image), source)
		m.emit(p, pods, "Normal", "Created", "Container created", source)
		m.emit(p, pods, "Normal", "Started", "Container started", source)
	}
}

// endPod removes a pod whose containers have stopped.
func (m *sim) endPod(ns, name, uid string) {
	p := m.pod(ns, name)
	if p == nil || string(p.UID) != uid || p.DeletionTimestamp == nil || !m.kubeletUp(p.Spec.NodeName) {
		return
	}
	if len(p.Finalizers) > 0 {
		m.edit(ns, name, uid, func(p *corev1.Pod) { m.setTerminated(p) })
		return
	}
	m.change(func(t tx) { t.remove(pods, ns, name) })
}

// setTerminated marks the containers as ended while a finalizer holds the pod.
func (m *sim) setTerminated(p *corev1.Pod) {
	p.Status.Phase = corev1.PodSucceeded
	for i := range p.Status.ContainerStatuses {
		st := &p.Status.ContainerStatuses[i]
		if st.State.Running != nil {
			st.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
				Reason: "Completed", StartedAt: st.State.Running.StartedAt, FinishedAt: m.now(), ContainerID: st.ContainerID,
			}}
		}
		st.Ready, st.Started = false, ptr(false)
	}
	m.readyCondition(p, corev1.ConditionFalse, "PodCompleted")
}

// setRunning makes a private copy of a pod run since then.
func (m *sim) setRunning(p *corev1.Pod, at metav1.Time) {
	node := m.nodeOf(p.Spec.NodeName)
	p.Status.Phase, p.Status.HostIP, p.Status.StartTime = corev1.PodRunning, node.Address, &at
	p.Status.HostIPs = []corev1.HostIP{{IP: node.Address}}
	p.Status.PodIP = m.podIP(p, node)
	p.Status.PodIPs = []corev1.PodIP{{IP: p.Status.PodIP}}
	p.Status.QOSClass, p.Status.ObservedGeneration = qosOf(p), p.Generation
	statuses := make([]corev1.ContainerStatus, 0, len(p.Spec.Containers))
	for i, c := range p.Spec.Containers {
		st := corev1.ContainerStatus{
			Name: c.Name, Image: c.Image, Ready: true, Started: ptr(true),
			ImageID:     c.Image + "@sha256:" + hexOf(m.scene.Seed, 64, "image", c.Image),
			ContainerID: "containerd://" + hexOf(m.scene.Seed, 64, "container", string(p.UID), p.Name, c.Name, at.String()),
			State:       corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at}},
		}
		if i < len(p.Status.ContainerStatuses) {
			old := p.Status.ContainerStatuses[i]
			st.RestartCount, st.LastTerminationState = old.RestartCount, old.LastTerminationState
		}
		statuses = append(statuses, st)
	}
	p.Status.ContainerStatuses = statuses
	for _, kind := range []corev1.PodConditionType{"PodReadyToStartContainers", corev1.PodInitialized, corev1.PodReady, corev1.ContainersReady, corev1.PodScheduled} {
		setPodCondition(p, corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: at, ObservedGeneration: p.Generation})
	}
}

// readyCondition sets what says that a pod's containers are ready or not.
func (m *sim) readyCondition(p *corev1.Pod, status corev1.ConditionStatus, reason string) {
	for _, kind := range []corev1.PodConditionType{corev1.PodReady, corev1.ContainersReady} {
		c := corev1.PodCondition{Type: kind, Status: status, LastTransitionTime: m.now(), Reason: reason, ObservedGeneration: p.Generation}
		if reason == "ContainersNotReady" {
			c.Message = fmt.Sprintf("containers with unready status: [%s]", p.Spec.Containers[0].Name)
		}
		setPodCondition(p, c)
	}
}

func (m *sim) nodeOf(name string) scene.Node {
	for _, n := range m.scene.Nodes {
		if n.Name == name {
			return n
		}
	}
	return scene.Node{Name: name}
}

// podIP gives the pod an address of its node's part of the pod network.
func (m *sim) podIP(p *corev1.Pod, n scene.Node) string {
	if p.Spec.HostNetwork {
		return n.Address
	}
	if p.Status.PodIP != "" {
		return p.Status.PodIP
	}
	last := between(m.scene.Seed, 3, 250, "ip", p.Namespace, p.Name)
	return fmt.Sprintf("%s.%d", m.podNetwork(n.Name), last)
}

// restartPods starts the containers of a node again, as after a reboot.
func (m *sim) restartPods(node string) {
	m.change(func(t tx) {
		for _, o := range t.find(pods, "node", node) {
			p, ok := o.(*corev1.Pod)
			if !ok || p.DeletionTimestamp != nil || p.Status.Phase != corev1.PodRunning {
				continue
			}
			p = clone(p)
			m.markRestarted(p, 255, "Unknown")
			m.setRunning(p, m.now())
			t.put(pods, p)
		}
	})
}

// markRestarted counts one more restart of each container in a private copy.
func (m *sim) markRestarted(p *corev1.Pod, code int32, reason string) {
	for i := range p.Status.ContainerStatuses {
		st := &p.Status.ContainerStatuses[i]
		last := corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, FinishedAt: m.now(), ContainerID: st.ContainerID}
		if st.State.Running != nil {
			last.StartedAt = st.State.Running.StartedAt
		}
		st.LastTerminationState = corev1.ContainerState{Terminated: &last}
		st.RestartCount++
	}
}

// mirrorAgain lets the kubelet report a static pod again that somebody deleted.
func (m *sim) mirrorAgain(p *corev1.Pod) {
	m.after("mirror "+objKey(p), time.Second, func() {
		if !m.kubeletUp(p.Spec.NodeName) {
			return
		}
		m.change(func(t tx) {
			if _, ok := t.get(nodes, "", p.Spec.NodeName); !ok {
				return
			}
			if _, ok := t.get(pods, p.Namespace, p.Name); ok {
				return
			}
			again := clone(p)
			again.UID, again.ResourceVersion, again.DeletionTimestamp, again.DeletionGracePeriodSeconds = "", "", nil, nil
			again.CreationTimestamp = m.now()
			t.put(pods, again)
		})
	})
}
