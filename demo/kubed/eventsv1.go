package kubed

import (
	corev1 "k8s.io/api/core/v1"
	eventsapi "k8s.io/api/events/v1"
)

// Events are stored in their core version; events.k8s.io shows the same ones.

func toEventV1(o object) object {
	e, ok := o.(*corev1.Event)
	if !ok {
		return o
	}
	out := &eventsapi.Event{
		ObjectMeta: e.ObjectMeta, EventTime: e.EventTime, Action: e.Action, Reason: e.Reason, Note: e.Message, Type: e.Type,
		ReportingController: e.ReportingController, ReportingInstance: e.ReportingInstance,
		Regarding: e.InvolvedObject, Related: e.Related, DeprecatedSource: e.Source,
		DeprecatedFirstTimestamp: e.FirstTimestamp, DeprecatedLastTimestamp: e.LastTimestamp, DeprecatedCount: e.Count,
	}
	if e.Series != nil {
		out.Series = &eventsapi.EventSeries{Count: e.Series.Count, LastObservedTime: e.Series.LastObservedTime}
	}
	return out
}

func fromEventV1(e *eventsapi.Event) *corev1.Event {
	out := &corev1.Event{
		ObjectMeta: e.ObjectMeta, EventTime: e.EventTime, Action: e.Action, Reason: e.Reason, Message: e.Note, Type: e.Type,
		ReportingController: e.ReportingController, ReportingInstance: e.ReportingInstance,
		InvolvedObject: e.Regarding, Related: e.Related, Source: e.DeprecatedSource,
		FirstTimestamp: e.DeprecatedFirstTimestamp, LastTimestamp: e.DeprecatedLastTimestamp, Count: e.DeprecatedCount,
	}
	if e.Series != nil {
		out.Series = &corev1.EventSeries{Count: e.Series.Count, LastObservedTime: e.Series.LastObservedTime}
	}
	return out
}

// ingest converts what a client sent to what is stored.
func (res *resource) ingest(o object) (object, error) {
	if !res.View {
		return o, nil
	}
	e, ok := o.(*eventsapi.Event)
	if !ok {
		return nil, badRequest("the object is no event")
	}
	return fromEventV1(e), nil
}
