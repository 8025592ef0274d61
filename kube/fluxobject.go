package kube

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
)

// The annotations of Flux and of its operator.
const (
	annotationRequested = "reconcile.fluxcd.io/requestedAt"
	annotationOperator  = "fluxcd.controlplane.io/reconcile"
	operatorDisabled    = "disabled"
)

// FluxObject is what is shown of a Flux object of the given kind. All its text
// is clean, its revisions are short.
func FluxObject(u *unstructured.Unstructured, k cluster.FluxKind) cluster.FluxObject {
	o := cluster.FluxObject{
		Ref:   cluster.Ref{Kind: k.Kind, Namespace: feed.Clean(u.GetNamespace()), Name: feed.Clean(u.GetName())},
		Group: k.Group, Version: k.Version, Plural: k.Plural, Short: ShortKind(k.Kind),
		Generation:  u.GetGeneration(),
		Observed:    number(u.Object, "status", "observedGeneration"),
		Requested:   feed.Clean(u.GetAnnotations()[annotationRequested]),
		Handled:     text(u.Object, "status", "lastHandledReconcileAt"),
		ResourceVer: feed.Clean(u.GetResourceVersion()),
		Created:     u.GetCreationTimestamp().Time,
		Inventory:   len(items(u.Object, "status", "inventory", "entries")),
	}
	if d, err := time.ParseDuration(text(u.Object, "spec", "interval")); err == nil {
		o.Interval = d
	}
	o.Source, o.DependsOn = sourceOf(u, o.Ref), dependencies(u, o.Ref)
	var g generations
	o.Conditions, g = conditions(u)
	if ready, ok := find(o.Conditions, condReady); ok {
		o.Since = ready.Since
	}
	o.State, o.Reason, o.Message = fluxState(o.Conditions, g)
	if len(o.Conditions) == 0 && static(u, k) {
		o.State, o.Message = cluster.FluxStatic, ""
	}
	suspension(u, &o)
	applied, attempted := revisions(u, k.Kind)
	o.Revision = ShortRevision(applied)
	if attempted != applied {
		o.Attempted = ShortRevision(attempted)
	}
	return o
}

// static reports whether objects like this one have no controller that writes a
// status: alerts and providers since v1beta3, and Helm repositories of the type oci.
func static(u *unstructured.Unstructured, k cluster.FluxKind) bool {
	switch k.Kind {
	case "Alert", "Provider":
		return k.Version != "v1beta1" && k.Version != "v1beta2"
	case "HelmRepository":
		return text(u.Object, "spec", "type") == "oci"
	default:
		return false
	}
}

// suspension fills whether, by whom and when. The last Ready stays in reason and message.
func suspension(u *unstructured.Unstructured, o *cluster.FluxObject) {
	path := []string{"f:spec", "f:suspend"}
	o.Suspended, _, _ = unstructured.NestedBool(u.Object, "spec", "suspend")
	if o.Group == operatorGroup {
		o.Suspended = u.GetAnnotations()[annotationOperator] == operatorDisabled
		path = []string{"f:metadata", "f:annotations", "f:" + annotationOperator}
	}
	if !o.Suspended {
		return
	}
	o.State = cluster.FluxSuspended
	o.SuspendedBy, o.SuspendedAt = firstOwner(u.GetManagedFields(), path...)
	if ready, ok := find(o.Conditions, condReady); ok {
		o.Reason, o.Message = ready.Reason, ready.Message
	}
}

func conditions(u *unstructured.Unstructured) ([]cluster.Condition, generations) {
	g := generations{object: u.GetGeneration(), observed: number(u.Object, "status", "observedGeneration"), of: map[string]int64{}}
	var out []cluster.Condition
	for _, item := range items(u.Object, "status", "conditions") {
		m, ok := item.(map[string]any)
		if !ok {
			continue
		}
		c := cluster.Condition{
			Type: text(m, "type"), Status: text(m, "status"), Reason: text(m, "reason"),
			Message: strings.TrimSpace(text(m, "message")),
		}
		if at, err := time.Parse(time.RFC3339, text(m, "lastTransitionTime")); err == nil {
			c.Since = at
		}
		g.of[c.Type] = number(m, "observedGeneration")
		out = append(out, c)
	}
	if _, found, _ := unstructured.NestedFieldNoCopy(u.Object, "status", "observedGeneration"); !found {
		g.observed = g.object // kinds that do not write it: the conditions alone tell
	}
	return out, g
}

