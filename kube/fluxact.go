package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

// Reconcile asks the object's controller for a reconciliation now, as `flux
// reconcile` does, and returns the token to give to Outcome. With source it
// first reconciles what the object takes its content from, and what that takes
// its content from, and waits for each, so ctx should last for minutes. A
// suspended object is refused: its controller would say handled and do nothing.
// The error is a *cluster.Trouble.
func (c *Client) Reconcile(ctx context.Context, obj cluster.FluxObject, withSource bool) (requestedAt string, err error) {
	now, err := c.FluxGet(ctx, obj)
	if err != nil {
		return "", err
	}
	if err := reconcilable(now); err != nil {
		return "", err
	}
	if withSource {
		if err := c.reconcileSource(ctx, now); err != nil {
			return "", err
		}
	}
	return c.request(ctx, now)
}

// reconcilable says why an object cannot be reconciled; nil: it can.
func reconcilable(o cluster.FluxObject) error {
	switch {
	case o.Suspended:
		t := &cluster.Trouble{Kind: cluster.TroubleOther, What: fmt.Sprintf("%s is suspended", name(o.Ref)), Do: "resume it first"}
		if o.SuspendedBy != "" {
			t.What += fmt.Sprintf(" (by %s at %s)", o.SuspendedBy, day(o.SuspendedAt))
		}
		return t
	case o.State == cluster.FluxStatic:
		return &cluster.Trouble{Kind: cluster.TroubleUnimplemented, What: fmt.Sprintf("%s has no controller that reconciles it", name(o.Ref))}
	default:
		return nil
	}
}

// reconcileSource reconciles the chain of sources of o, the first one first, and waits for each.
func (c *Client) reconcileSource(ctx context.Context, o cluster.FluxObject) error {
	ref, err := c.contentOf(ctx, o)
	if err != nil {
		return err
	}
	if ref == nil {
		return &cluster.Trouble{Kind: cluster.TroubleUnimplemented, What: name(o.Ref) + " has no source to reconcile"}
	}
	source, err := c.fluxByRef(ctx, *ref)
	if err != nil {
		return err
	}
	if source.State == cluster.FluxStatic { // a Helm repository of the type oci: nothing to fetch
		return nil
	}
	if err := reconcilable(source); err != nil {
		return err
	}
	if source.Kind == "HelmChart" { // its charts are found through a repository
		if err := c.reconcileSource(ctx, source); err != nil {
			return err
		}
	}
	token, err := c.request(ctx, source)
	if err != nil {
		return err
	}
	_, err = c.Outcome(ctx, source, token)
	return err
}

// contentOf is the source of o; for a HelmRelease the chart that its controller made for it.
func (c *Client) contentOf(ctx context.Context, o cluster.FluxObject) (*cluster.Ref, error) {
	if o.Kind != "HelmRelease" || o.Source == nil || o.Source.Kind == "HelmChart" || o.Source.Kind == "OCIRepository" {
		return o.Source, nil
	}
	u, err := c.raw(ctx, o)
	if err != nil {
		return nil, err
	}
	if chart := text(u.Object, "status", "helmChart"); chart != "" {
		namespace, chartName, ok := strings.Cut(chart, "/")
		if ok {
			return &cluster.Ref{Kind: "HelmChart", Namespace: namespace, Name: chartName}, nil
		}
	}
	return o.Source, nil // no chart yet: its repository is what can be fetched
}

// request sets the annotation that asks for a reconciliation.
func (c *Client) request(ctx context.Context, o cluster.FluxObject) (string, error) {
	token := time.Now().Format(time.RFC3339Nano)
	err := c.patch(ctx, o, "reconcile", map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{annotationRequested: token}},
	})
	return token, err
}

// Suspend stops the reconciliation of an object, as `flux suspend` does. The
// error is a *cluster.Trouble.
func (c *Client) Suspend(ctx context.Context, obj cluster.FluxObject) error {
	if obj.Group == operatorGroup {
		return c.patch(ctx, obj, "suspend", annotate(annotationOperator, operatorDisabled))
	}
	return c.patch(ctx, obj, "suspend", map[string]any{"spec": map[string]any{"suspend": true}})
}

// Resume lets the object be reconciled again, as `flux resume` does; its
// controller starts at once. Outcome with an empty token waits for the result.
// The error is a *cluster.Trouble.
func (c *Client) Resume(ctx context.Context, obj cluster.FluxObject) error {
	if obj.Group == operatorGroup {
		return c.patch(ctx, obj, "resume", annotate(annotationOperator, "enabled"))
	}
	return c.patch(ctx, obj, "resume", map[string]any{"spec": map[string]any{"suspend": nil}})
}

func annotate(key, value string) map[string]any {
	return map[string]any{"metadata": map[string]any{"annotations": map[string]any{key: value}}}
}

func (c *Client) patch(ctx context.Context, o cluster.FluxObject, verb string, change map[string]any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	body, err := json.Marshal(change)
	if err != nil {
		return c.Explain(err, verb+" "+name(o.Ref))
	}
	_, err = c.dynamic.Resource(resourceOf(kindOf(o))).Namespace(o.Namespace).
		Patch(ctx, o.Name, types.MergePatchType, body, metav1.PatchOptions{FieldManager: Manager})
	if err != nil {
		return c.Explain(err, verb+" "+name(o.Ref))
	}
	return nil
}

// FluxGet reads one object again. The error is a *cluster.Trouble.
func (c *Client) FluxGet(ctx context.Context, o cluster.FluxObject) (cluster.FluxObject, error) {
	u, err := c.raw(ctx, o)
	if err != nil {
		return cluster.FluxObject{}, err
	}
	return FluxObject(u, kindOf(o)), nil
}

func (c *Client) raw(ctx context.Context, o cluster.FluxObject) (*unstructured.Unstructured, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	u, err := c.dynamic.Resource(resourceOf(kindOf(o))).Namespace(o.Namespace).Get(ctx, o.Name, metav1.GetOptions{})
	if err != nil {
		return nil, c.Explain(err, "read "+name(o.Ref))
	}
	return u, nil
}

// fluxByRef reads the object that a reference names.
func (c *Client) fluxByRef(ctx context.Context, ref cluster.Ref) (cluster.FluxObject, error) {
	k, err := c.kind(ctx, ref.Kind)
	if err != nil {
		return cluster.FluxObject{}, err
	}
	return c.FluxGet(ctx, cluster.FluxObject{Ref: ref, Group: k.Group, Version: k.Version, Plural: k.Plural})
}

func kindOf(o cluster.FluxObject) cluster.FluxKind {
	return cluster.FluxKind{Group: o.Group, Version: o.Version, Kind: o.Kind, Plural: o.Plural}
}

// name is the object as the flux command writes it in messages.
func name(r cluster.Ref) string {
	if r.Namespace == "" {
		return r.Kind + " " + r.Name
	}
	return r.Kind + " " + r.Namespace + "/" + r.Name
}
