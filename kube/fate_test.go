package kube

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

func somePod(change func(*corev1.Pod)) *corev1.Pod {
	yes := true
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "media", Name: "web-0", Labels: map[string]string{"app": "web"},
			OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "web", Controller: &yes}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
	}
	if change != nil {
		change(p)
	}
	return p
}

func budget(change func(*policyv1.PodDisruptionBudget)) policyv1.PodDisruptionBudget {
	one := intstr.FromInt32(1)
	b := policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: "media", Name: "web"},
		Spec:       policyv1.PodDisruptionBudgetSpec{MinAvailable: &one, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}},
		Status:     policyv1.PodDisruptionBudgetStatus{CurrentHealthy: 1, DesiredHealthy: 1, ExpectedPods: 1},
	}
	if change != nil {
		change(&b)
	}
	return b
}

func TestFate(t *testing.T) {
	always := policyv1.AlwaysAllow
	now := metav1.NewTime(time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC))
	unready := func(p *corev1.Pod) { p.Status.Conditions = nil }
	cases := []struct {
		name    string
		pod     *corev1.Pod
		budgets []policyv1.PodDisruptionBudget
		want    cluster.Fate
		why     string
	}{
		{"plain", somePod(nil), nil, cluster.FateEvict, ""},
		{"bare", somePod(func(p *corev1.Pod) { p.OwnerReferences = nil }), nil, cluster.FateBare, ""},
		{"owner that does not control", somePod(func(p *corev1.Pod) { p.OwnerReferences[0].Controller = nil }), nil, cluster.FateBare, ""},
		{"daemonset", somePod(func(p *corev1.Pod) { p.OwnerReferences[0].Kind = "DaemonSet" }), nil, cluster.FateDaemonSet, ""},
		{"mirror", somePod(func(p *corev1.Pod) {
			p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"}
		}), nil, cluster.FateMirror, ""},
		{"finished", somePod(func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }), []policyv1.PodDisruptionBudget{budget(nil)}, cluster.FateFinished, ""},
		{"leaving", somePod(func(p *corev1.Pod) { p.DeletionTimestamp, p.Finalizers = &now, []string{"example.org/hold"} }), nil, cluster.FateLeaving, "2026-05-04T12:00:00Z, held by the finalizers example.org/hold"},
		{"blocked", somePod(nil), []policyv1.PodDisruptionBudget{budget(nil)}, cluster.FateBlocked, "1 of 1 pods healthy, 1 needed (minAvailable 1), 0 disruptions allowed"},
		{"allowed", somePod(nil), []policyv1.PodDisruptionBudget{budget(func(b *policyv1.PodDisruptionBudget) { b.Status.DisruptionsAllowed = 1 })}, cluster.FateEvict, "1 disruptions allowed"},
		{"budget of another namespace", somePod(nil), []policyv1.PodDisruptionBudget{budget(func(b *policyv1.PodDisruptionBudget) { b.Namespace = "other" })}, cluster.FateEvict, ""},
		{"budget of other pods", somePod(nil), []policyv1.PodDisruptionBudget{budget(func(b *policyv1.PodDisruptionBudget) { b.Spec.Selector.MatchLabels["app"] = "db" })}, cluster.FateEvict, ""},
		{"empty selector covers all", somePod(nil), []policyv1.PodDisruptionBudget{budget(func(b *policyv1.PodDisruptionBudget) { b.Spec.Selector = &metav1.LabelSelector{} })}, cluster.FateBlocked, "0 disruptions"},
		{"two budgets", somePod(nil), []policyv1.PodDisruptionBudget{budget(nil), budget(nil)}, cluster.FateBlocked, "2 budgets"},
		{"not ready, budget met without it", somePod(unready), []policyv1.PodDisruptionBudget{budget(nil)}, cluster.FateEvict, ""},
		{"not ready, budget not met", somePod(unready), []policyv1.PodDisruptionBudget{budget(func(b *policyv1.PodDisruptionBudget) { b.Status.CurrentHealthy = 0 })}, cluster.FateBlocked, ""},
		{"not ready, always allowed", somePod(unready), []policyv1.PodDisruptionBudget{budget(func(b *policyv1.PodDisruptionBudget) {
			b.Status.CurrentHealthy, b.Spec.UnhealthyPodEvictionPolicy = 0, &always
		})}, cluster.FateEvict, ""},
		{"pending", somePod(func(p *corev1.Pod) { unready(p); p.Status.Phase = corev1.PodPending }), []policyv1.PodDisruptionBudget{budget(nil)}, cluster.FateEvict, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := fate(c.pod, c.budgets)
			if got.Fate != c.want || !strings.Contains(got.Why, c.why) {
				t.Errorf("%q because %q, want %q with %q", got.Fate, got.Why, c.want, c.why)
			}
		})
	}
}

func TestFateTellsEmptyDir(t *testing.T) {
	p := somePod(func(p *corev1.Pod) {
		p.Spec.Volumes = []corev1.Volume{{Name: "cache", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	})
	if got := fate(p, nil); !got.EmptyDir || got.Owner != "ReplicaSet/web" {
		t.Errorf("%+v, want its emptyDir and its owner", got)
	}
}
