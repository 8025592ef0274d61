package kubed

import (
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// budgetsOf returns the disruption budgets that select the pod.
func budgetsOf(t tx, pod *corev1.Pod) []*policyv1.PodDisruptionBudget {
	var out []*policyv1.PodDisruptionBudget
	for _, o := range t.list(budgets) {
		pdb, ok := o.(*policyv1.PodDisruptionBudget)
		if !ok || pdb.Namespace != pod.Namespace {
			continue
		}
		sel, err := metav1.LabelSelectorAsSelector(pdb.Spec.Selector)
		if err == nil && !sel.Empty() && sel.Matches(labels.Set(pod.Labels)) {
			out = append(out, pdb)
		}
	}
	return out
}

// refreshBudget brings the budget's status up to date with its pods, and stores it if it changed.
func (s *Server) refreshBudget(t tx, pdb *policyv1.PodDisruptionBudget) *policyv1.PodDisruptionBudget {
	next := clone(pdb)
	next.Status = s.budgetStatus(t, next)
	if equality.Semantic.DeepEqual(pdb.Status, next.Status) {
		return pdb
	}
	t.put(budgets, next)
	return next
}

func (s *Server) budgetStatus(t tx, pdb *policyv1.PodDisruptionBudget) policyv1.PodDisruptionBudgetStatus {
	st := *pdb.Status.DeepCopy()
	st.DisruptedPods = nil
	sel, err := metav1.LabelSelectorAsSelector(pdb.Spec.Selector)
	if err != nil {
		return st
	}
	var matching, healthy int32
	scales := map[string]int32{}
	for _, o := range t.find(pods, "namespace", pdb.Namespace) {
		pod, ok := o.(*corev1.Pod)
		if !ok || !sel.Matches(labels.Set(pod.Labels)) || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
			continue
		}
		matching++
		if ref := metav1.GetControllerOf(pod); ref != nil {
			scales[string(ref.UID)] = replicasOf(t, pod.Namespace, ref)
		}
		if podReady(pod) && pod.DeletionTimestamp == nil {
			healthy++
		}
	}
	var scale int32
	for _, n := range scales {
		scale += n
	}
	st.ExpectedPods, st.DesiredHealthy = desired(pdb, matching, scale)
	st.CurrentHealthy = healthy
	st.DisruptionsAllowed = max(0, healthy-st.DesiredHealthy)
	if st.ExpectedPods <= 0 {
		st.DisruptionsAllowed = 0
	}
	st.ObservedGeneration = pdb.Generation
	st.Conditions = s.budgetCondition(st, pdb)
	return st
}

// desired is how many pods the budget expects, and how many must be healthy.
func desired(pdb *policyv1.PodDisruptionBudget, matching, scale int32) (expected, healthy int32) {
	round := func(v *intstr.IntOrString) int32 {
		n, err := intstr.GetScaledValueFromIntOrPercent(v, int(scale), true)
		if err != nil {
			return 0
		}
		return int32(n)
	}
	switch {
	case pdb.Spec.MaxUnavailable != nil:
		return scale, max(0, scale-round(pdb.Spec.MaxUnavailable))
	case pdb.Spec.MinAvailable != nil && pdb.Spec.MinAvailable.Type == intstr.String:
		return scale, round(pdb.Spec.MinAvailable)
	case pdb.Spec.MinAvailable != nil:
		return matching, pdb.Spec.MinAvailable.IntVal
	default:
		return matching, 0
	}
}

func (s *Server) budgetCondition(st policyv1.PodDisruptionBudgetStatus, pdb *policyv1.PodDisruptionBudget) []metav1.Condition {
	c := metav1.Condition{
		Type: policyv1.DisruptionAllowedCondition, Status: metav1.ConditionTrue, Reason: policyv1.SufficientPodsReason,
		ObservedGeneration: pdb.Generation, LastTransitionTime: metaTime(s.opts.Now()),
	}
	if st.DisruptionsAllowed <= 0 {
		c.Status, c.Reason = metav1.ConditionFalse, policyv1.InsufficientPodsReason
	}
	for _, old := range pdb.Status.Conditions {
		if old.Type == c.Type && old.Status == c.Status {
			c.LastTransitionTime = old.LastTransitionTime
		}
	}
	return []metav1.Condition{c}
}

// replicasOf is the size that the pod's controller wants.
func replicasOf(t tx, namespace string, ref *metav1.OwnerReference) int32 {
	res, err := resourceOf(ref.APIVersion, ref.Kind)
	if err != nil {
		return 1
	}
	o, ok := t.get(res, namespace, ref.Name)
	if !ok {
		return 0
	}
	return wanted(o)
}