// sourceOf is where the object takes its content from; nil if it has no single source.
func sourceOf(u *unstructured.Unstructured, self cluster.Ref) *cluster.Ref {
	for _, path := range [][]string{
		{"spec", "chartRef"},
		{"spec", "sourceRef"},
		{"spec", "chart", "spec", "sourceRef"},
		{"spec", "imageRepositoryRef"},
	} {
		m, ok, _ := unstructured.NestedFieldNoCopy(u.Object, path...)
		ref, isMap := m.(map[string]any)
		if !ok || !isMap {
			continue
		}
		kind := text(ref, "kind")
		if kind == "" && path[1] == "imageRepositoryRef" {
			kind = "ImageRepository"
		}
		return reference(ref, kind, self.Namespace)
	}
	return nil
}

func dependencies(u *unstructured.Unstructured, self cluster.Ref) []cluster.Ref {
	var out []cluster.Ref
	for _, item := range items(u.Object, "spec", "dependsOn") {
		m, ok := item.(map[string]any)
		if !ok {
			continue
		}
		kind := text(m, "kind")
		if kind == "" {
			kind = self.Kind
		}
		out = append(out, *reference(m, kind, self.Namespace))
	}
	return out
}

func reference(m map[string]any, kind, namespace string) *cluster.Ref {
	r := cluster.Ref{Kind: kind, Namespace: text(m, "namespace"), Name: text(m, "name")}
	if r.Namespace == "" {
		r.Namespace = namespace
	}
	return &r
}

// revisions are what was applied last and what was attempted last, in full.
func revisions(u *unstructured.Unstructured, kind string) (applied, attempted string) {
	switch kind {
	case "HelmRelease":
		applied, attempted = deployedChart(u), text(u.Object, "status", "lastAttemptedRevision")
	case "ImagePolicy":
		applied = latestImage(u)
	case "ImageUpdateAutomation":
		applied = text(u.Object, "status", "lastPushCommit")
	default:
		applied = text(u.Object, "status", "lastAppliedRevision")
		if applied == "" {
			applied = text(u.Object, "status", "artifact", "revision")
		}
		attempted = text(u.Object, "status", "lastAttemptedRevision")
	}
	if attempted == "" {
		attempted = applied
	}
	return applied, attempted
}

// deployedChart is the version of the chart that is deployed: not of an upgrade that failed.
func deployedChart(u *unstructured.Unstructured) string {
	for _, item := range items(u.Object, "status", "history") {
		if m, ok := item.(map[string]any); ok && text(m, "status") == "deployed" {
			return text(m, "chartVersion")
		}
	}
	return text(u.Object, "status", "lastAppliedRevision") // before helm.toolkit.fluxcd.io/v2
}

func latestImage(u *unstructured.Unstructured) string {
	if tag := text(u.Object, "status", "latestRef", "tag"); tag != "" {
		return tag
	}
	image := text(u.Object, "status", "latestImage") // before image.toolkit.fluxcd.io/v1
	if i := strings.LastIndexByte(image, ':'); i > strings.LastIndexByte(image, '/') {
		return image[i+1:]
	}
	return image
}

func text(m map[string]any, path ...string) string {
	v, _, _ := unstructured.NestedString(m, path...)
	return feed.Clean(v)
}

func number(m map[string]any, path ...string) int64 {
	v, _, _ := unstructured.NestedInt64(m, path...)
	return v
}

func items(m map[string]any, path ...string) []any {
	v, _, _ := unstructured.NestedFieldNoCopy(m, path...)
	list, _ := v.([]any)
	return list
}
