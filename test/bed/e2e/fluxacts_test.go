package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/talos-cockpit/talos-cockpit/board"
	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/kube"
	"github.com/talos-cockpit/talos-cockpit/test/bed"
)

// operated is one object that is operated by the flux command and by the cockpit.
type operated struct {
	kind, name, path string
	command          []string // the flux command's words for the object
	source           bool     // it has a source to reconcile first
}

// fluxState is an object as the API server has it.
type fluxState struct {
	Metadata metav1.ObjectMeta `json:"metadata"`
	Spec     json.RawMessage   `json:"spec"`
	Status   struct {
		Conditions  []metav1.Condition `json:"conditions"`
		LastHandled string             `json:"lastHandledReconcileAt"`
		Applied     string             `json:"lastAppliedRevision"`
		Attempted   string             `json:"lastAttemptedRevision"`
	} `json:"status"`
}

func (o operated) get(t *testing.T) fluxState {
	t.Helper()
	var s fluxState
	if err := lab.bed.Get(timeout(t), o.path, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// took is how long a health check took, in its message.
var took = regexp.MustCompile(`passed in [0-9.]+[mµn]?s`)

// shape is what must not depend on who operated: the spec, the annotations' keys,
// the conditions, the revisions, and how the operator owns the field in question.
func (s fluxState) shape(operator, field string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "spec %s\n", s.Spec)
	var conditions []string
	for _, c := range s.Status.Conditions {
		conditions = append(conditions, fmt.Sprintf("%s=%s %s %q", c.Type, c.Status, c.Reason, took.ReplaceAllString(c.Message, "passed")))
	}
	slices.Sort(conditions)
	fmt.Fprintf(&b, "annotations %v\nconditions %v\n", slices.Sorted(maps.Keys(s.Metadata.Annotations)), conditions)
	fmt.Fprintf(&b, "revisions %s %s\n", s.Status.Applied, s.Status.Attempted)
	for _, m := range s.Metadata.ManagedFields {
		if strings.Contains(m.FieldsV1.GetRawString(), field) {
			fmt.Fprintf(&b, "%s owned by %s: %s %q\n", field, strings.ReplaceAll(m.Manager, operator, "the operator"), m.Operation, m.Subresource)
		}
	}
	return b.String()
}

// same compares what the flux command and the cockpit leave behind.
func same(t *testing.T, verb, field string, theirs, ours fluxState) {
	t.Helper()
	a, b := theirs.shape("flux", field), ours.shape(kube.Manager, field)
	if a != b {
		t.Errorf("after %s by flux:\n%s\nafter %s by the cockpit:\n%s", verb, a, verb, b)
	}
	if owned := strings.Contains(a, "owned by the operator"); owned != (verb != "resume") {
		t.Errorf("after %s, %s is owned by flux: %v:\n%s", verb, field, owned, a)
	}
}

const (
	annotationRequested = "reconcile.fluxcd.io/requestedAt"
	fieldSuspend        = `"f:suspend"`
	fieldRequested      = `"f:` + annotationRequested + `"`
)

func TestActsEndLikeTheFluxCommands(t *testing.T) {
	w := ready(t, lab.bed.Kubeconfig())
	for _, o := range []operated{
		{"Kustomization", "web", bed.KustomizationWebPath, []string{"kustomization", "web"}, true},
		{"HelmRelease", "podinfo", bed.HelmReleasePath, []string{"helmrelease", "podinfo", "-n", "gitops"}, true},
		{"HelmRepository", "charts", bed.HelmRepositoryPath, []string{"source", "helm", "charts"}, false},
	} {
		t.Run(o.kind, func(t *testing.T) {
			t.Parallel()
			o.compare(t, w)
		})
	}
}

func (o operated) compare(t *testing.T, w *world) {
	by := func(verb string) fluxState {
		flux(t, append([]string{verb}, o.command...)...)
		return o.get(t)
	}
	ours := func(verb board.FluxVerb, said string) fluxState {
		text, err := w.s.Flux(timeout(t), verb, w.flux(o.kind, o.name))
		if err != nil || !strings.Contains(text, said) {
			t.Errorf("%s: %q (%v)", verb, text, err)
		}
		return o.get(t)
	}
	suspended := func(want bool) {
		promptly(t, fmt.Sprintf("%s suspended %v", o.name, want), func() string {
			return yes(w.flux(o.kind, o.name).Suspended == want, "it is not")
		})
	}
	first := by("suspend")
	suspended(true)
	resumed := by("resume")
	suspended(false)
	same(t, "suspend", fieldSuspend, first, ours(board.FluxSuspend, "is suspended"))
	suspended(true)
	if by := w.flux(o.kind, o.name).SuspendedBy; by != kube.Manager {
		t.Errorf("suspended by %q", by)
	}
	if _, err := w.s.Flux(timeout(t), board.FluxReconcile, w.flux(o.kind, o.name)); err == nil || !strings.Contains(err.Error(), "suspended") {
		t.Errorf("the reconciliation of a suspended object: %v", err)
	}
	same(t, "resume", fieldSuspend, resumed, ours(board.FluxResume, "ready"))
	suspended(false)

	theirs := by("reconcile")
	mine := ours(board.FluxReconcile, "is reconciled")
	same(t, "reconcile", fieldRequested, theirs, mine)
	if asked := mine.Metadata.Annotations[annotationRequested]; asked == theirs.Metadata.Annotations[annotationRequested] || asked != mine.Status.LastHandled {
		t.Errorf("asked at %q, handled %q", asked, mine.Status.LastHandled)
	}
	if o.source {
		o.withSource(t, w, ours)
	}
}

// withSource sees to it that the source was asked, too, and before the object.
func (o operated) withSource(t *testing.T, w *world, ours func(board.FluxVerb, string) fluxState) {
	source := map[string]cluster.Ref{"Kustomization": {Kind: "GitRepository", Name: "flux-system"}, "HelmRelease": {Kind: "HelmChart", Name: "gitops-podinfo"}}[o.kind]
	before := w.flux(source.Kind, source.Name).Handled
	after := ours(board.FluxReconcileWithSource, "is reconciled")
	promptly(t, "the source was asked", func() string {
		now := w.flux(source.Kind, source.Name)
		return yes(now.Handled != before && now.Handled == now.Requested, now.Handled)
	})
	if now := w.flux(source.Kind, source.Name); now.Requested >= after.Status.LastHandled {
		t.Errorf("the source was asked at %s, the object at %s", now.Requested, after.Status.LastHandled)
	}
}
