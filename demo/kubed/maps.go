package kubed

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// toMap reads a JSON or YAML object, with whole numbers as int64.
func toMap(body []byte) (map[string]any, error) {
	js, err := yaml.YAMLToJSON(body)
	if err != nil {
		return nil, fmt.Errorf("the object provided is unrecognized: %w", err)
	}
	var m map[string]any
	if err := utiljson.Unmarshal(js, &m); err != nil {
		return nil, fmt.Errorf("the object provided is unrecognized: %w", err)
	}
	if m == nil {
		m = map[string]any{}
	}
	return m, nil
}

// sane refuses custom objects whose metadata has fields of wrong types.
func sane(u *unstructured.Unstructured) error {
	meta, found := u.Object["metadata"]
	if !found {
		u.Object["metadata"] = map[string]any{}
		return nil
	}
	m, ok := meta.(map[string]any)
	if !ok {
		return badRequest("metadata: Invalid value: must be an object")
	}
	var typed metav1.ObjectMeta
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(m, &typed); err != nil {
		return badRequest("metadata: Invalid value: " + err.Error())
	}
	return nil
}

// asUnstructured converts any stored object to its map form, as a copy.
func asUnstructured(res *resource, o object) (*unstructured.Unstructured, error) {
	if u, ok := o.(*unstructured.Unstructured); ok {
		return u.DeepCopy(), nil
	}
	m, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return nil, fmt.Errorf("convert %s %s: %w", res.Kind, o.GetName(), err)
	}
	u := &unstructured.Unstructured{Object: m}
	u.SetGroupVersionKind(res.gvk())
	return u, nil
}

// fromUnstructured converts the map form back to what the store keeps.
func fromUnstructured(res *resource, u *unstructured.Unstructured) (object, error) {
	if !res.Typed {
		return u, sane(u)
	}
	o := res.newObject()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, o); err != nil {
		return nil, badRequest(err.Error())
	}
	o.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	return o, nil
}

// The helpers below read and write nested values of custom objects; a path that
// is absent or of another type reads as the zero value.

func str(o object, path ...string) string {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return ""
	}
	s, _, _ := unstructured.NestedString(u.Object, path...)
	return s
}

func boolean(o object, path ...string) bool {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return false
	}
	b, _, _ := unstructured.NestedBool(u.Object, path...)
	return b
}

func integer(o object, path ...string) int64 {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return 0
	}
	n, _, _ := unstructured.NestedInt64(u.Object, path...)
	return n
}

func entriesOf(m map[string]any, path ...string) []map[string]any {
	list, _, _ := unstructured.NestedFieldNoCopy(m, path...)
	items, ok := list.([]any)
	if !ok {
		return nil
	}
	out := make([]map[string]any, 0, len(items))
	for _, item := range items {
		if entry, ok := item.(map[string]any); ok {
			out = append(out, entry)
		}
	}
	return out
}

// set writes a nested value into a private copy; a path through a value that is
// no object is left alone.
func set(u *unstructured.Unstructured, value any, path ...string) {
	_ = unstructured.SetNestedField(u.Object, value, path...)
}
