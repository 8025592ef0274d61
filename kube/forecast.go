package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
)

// Forecast says what a drain of the node would do to each of its pods, by the
// rules of kubectl drain --ignore-daemonsets --delete-emptydir-data and the
// PodDisruptionBudgets as they stand. Blocked pods come first. The error is a
// *cluster.Trouble.
func (c *Client) Forecast(ctx context.Context, node string) (cluster.Forecast, error) {
	pods, err := c.podsOnce(ctx, node)
	if err != nil {
		return cluster.Forecast{}, c.Explain(err, "list the pods of "+node)
	}
	budgets, err := c.budgets(ctx)
	if err != nil {
		return cluster.Forecast{}, c.Explain(err, "list the PodDisruptionBudgets")
	}
	f := cluster.Forecast{Node: node, Pods: make([]cluster.PodFate, 0, len(pods))}
	for i := range pods {
		f.Pods = append(f.Pods, fate(&pods[i], budgets))
	}
	slices.SortStableFunc(f.Pods, func(a, b cluster.PodFate) int { return fateRank(a) - fateRank(b) })
	return f, nil
}

// nodePods are the pods of the node that was asked for last.
type nodePods struct {
	node string
	news uint64 // of all followed pods before these were listed
	pods []corev1.Pod
}

// podsOnce is podsOn that asks anew only if any pod of the cluster has changed
// since, or if WatchPodCounts does not follow them at the moment.
func (c *Client) podsOnce(ctx context.Context, node string) ([]corev1.Pod, error) {
	news, live := c.pods.seen()
	if last := c.onNode.Load(); live && last != nil && last.node == node && last.news == news {
		return last.pods, nil
	}
	pods, err := c.podsOn(ctx, node)
	if err != nil || !live {
		c.onNode.Store(nil)
		return pods, err
	}
	for i := range pods {
		pods[i].ManagedFields = nil
	}
	c.onNode.Store(&nodePods{node: node, news: news, pods: pods})
	return pods, nil
}

func (c *Client) podsOn(ctx context.Context, node string) ([]corev1.Pod, error) {
	var all []corev1.Pod
	o := metav1.ListOptions{Limit: pageSize, FieldSelector: fields.OneTermEqualSelector("spec.nodeName", node).String()}
	for {
		var list corev1.PodList
		if err := c.core.Get().Resource("pods").VersionedParams(&o, metav1.ParameterCodec).Do(ctx).Into(&list); err != nil {
			return nil, err
		}
		all = append(all, list.Items...)
		if o.Continue = list.Continue; o.Continue == "" {
			return all, nil
		}
	}
}

func (c *Client) budgets(ctx context.Context) ([]policyv1.PodDisruptionBudget, error) {
	var all []policyv1.PodDisruptionBudget
	o := metav1.ListOptions{Limit: pageSize}
	for {
		var list policyv1.PodDisruptionBudgetList
		if err := c.policy.Get().Resource("poddisruptionbudgets").VersionedParams(&o, metav1.ParameterCodec).Do(ctx).Into(&list); err != nil {
			return nil, err
		}
		all = append(all, list.Items...)
		if o.Continue = list.Continue; o.Continue == "" {
			return all, nil
		}
	}
}

// fate judges one pod, in the order in which kubectl drain's filters do.
func fate(p *corev1.Pod, budgets []policyv1.PodDisruptionBudget) cluster.PodFate {
	f := cluster.PodFate{Namespace: feed.Clean(p.Namespace), Name: feed.Clean(p.Name), Fate: cluster.FateEvict, EmptyDir: hasEmptyDir(p)}
	owner := metav1.GetControllerOf(p)
	if owner != nil {
		f.Owner = feed.Clean(owner.Kind + "/" + owner.Name)
	}
	_, mirror := p.Annotations[corev1.MirrorPodAnnotationKey]
	finished := p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
	switch {
	case mirror:
		f.Fate = cluster.FateMirror
	case !p.DeletionTimestamp.IsZero():
		f.Fate, f.Why = cluster.FateLeaving, leavingWhy(p)
	case finished:
		f.Fate = cluster.FateFinished
	case owner != nil && owner.Kind == "DaemonSet":
		f.Fate = cluster.FateDaemonSet
	default:
		if owner == nil {
			f.Fate = cluster.FateBare
		}
		limit(&f, p, budgets)
	}
	return f
}

// limit finds the budget of the pod; without an allowed disruption, or with
// several budgets, the API server refuses the eviction.
func limit(f *cluster.PodFate, p *corev1.Pod, budgets []policyv1.PodDisruptionBudget) {
	var mine []*policyv1.PodDisruptionBudget
	for i := range budgets {
		if covers(&budgets[i], p) {
			mine = append(mine, &budgets[i])
		}
	}
	switch {
	case len(mine) == 0:
	case len(mine) > 1:
		f.Fate, f.Budget = cluster.FateBlocked, feed.Clean(mine[0].Name)
		f.Why = fmt.Sprintf("%d budgets cover it, which the eviction API refuses", len(mine))
	default:
		b := mine[0]
		f.Budget = feed.Clean(b.Name)
		f.Why = arithmetic(b)
		if b.Status.DisruptionsAllowed < 1 && !evictableUnready(b, p) {
			f.Fate = cluster.FateBlocked
		}
	}
}

func covers(b *policyv1.PodDisruptionBudget, p *corev1.Pod) bool {
	if b.Namespace != p.Namespace || b.Spec.Selector == nil {
		return false
	}
	selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
	return err == nil && selector.Matches(labels.Set(p.Labels))
}

// evictableUnready: a pod that is not ready does not count for the budget if it
// says AlwaysAllow, or if the budget is met without it (the default policy).
func evictableUnready(b *policyv1.PodDisruptionBudget, p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			return false
		}
	}
	if p.Status.Phase == corev1.PodPending {
		return true
	}
	if policy := b.Spec.UnhealthyPodEvictionPolicy; policy != nil && *policy == policyv1.AlwaysAllow {
		return true
	}
	return b.Status.CurrentHealthy >= b.Status.DesiredHealthy && b.Status.DesiredHealthy > 0
}

func arithmetic(b *policyv1.PodDisruptionBudget) string {
	want := "maxUnavailable and minAvailable unset"
	switch {
	case b.Spec.MinAvailable != nil:
		want = "minAvailable " + b.Spec.MinAvailable.String()
	case b.Spec.MaxUnavailable != nil:
		want = "maxUnavailable " + b.Spec.MaxUnavailable.String()
	}
	return fmt.Sprintf("%d of %d pods healthy, %d needed (%s), %d disruptions allowed",
		b.Status.CurrentHealthy, b.Status.ExpectedPods, b.Status.DesiredHealthy, want, b.Status.DisruptionsAllowed)
}

func leavingWhy(p *corev1.Pod) string {
	why := "since " + p.DeletionTimestamp.UTC().Format(time.RFC3339)
	if len(p.Finalizers) > 0 {
		why += ", held by the finalizers " + strings.Join(p.Finalizers, ", ")
	}
	return feed.Clean(why)
}

func hasEmptyDir(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Spec.Volumes, func(v corev1.Volume) bool { return v.EmptyDir != nil })
}

// fateRank puts what needs a look first.
func fateRank(f cluster.PodFate) int {
	order := []cluster.Fate{
		cluster.FateBlocked, cluster.FateBare, cluster.FateLeaving, cluster.FateEvict,
		cluster.FateFinished, cluster.FateDaemonSet, cluster.FateMirror,
	}
	return slices.Index(order, f.Fate)
}
