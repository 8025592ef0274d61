package kubed

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
)

// Managed fields say who changed what, and when. They are kept by the same code
// as in a real API server, on the map form of the objects and with types deduced
// from the values, so a list belongs to its last writer as a whole.

// noConversion serves the field manager: there is one version of each kind.
type noConversion struct{}

func (noConversion) Convert(in, out, _ any) error {
	return fmt.Errorf("no conversion from %T to %T", in, out)
}

func (noConversion) ConvertToVersion(in runtime.Object, _ runtime.GroupVersioner) (runtime.Object, error) {
	return in, nil
}

func (noConversion) ConvertFieldLabel(_ schema.GroupVersionKind, label, value string) (string, string, error) {
	return label, value, nil
}

func (noConversion) Default(runtime.Object) {}

func (noConversion) New(gvk schema.GroupVersionKind) (runtime.Object, error) {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(gvk)
	return u, nil
}

func fieldManager(res *resource, sub string) (*managedfields.FieldManager, error) {
	none := noConversion{}
	m, err := managedfields.NewDefaultCRDFieldManager(managedfields.NewDeducedTypeConverter(), none, none, none,
		res.gvk(), res.GroupVersion(), sub, nil)
	if err != nil {
		return nil, fmt.Errorf("track the fields of %s: %w", res.Kind, err)
	}
	return m, nil
}

// recordFields notes in o who changed which fields since old.
func (s *Server) recordFields(res *resource, old, o object, ch change) error {
	if ch.apply {
		s.stampFields(old, o)
		return nil
	}
	m, err := fieldManager(res, ch.sub)
	if err != nil {
		return err
	}
	live, next, err := bothUnstructured(res, old, o)
	if err != nil {
		return err
	}
	out, ok := m.UpdateNoErrors(live, next, ch.manager).(*unstructured.Unstructured)
	if !ok {
		return fmt.Errorf("track the fields of %s %s: unexpected type", res.Kind, o.GetName())
	}
	o.SetManagedFields(out.GetManagedFields())
	s.stampFields(old, o)
	return nil
}

func bothUnstructured(res *resource, old, o object) (live, next *unstructured.Unstructured, err error) {
	live = &unstructured.Unstructured{Object: map[string]any{}}
	live.SetGroupVersionKind(res.gvk())
	if old != nil {
		if live, err = asUnstructured(res, old); err != nil {
			return nil, nil, err
		}
	}
	next, err = asUnstructured(res, o)
	return live, next, err
}

// mergeApplied merges an applied configuration into the object.
func (s *Server) mergeApplied(res *resource, old object, applied *unstructured.Unstructured, ch change, force bool) (object, error) {
	m, err := fieldManager(res, ch.sub)
	if err != nil {
		return nil, err
	}
	live := &unstructured.Unstructured{Object: map[string]any{}}
	live.SetGroupVersionKind(res.gvk())
	live.SetName(applied.GetName())
	live.SetNamespace(applied.GetNamespace())
	if old != nil {
		if live, err = asUnstructured(res, old); err != nil {
			return nil, err
		}
	}
	out, err := m.Apply(live, applied, ch.manager, force)
	if err != nil {
		return nil, err
	}
	u, ok := out.(*unstructured.Unstructured)
	if !ok {
		return nil, fmt.Errorf("apply %s %s: unexpected type", res.Kind, applied.GetName())
	}
	return fromUnstructured(res, u)
}

// stampFields gives the entries that are new in o the simulated time.
func (s *Server) stampFields(old, o object) {
	var before []metav1.ManagedFieldsEntry
	if old != nil {
		before = old.GetManagedFields()
	}
	entries := slices.Clone(o.GetManagedFields())
	for i := range entries {
		if !slices.ContainsFunc(before, func(b metav1.ManagedFieldsEntry) bool { return b.Time.Equal(entries[i].Time) }) {
			entries[i].Time = ptr(metaTime(s.opts.Now()))
		}
	}
	o.SetManagedFields(entries)
}

// owned returns managed fields for an object of the seed: all its fields belong
// to the writers named, the status to the second one.
func owned(res *resource, o object, at time.Time, owner, statusOwner string, apply bool) []metav1.ManagedFieldsEntry {
	u, err := asUnstructured(res, o)
	if err != nil {
		return nil
	}
	status, hasStatus := u.Object["status"]
	delete(u.Object, "status")
	op := metav1.ManagedFieldsOperationUpdate
	if apply {
		op = metav1.ManagedFieldsOperationApply
	}
	entries := []metav1.ManagedFieldsEntry{entryOf(res, owner, op, "", at, trimMeta(u.Object))}
	if hasStatus && statusOwner != "" {
		sub := "status"
		entries = append(entries, entryOf(res, statusOwner, metav1.ManagedFieldsOperationUpdate, sub, at, map[string]any{"status": status}))
	}
	return entries
}

func entryOf(res *resource, manager string, op metav1.ManagedFieldsOperationType, sub string, at time.Time, m map[string]any) metav1.ManagedFieldsEntry {
	return metav1.ManagedFieldsEntry{
		Manager: manager, Operation: op, APIVersion: res.GroupVersion().String(), Time: ptr(metaTime(at)),
		FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fieldsJSON(m)), Subresource: sub,
	}
}

// trimMeta leaves of an object what a writer can own.
func trimMeta(m map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		switch k {
		case "apiVersion", "kind", "metadata":
		default:
			out[k] = v
		}
	}
	meta, ok := m["metadata"].(map[string]any)
	if !ok {
		return out
	}
	kept := map[string]any{}
	for _, k := range []string{"labels", "annotations", "finalizers", "ownerReferences"} {
		if v, ok := meta[k]; ok {
			kept[k] = v
		}
	}
	if len(kept) > 0 {
		out["metadata"] = kept
	}
	return out
}
