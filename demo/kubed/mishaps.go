package kubed

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// FailRelease lets the next upgrade of a HelmRelease fail, and a commit repair it
// a minute and a half later. A release that does not exist is ignored.
func (s *Server) FailRelease(namespace, name string) {
	s.sim.soon("fail "+namespace+"/"+name, func() { s.sim.releaseFails(namespace, name) })
}

// CrashPod lets one pod with that value of the label app.kubernetes.io/name crash
// loop for a while. Without such a pod that is ready nothing happens.
func (s *Server) CrashPod(namespace, app string) {
	s.sim.soon("crash "+namespace+"/"+app, func() { s.sim.podCrashes(namespace, app) })
}

func (m *sim) releaseFails(ns, name string) {
	m.upgrades++
	m.helmFails[ns+"/"+name] = true
	m.newValues(ns, name, 256)
	m.after("repair "+ns+"/"+name, 90*time.Second, func() {
		m.upgrades++
		delete(m.helmFails, ns+"/"+name)
		m.newValues(ns, name, 128)
	})
}

// newValues changes a HelmRelease as a commit does, by way of the kustomize controller.
func (m *sim) newValues(ns, name string, memory int) {
	m.editFlux(helmReleases, ns, name, func(u *unstructured.Unstructured) {
		set(u, fmt.Sprintf("%dMi", memory), "spec", "values", "resources", "requests", "memory")
		set(u, int64(m.upgrades), "spec", "values", "revision")
		u.SetGeneration(u.GetGeneration() + 1)
	})
}

// podCrashes lets one pod of an app crash loop for a while.
func (m *sim) podCrashes(ns, app string) {
	var victim *corev1.Pod
	m.store.read(func(t tx) {
		for _, o := range t.find(pods, "namespace", ns) {
			p, ok := o.(*corev1.Pod)
			if ok && p.Labels["app.kubernetes.io/name"] == app && podReady(p) && p.DeletionTimestamp == nil {
				victim = p
				return
			}
		}
	})
	if victim != nil {
		m.crash(ns, victim.Name, string(victim.UID), 0)
	}
}

// crash ends the container; it is started again after a delay that doubles, and
// holds after the third time.
func (m *sim) crash(ns, name, uid string, times int) {
	p := m.pod(ns, name)
	if p == nil || string(p.UID) != uid || p.DeletionTimestamp != nil || len(p.Status.ContainerStatuses) == 0 {
		return
	}
	backoff := 10 * time.Second << times
	m.edit(ns, name, uid, func(p *corev1.Pod) {
		m.markRestarted(p, 1, "Error")
		st := &p.Status.ContainerStatuses[0]
		st.Ready, st.Started = false, ptr(false)
		st.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
			Reason: "CrashLoopBackOff", Message: fmt.Sprintf("back-off %s restarting failed container=%s pod=%s_%s(%s)", backoff, st.Name, name, ns, uid),
		}}
		m.readyCondition(p, corev1.ConditionFalse, "ContainersNotReady")
	})
	m.emit(p, pods, "Warning", "BackOff", fmt.Sprintf("Back-off restarting failed container %s in pod %s_%s(%s)",
		p.Spec.Containers[0].Name, name, ns, uid), corev1.EventSource{Component: "kubelet", Host: p.Spec.NodeName})
	m.after("again "+uid, backoff, func() {
		m.edit(ns, name, uid, func(p *corev1.Pod) {
			if p.DeletionTimestamp == nil {
				m.setRunning(p, m.now())
			}
		})
		if times < 2 {
			m.after("crash "+uid, 4*time.Second, func() { m.crash(ns, name, uid, times+1) })
		}
	})
}
