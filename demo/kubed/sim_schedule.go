package kubed

import (
	"fmt"
	"sort"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// schedule puts a pending pod on a node, or says why it cannot.
func (m *sim) schedule(ns, name string) {
	var placed *corev1.Pod
	var refused string
	m.change(func(t tx) {
		o, ok := t.get(pods, ns, name)
		if !ok {
			return
		}
		p, ok := o.(*corev1.Pod)
		if !ok || p.Spec.NodeName != "" || p.DeletionTimestamp != nil {
			return
		}
		node, why := m.place(t, p)
		p = clone(p)
		if node == "" {
			refused = why
			setPodCondition(p, corev1.PodCondition{
				Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable,
				Message: why, LastTransitionTime: m.now(),
			})
			if sameObject(o, p) {
				refused = ""
				return
			}
		} else {
			m.bind(t, p, node, m.now())
			placed = p
		}
		t.put(pods, p)
	})
	source := corev1.EventSource{Component: "default-scheduler"}
	if placed != nil {
		m.emit(placed, pods, "Normal", "Scheduled", fmt.Sprintf("Successfully assigned %s/%s to %s", ns, name, placed.Spec.NodeName), source)
	}
	if refused != "" {
		if p := m.pod(ns, name); p != nil {
			m.emit(p, pods, "Warning", "FailedScheduling", refused, source)
		}
	}
}

func (m *sim) bind(t tx, p *corev1.Pod, node string, at metav1.Time) {
	p.Spec.NodeName = node
	setPodCondition(p, corev1.PodCondition{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: at})
	m.attach(t, p, at)
}

// retryPending gives every pod that found no node another chance.
func (m *sim) retryPending() {
	var waiting []object
	m.store.read(func(t tx) {
		for _, o := range t.list(pods) {
			if p, ok := o.(*corev1.Pod); ok && p.Spec.NodeName == "" && p.Status.Phase == corev1.PodPending {
				waiting = append(waiting, o)
			}
		}
	})
	for _, o := range waiting {
		ns, name := o.GetNamespace(), o.GetName()
		m.after("schedule "+objKey(o)+" "+string(o.GetUID()), 400*time.Millisecond, func() { m.schedule(ns, name) })
	}
}

// place picks the node with the most room among those that suit the pod.
func (m *sim) place(t tx, p *corev1.Pod) (node, why string) {
	all := t.list(nodes)
	reasons := map[string]int{}
	best, bestScore := "", 0.0
	for _, o := range all {
		n, ok := o.(*corev1.Node)
		if !ok {
			continue
		}
		if reason := m.unfit(t, p, n); reason != "" {
			reasons[reason]++
			continue
		}
		if score := m.score(t, p, n); best == "" || score > bestScore {
			best, bestScore = n.Name, score
		}
	}
	if best != "" {
		return best, ""
	}
	var parts []string
	for reason, n := range reasons {
		parts = append(parts, fmt.Sprintf("%d %s", n, reason))
	}
	sort.Strings(parts)
	return "", fmt.Sprintf("0/%d nodes are available: %s. no new claims to deallocate, preemption: "+
		"0/%d nodes are available: %d Preemption is not helpful for scheduling.", len(all), strings.Join(parts, ", "), len(all), len(all))
}

// unfit says why a pod cannot run on a node, or nothing.
func (m *sim) unfit(t tx, p *corev1.Pod, n *corev1.Node) string {
	if n.Spec.Unschedulable && !tolerates(p, corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}) {
		return "node(s) were unschedulable"
	}
	for _, taint := range n.Spec.Taints {
		if taint.Effect != corev1.TaintEffectPreferNoSchedule && !tolerates(p, taint) {
			return fmt.Sprintf("node(s) had untolerated taint(s) {%s: %s}", taint.Key, taint.Value)
		}
	}
	if !selects(p, n) {
		return "node(s) didn't match Pod's node affinity/selector"
	}
	if m.repelled(t, p, n.Name) {
		return "node(s) didn't match pod anti-affinity rules"
	}
	cpu, mem, count := m.load(t, n.Name)
	wantCPU, wantMem := requests(p)
	alloc := n.Status.Allocatable
	switch {
	case cpu+wantCPU > alloc.Cpu().MilliValue():
		return "Insufficient cpu"
	case mem+wantMem > alloc.Memory().Value():
		return "Insufficient memory"
	case int64(count) >= alloc.Pods().Value():
		return "Too many pods"
	default:
		return ""
	}
}

