package kube

import (
	"encoding/json"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/talos-cockpit/talos-cockpit/feed"
)

// firstOwner is the field manager that owns the field at the path, and when it
// wrote last; empty if nobody does. Several managers own a field only if they
// all set the same value: the earliest one set it first. A change of the value
// by another takes the field away from all that had it.
func firstOwner(entries []metav1.ManagedFieldsEntry, path ...string) (string, time.Time) {
	var by string
	var at time.Time
	for _, e := range entries {
		if e.Subresource != "" || e.FieldsV1 == nil || !owns(e.FieldsV1.GetRawBytes(), path) {
			continue
		}
		var when time.Time
		if e.Time != nil {
			when = e.Time.Time
		}
		if by == "" || when.Before(at) {
			by, at = feed.Clean(e.Manager), when
		}
	}
	return by, at
}

// owns reports whether the field set in the FieldsV1 format has the path.
func owns(fields []byte, path []string) bool {
	for _, step := range path {
		var level map[string]json.RawMessage
		if err := json.Unmarshal(fields, &level); err != nil {
			return false
		}
		next, ok := level[step]
		if !ok {
			return false
		}
		fields = next
	}
	return true
}
