package kubed

import (
	"fmt"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// serveEviction deletes a pod if its disruption budget allows it.
func (s *Server) serveEviction(c *call) error {
	if c.res != pods || c.info.verb != "create" {
		return methodNotAllowed()
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	ev := &policyv1.Eviction{}
	if err := decodeInto(body, policyv1.SchemeGroupVersion.WithKind("Eviction"), ev); err != nil {
		return err
	}
	if ev.Name != "" && ev.Name != c.info.name {
		return badRequest(fmt.Sprintf("name in URL does not match name in Eviction object: %s != %s", c.info.name, ev.Name))
	}
	opts := metav1.DeleteOptions{}
	if ev.DeleteOptions != nil {
		opts = *ev.DeleteOptions
	}
	dry := c.dryRun() || len(opts.DryRun) > 0
	err = s.store.write(func(t tx) error { return s.evict(t, c.info.namespace, c.info.name, opts, dry) })
	if err != nil {
		return err
	}
	return c.sendCreated(&metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess, Code: http.StatusCreated,
	})
}

func (s *Server) evict(t tx, namespace, name string, opts metav1.DeleteOptions, dry bool) error {
	o, ok := t.get(pods, namespace, name)
	if !ok {
		return notFound(pods, name)
	}
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return fmt.Errorf("stored pod %s/%s has another type", namespace, name)
	}
	if err := checkPreconditions(pods, pod, opts.Preconditions); err != nil {
		return err
	}
	if !unbudgeted(pod) {
		if err := s.spendBudget(t, pod, dry); err != nil {
			return err
		}
	}
	if dry {
		return nil
	}
	marked := clone(pod)
	setPodCondition(marked, corev1.PodCondition{
		Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "EvictionByEvictionAPI",
		Message: "Eviction API: evicting", LastTransitionTime: metaTime(s.opts.Now()),
	})
	t.put(pods, marked)
	s.delete(t, pods, marked, opts)
	return nil
}

// unbudgeted says whether the pod can go without asking its budget.
func unbudgeted(p *corev1.Pod) bool {
	switch p.Status.Phase {
	case corev1.PodSucceeded, corev1.PodFailed, corev1.PodPending:
		return true
	default:
		return p.DeletionTimestamp != nil
	}
}

// spendBudget takes one disruption from the pod's budget, or refuses as the real API does.
func (s *Server) spendBudget(t tx, pod *corev1.Pod, dry bool) error {
	found := budgetsOf(t, pod)
	if len(found) == 0 {
		return nil
	}
	if len(found) > 1 {
		return apierrors.NewInternalError(wording(
			"This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."))
	}
	pdb := s.refreshBudget(t, found[0])
	if !podReady(pod) && budgetIgnoresUnready(pdb) {
		return nil
	}
	if pdb.Status.DisruptionsAllowed <= 0 {
		err := apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 0)
		err.ErrStatus.Details.Causes = []metav1.StatusCause{{
			Type: policyv1.DisruptionBudgetCause, Message: fmt.Sprintf("The disruption budget %s needs %d healthy pods and has %d currently",
				pdb.Name, pdb.Status.DesiredHealthy, pdb.Status.CurrentHealthy),
		}}
		return err
	}
	if dry {
		return nil
	}
	spent := clone(pdb)
	spent.Status.DisruptionsAllowed--
	if spent.Status.DisruptedPods == nil {
		spent.Status.DisruptedPods = map[string]metav1.Time{}
	}
	spent.Status.DisruptedPods[pod.Name] = metaTime(s.opts.Now())
	t.put(budgets, spent)
	return nil
}

// budgetIgnoresUnready says whether the budget lets pods go that are not ready.
func budgetIgnoresUnready(pdb *policyv1.PodDisruptionBudget) bool {
	if p := pdb.Spec.UnhealthyPodEvictionPolicy; p != nil && *p == policyv1.AlwaysAllow {
		return true
	}
	return pdb.Status.CurrentHealthy >= pdb.Status.DesiredHealthy && pdb.Status.DesiredHealthy > 0
}
