package kubed

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func secondsOf(n int64) time.Duration { return time.Duration(n) * time.Second }

func podReady(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// setPodCondition sets a condition in a private copy; its time stays when the status does.
func setPodCondition(p *corev1.Pod, c corev1.PodCondition) {
	for i, old := range p.Status.Conditions {
		if old.Type != c.Type {
			continue
		}
		if old.Status == c.Status {
			c.LastTransitionTime = old.LastTransitionTime
		}
		p.Status.Conditions[i] = c
		return
	}
	p.Status.Conditions = append(p.Status.Conditions, c)
}

// setNodeCondition is setPodCondition for nodes.
func setNodeCondition(n *corev1.Node, c corev1.NodeCondition) {
	for i, old := range n.Status.Conditions {
		if old.Type != c.Type {
			continue
		}
		if old.Status == c.Status {
			c.LastTransitionTime = old.LastTransitionTime
		}
		n.Status.Conditions[i] = c
		return
	}
	n.Status.Conditions = append(n.Status.Conditions, c)
}

func nodeReady(n *corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// wanted is the number of pods that a controller should have.
func wanted(o object) int32 {
	n := (*int32)(nil)
	switch w := o.(type) {
	case *appsv1.Deployment:
		n = w.Spec.Replicas
	case *appsv1.ReplicaSet:
		n = w.Spec.Replicas
	case *appsv1.StatefulSet:
		n = w.Spec.Replicas
	case *appsv1.DaemonSet:
		return w.Status.DesiredNumberScheduled
	}
	if n == nil {
		return 1
	}
	return *n
}

func qosOf(p *corev1.Pod) corev1.PodQOSClass {
	guaranteed, asks := true, false
	for _, c := range p.Spec.Containers {
		asks = asks || len(c.Resources.Requests) > 0 || len(c.Resources.Limits) > 0
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			limit, ok := c.Resources.Limits[name]
			request, asked := c.Resources.Requests[name]
			if !ok || (asked && limit.Cmp(request) != 0) {
				guaranteed = false
			}
		}
	}
	switch {
	case !asks:
		return corev1.PodQOSBestEffort
	case guaranteed:
		return corev1.PodQOSGuaranteed
	default:
		return corev1.PodQOSBurstable
	}
}

// requests sums what the pod asks a node for.
func requests(p *corev1.Pod) (cpuMilli, memory int64) {
	for _, c := range p.Spec.Containers {
		cpuMilli += c.Resources.Requests.Cpu().MilliValue()
		memory += c.Resources.Requests.Memory().Value()
	}
	return cpuMilli, memory
}

func isMirror(p *corev1.Pod) bool {
	_, ok := p.Annotations[corev1.MirrorPodAnnotationKey]
	return ok
}

func controllerKind(o object) string {
	if ref := metav1.GetControllerOf(o); ref != nil {
		return ref.Kind
	}
	return ""
}

// asPod returns the pod, or an empty one if the object is none.
func asPod(o object) *corev1.Pod {
	p, ok := o.(*corev1.Pod)
	if !ok {
		return &corev1.Pod{}
	}
	return p
}