func tolerates(p *corev1.Pod, taint corev1.Taint) bool {
	for _, tol := range p.Spec.Tolerations {
		if tol.Effect != "" && tol.Effect != taint.Effect {
			continue
		}
		if tol.Key == "" && tol.Operator == corev1.TolerationOpExists {
			return true
		}
		if tol.Key == taint.Key && (tol.Operator == corev1.TolerationOpExists || tol.Value == taint.Value) {
			return true
		}
	}
	return false
}

// selects says whether the pod's node selector and required node affinity allow the node.
func selects(p *corev1.Pod, n *corev1.Node) bool {
	if !labels.SelectorFromSet(p.Spec.NodeSelector).Matches(labels.Set(n.Labels)) {
		return false
	}
	if p.Spec.Affinity == nil || p.Spec.Affinity.NodeAffinity == nil {
		return true
	}
	required := p.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	if required == nil {
		return true
	}
	for _, term := range required.NodeSelectorTerms {
		if termMatches(term, n) {
			return true
		}
	}
	return false
}

func termMatches(term corev1.NodeSelectorTerm, n *corev1.Node) bool {
	for _, e := range term.MatchFields {
		if e.Key == "metadata.name" && (len(e.Values) != 1 || e.Values[0] != n.Name) {
			return false
		}
	}
	for _, e := range term.MatchExpressions {
		value, has := n.Labels[e.Key]
		in := false
		for _, v := range e.Values {
			in = in || (has && v == value)
		}
		switch e.Operator {
		case corev1.NodeSelectorOpIn:
			if !in {
				return false
			}
		case corev1.NodeSelectorOpNotIn:
			if in {
				return false
			}
		case corev1.NodeSelectorOpExists:
			if !has {
				return false
			}
		case corev1.NodeSelectorOpDoesNotExist:
			if has {
				return false
			}
		case corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt:
			return false
		}
	}
	return true
}

// repelled says whether a pod on the node is one that this pod must not share a node with.
func (m *sim) repelled(t tx, p *corev1.Pod, node string) bool {
	if p.Spec.Affinity == nil || p.Spec.Affinity.PodAntiAffinity == nil {
		return false
	}
	for _, term := range p.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
		sel, err := metav1.LabelSelectorAsSelector(term.LabelSelector)
		if err != nil {
			continue
		}
		for _, o := range t.find(pods, "node", node) {
			if o.GetNamespace() == p.Namespace && o.GetName() != p.Name && sel.Matches(labels.Set(o.GetLabels())) {
				return true
			}
		}
	}
	return false
}

func (m *sim) load(t tx, node string) (cpu, mem int64, count int) {
	for _, o := range t.find(pods, "node", node) {
		p, ok := o.(*corev1.Pod)
		if !ok || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
			continue
		}
		c, b := requests(p)
		cpu, mem, count = cpu+c, mem+b, count+1
	}
	return cpu, mem, count
}

// score is the share of a node that is free, and more for a node that the pod prefers.
func (m *sim) score(t tx, p *corev1.Pod, n *corev1.Node) float64 {
	cpu, mem, count := m.load(t, n.Name)
	alloc := n.Status.Allocatable
	score := 2 - float64(cpu)/float64(max(1, alloc.Cpu().MilliValue())) - float64(mem)/float64(max(1, alloc.Memory().Value()))
	score -= float64(count) / 1000
	for _, o := range t.find(pods, "node", n.Name) {
		if ref, own := metav1.GetControllerOf(o), metav1.GetControllerOf(p); ref != nil && own != nil && ref.UID == own.UID {
			score -= 0.5 // spread the pods of one owner
		}
	}
	if p.Spec.Affinity == nil || p.Spec.Affinity.NodeAffinity == nil {
		return score
	}
	for _, pref := range p.Spec.Affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution {
		if termMatches(pref.Preference, n) {
			score += float64(pref.Weight) / 100
		}
	}
	return score
}
