package kubed

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// eventLife is how long events are kept, as the API server does by default.
const eventLife = time.Hour

// emit records an event about an object; the same one again raises its count.
func (m *sim) emit(o object, res *resource, kind, reason, message string, source corev1.EventSource) {
	m.change(func(t tx) { m.emitAt(t, o, res, kind, reason, message, source, m.now(), nil) })
}

// emitIn records a normal event as part of a change.
func (m *sim) emitIn(t tx, o object, res *resource, reason, message string, source corev1.EventSource) {
	m.emitAt(t, o, res, corev1.EventTypeNormal, reason, message, source, m.now(), nil)
}

func (m *sim) emitAt(t tx, o object, res *resource, kind, reason, message string, source corev1.EventSource, at metav1.Time, annotations map[string]string) {
	ns := o.GetNamespace()
	if ns == "" {
		ns = metav1.NamespaceDefault
	}
	name := fmt.Sprintf("%s.%s", o.GetName(), hexOf(m.scene.Seed, 16, "event", res.Resource, string(o.GetUID()), reason, message, source.Component))
	if old, ok := t.get(events, ns, name); ok {
		if e, isEvent := old.(*corev1.Event); isEvent {
			e = clone(e)
			e.Count++
			e.LastTimestamp = at
			t.put(events, e)
			return
		}
	}
	involved := corev1.ObjectReference{
		Kind: res.Kind, APIVersion: res.GroupVersion().String(), Name: o.GetName(), Namespace: o.GetNamespace(),
		UID: o.GetUID(), ResourceVersion: o.GetResourceVersion(),
	}
	if res == nodes && source.Component == "kubelet" {
		involved.UID = types.UID(o.GetName()) // as the kubelet does: kubectl describe looks for that
	}
	t.put(events, &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Name: name, Namespace: ns, CreationTimestamp: at, Annotations: annotations},
		InvolvedObject: involved, Reason: reason, Message: message, Source: source, Type: kind, Count: 1,
		FirstTimestamp: at, LastTimestamp: at, ReportingController: source.Component, ReportingInstance: source.Host,
	})
}

func (m *sim) pruneEvents() {
	limit := m.s.opts.Now().Add(-eventLife)
	m.change(func(t tx) {
		for _, o := range t.list(events) {
			if e, ok := o.(*corev1.Event); ok && e.LastTimestamp.Time.Before(limit) && e.EventTime.Time.Before(limit) {
				t.remove(events, e.Namespace, e.Name)
			}
		}
	})
	m.after("prune events", 5*time.Minute, m.pruneEvents)
}
