package core

import (
	"context"

	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
)

// EventTTL is how long an event is kept after its last write.
const EventTTL = time.Hour

func event() *kinds.Kind {
	doc, object := corev1.Event{}.SwaggerDoc(), corev1.ObjectReference{}.SwaggerDoc()
	names := kinds.Names{Resource: "events", Singular: "event", ShortNames: []string{"ev"}}
	wideName := column.Name()
	wideName.Priority = 1
	return kinds.Definition[*corev1.Event]{
		GVK: gvk("Event"), Names: names, Namespaced: true,
		New:     func() *corev1.Event { return &corev1.Event{} },
		NewList: func() runtime.Object { return &corev1.EventList{} },
		Views: []kinds.View{{
			GroupVersionKind: eventsv1.SchemeGroupVersion.WithKind("Event"), Names: names,
			FieldNames: map[string]string{
				"reason": "reason", "type": "type", "reportingController": "reportingComponent",
				"regarding.kind": "involvedObject.kind", "regarding.namespace": "involvedObject.namespace", "regarding.name": "involvedObject.name",
				"regarding.uid": "involvedObject.uid", "regarding.apiVersion": "involvedObject.apiVersion",
				"regarding.resourceVersion": "involvedObject.resourceVersion", "regarding.fieldPath": "involvedObject.fieldPath",
			},
			New:     func() kinds.Object { return &eventsv1.Event{} },
			NewList: func() runtime.Object { return &eventsv1.EventList{} },
			ToStored: func(obj kinds.Object) (kinds.Object, error) {
				e, ok := obj.(*eventsv1.Event)
				if !ok {
					return nil, fmt.Errorf("an event of events.k8s.io/v1 cannot be made of %T", obj)
				}
				return storedEvent(e), nil
			},
			FromStored: func(obj kinds.Object) (kinds.Object, error) {
				e, ok := obj.(*corev1.Event)
				if !ok {
					return nil, fmt.Errorf("a stored event cannot be %T", obj)
				}
				return viewedEvent(e), nil
			},
		}},

		// Events of core/v1 may be called anything that fits in a URL, and have
		// any finalizers.
		ValidName:           func(string, bool) []string { return nil },
		MetadataLast:        true,
		AnyFinalizer:        true,
		CreateOnUpdate:      true,
		UnconditionalUpdate: true,
		NoDependents:        true,
		TTL:                 func(*corev1.Event) time.Duration { return EventTTL },

		Fields: func(e *corev1.Event) fields.Set {
			source := e.Source.Component
			if source == "" {
				source = e.ReportingController
			}
			of := e.InvolvedObject
			return fields.Set{
				"involvedObject.kind": of.Kind, "involvedObject.namespace": of.Namespace, "involvedObject.name": of.Name,
				"involvedObject.uid": string(of.UID), "involvedObject.apiVersion": of.APIVersion,
				"involvedObject.resourceVersion": of.ResourceVersion, "involvedObject.fieldPath": of.FieldPath,
				"reason": e.Reason, "reportingComponent": e.ReportingController, "source": source, "type": e.Type,
			}
		},
		FieldNames: []string{
			"involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid", "involvedObject.apiVersion",
			"involvedObject.resourceVersion", "involvedObject.fieldPath", "reason", "reportingComponent", "source", "type",
		},

		Validate: func(ctx context.Context, o *corev1.Event) field.ErrorList { return validateEvent(ctx, o) },
		ValidateUpdate: func(ctx context.Context, o, old *corev1.Event) field.ErrorList {
			return validateEventUpdate(ctx, o, old)
		},

		Columns: []metav1.TableColumnDefinition{
			column.Text("Last Seen", doc["lastTimestamp"]),
			column.Text("Type", doc["type"]),
			column.Text("Reason", doc["reason"]),
			column.Text("Object", doc["involvedObject"]),
			column.Wide("Subobject", object["fieldPath"]),
			column.Wide("Source", doc["source"]),
			column.Text("Message", doc["message"]),
			column.Wide("First Seen", doc["firstTimestamp"]),
			column.Wide("Count", doc["count"]),
			wideName,
		},
		Cells: eventCells,
	}.Kind()
}

func eventCells(e *corev1.Event) []any {
	first := column.Since(e.FirstTimestamp)
	if e.FirstTimestamp.IsZero() {
		first = column.SinceMicro(e.EventTime)
	}
	last := column.Since(e.LastTimestamp)
	if e.LastTimestamp.IsZero() {
		last = first
	}
	count := max(e.Count, 1)
	if e.Series != nil {
		last, count = column.SinceMicro(e.Series.LastObservedTime), e.Series.Count
	}
	target := strings.ToLower(e.InvolvedObject.Kind)
	if e.InvolvedObject.Name != "" {
		target += "/" + e.InvolvedObject.Name
	}
	source, host := e.Source.Component, e.Source.Host
	if source == "" {
		source = e.ReportingController
	}
	if host == "" {
		host = e.ReportingInstance
	}
	if host != "" {
		source += ", " + host
	}
	return []any{
		last, e.Type, e.Reason, target, e.InvolvedObject.FieldPath, source, strings.TrimSpace(e.Message), first, int64(count), e.Name,
	}
}

// storedEvent writes an event of events.k8s.io/v1 as one of core/v1.
func storedEvent(e *eventsv1.Event) *corev1.Event {
	out := &corev1.Event{
		ObjectMeta: e.ObjectMeta, InvolvedObject: e.Regarding, Related: e.Related,
		Reason: e.Reason, Message: e.Note, Type: e.Type, Action: e.Action, EventTime: e.EventTime,
		ReportingController: e.ReportingController, ReportingInstance: e.ReportingInstance,
		Source: e.DeprecatedSource, FirstTimestamp: e.DeprecatedFirstTimestamp, LastTimestamp: e.DeprecatedLastTimestamp, Count: e.DeprecatedCount,
	}
	if e.Series != nil {
		out.Series = &corev1.EventSeries{Count: e.Series.Count, LastObservedTime: e.Series.LastObservedTime}
	}
	return out
}

// viewedEvent is the reverse of storedEvent.
func viewedEvent(e *corev1.Event) *eventsv1.Event {
	out := &eventsv1.Event{
		ObjectMeta: e.ObjectMeta, Regarding: e.InvolvedObject, Related: e.Related,
		Reason: e.Reason, Note: e.Message, Type: e.Type, Action: e.Action, EventTime: e.EventTime,
		ReportingController: e.ReportingController, ReportingInstance: e.ReportingInstance,
		DeprecatedSource: e.Source, DeprecatedFirstTimestamp: e.FirstTimestamp, DeprecatedLastTimestamp: e.LastTimestamp, DeprecatedCount: e.Count,
	}
	if e.Series != nil {
		out.Series = &eventsv1.EventSeries{Count: e.Series.Count, LastObservedTime: e.Series.LastObservedTime}
	}
	return out
}
