package kubed

import (
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
)

// selector says which objects a list or watch asked for.
type selector struct {
	namespace string
	labels    labels.Selector
	fields    fields.Selector
	attrs     func(object) fields.Set
}

func (s selector) matches(o object) bool {
	if s.namespace != "" && o.GetNamespace() != s.namespace {
		return false
	}
	if !s.labels.Empty() && !s.labels.Matches(labels.Set(o.GetLabels())) {
		return false
	}
	return s.fields.Empty() || s.fields.Matches(s.attrs(o))
}

// newSelector parses the selectors of a request, and refuses field labels that
// the resource does not support, as the API server does.
func newSelector(res *resource, namespace, label, field string) (selector, error) {
	sel := selector{namespace: namespace, attrs: res.attributes}
	var err error
	if sel.labels, err = labels.Parse(label); err != nil {
		return sel, badRequest("unable to parse requirement: " + err.Error())
	}
	if sel.fields, err = fields.ParseSelector(field); err != nil {
		return sel, badRequest(err.Error())
	}
	for _, r := range sel.fields.Requirements() {
		if !res.supportsField(r.Field) {
			return sel, badRequest(fmt.Sprintf(
				"Unable to find %q that match label selector %q, field selector %q: field label not supported: %s",
				res.GroupVersion().String()+", Resource="+res.Resource, label, field, r.Field))
		}
	}
	return sel, nil
}

// attributes returns the fields of the object that can be selected by.
func (res *resource) attributes(o object) fields.Set {
	set := fields.Set{"metadata.name": o.GetName()}
	if res.Namespaced {
		set["metadata.namespace"] = o.GetNamespace()
	}
	if res.fields != nil {
		for k, v := range res.fields(o) {
			set[k] = v
		}
	}
	return set
}

func (res *resource) supportsField(name string) bool {
	if name == "metadata.name" || (name == "metadata.namespace" && res.Namespaced) {
		return true
	}
	if res.fields == nil {
		return false
	}
	_, ok := res.fields(res.stored().newObject())[name]
	return ok
}

func podFields(o object) fields.Set {
	p, ok := o.(*corev1.Pod)
	if !ok {
		return nil
	}
	return fields.Set{
		"spec.nodeName": p.Spec.NodeName, "status.phase": string(p.Status.Phase),
		"spec.restartPolicy": string(p.Spec.RestartPolicy), "spec.schedulerName": p.Spec.SchedulerName,
		"spec.serviceAccountName": p.Spec.ServiceAccountName, "status.podIP": p.Status.PodIP,
		"spec.hostNetwork": strconv.FormatBool(p.Spec.HostNetwork), "status.nominatedNodeName": p.Status.NominatedNodeName,
	}
}

func nodeFields(o object) fields.Set {
	n, ok := o.(*corev1.Node)
	if !ok {
		return nil
	}
	return fields.Set{"spec.unschedulable": strconv.FormatBool(n.Spec.Unschedulable)}
}

func namespaceFields(o object) fields.Set {
	n, ok := o.(*corev1.Namespace)
	if !ok {
		return nil
	}
	return fields.Set{"status.phase": string(n.Status.Phase)}
}

func eventFields(o object) fields.Set {
	e, ok := o.(*corev1.Event)
	if !ok {
		return nil
	}
	source := e.Source.Component
	if source == "" {
		source = e.ReportingController
	}
	i := e.InvolvedObject
	return fields.Set{
		"involvedObject.kind": i.Kind, "involvedObject.namespace": i.Namespace, "involvedObject.name": i.Name,
		"involvedObject.uid": string(i.UID), "involvedObject.apiVersion": i.APIVersion,
		"involvedObject.resourceVersion": i.ResourceVersion, "involvedObject.fieldPath": i.FieldPath,
		"regarding.kind": i.Kind, "regarding.namespace": i.Namespace, "regarding.name": i.Name,
		"regarding.uid": string(i.UID), "regarding.apiVersion": i.APIVersion,
		"reason": e.Reason, "reportingComponent": e.ReportingController, "reportingController": e.ReportingController,
		"source": source, "type": e.Type,
	}
}

func secretFields(o object) fields.Set {
	s, ok := o.(*corev1.Secret)
	if !ok {
		return nil
	}
	return fields.Set{"type": string(s.Type)}
}
