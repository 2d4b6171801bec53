package core

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/endpoints/request"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

// strict reports whether the request uses events.k8s.io, which demands more.
func strict(ctx context.Context) bool {
	info, ok := request.RequestInfoFrom(ctx)
	return ok && info.APIGroup != ""
}

func validateEvent(ctx context.Context, ev *corev1.Event) field.ErrorList {
	e := &check.Errors{}
	eventBasics(e, ev, strict(ctx))
	if !strict(ctx) {
		return e.List
	}
	e.Finalizers(ev.Finalizers)
	e.List = append(e.List, apivalidation.ValidateObjectMeta(&ev.ObjectMeta, true, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))...)
	eventSeries(e, ev)
	if ev.EventTime.IsZero() {
		e.Required(field.NewPath("eventTime"), "")
	}
	if ev.Type != corev1.EventTypeNormal && ev.Type != corev1.EventTypeWarning {
		e.Invalid(field.NewPath("type"), "", fmt.Sprintf("has invalid value: %v", ev.Type))
	}
	for _, f := range []struct {
		set  bool
		name string
	}{
		{!ev.FirstTimestamp.IsZero(), "firstTimestamp"}, {!ev.LastTimestamp.IsZero(), "lastTimestamp"},
		{ev.Count != 0, "count"}, {ev.Source != (corev1.EventSource{}), "source"},
	} {
		if f.set {
			e.Invalid(field.NewPath(f.name), "", "needs to be unset")
		}
	}
	return e.List
}

func validateEventUpdate(ctx context.Context, ev, old *corev1.Event) field.ErrorList {
	e := &check.Errors{}
	eventBasics(e, ev, strict(ctx))
	if !strict(ctx) {
		return e.List
	}
	e.Finalizers(ev.Finalizers)
	if ev.Series != nil && (old.Series == nil || *ev.Series != *old.Series) {
		eventSeries(e, ev)
	}
	for _, f := range []struct {
		name     string
		now, was any
	}{
		{"involvedObject", ev.InvolvedObject, old.InvolvedObject}, {"reason", ev.Reason, old.Reason}, {"message", ev.Message, old.Message},
		{"source", ev.Source, old.Source}, {"firstTimestamp", ev.FirstTimestamp, old.FirstTimestamp},
		{"lastTimestamp", ev.LastTimestamp, old.LastTimestamp}, {"count", ev.Count, old.Count}, {"type", ev.Type, old.Type},
		{"action", ev.Action, old.Action}, {"related", ev.Related, old.Related},
		{"reportingController", ev.ReportingController, old.ReportingController}, {"reportingInstance", ev.ReportingInstance, old.ReportingInstance},
	} {
		e.Same(field.NewPath(f.name), f.now, f.was)
	}
	if !ev.EventTime.Truncate(time.Microsecond).Equal(old.EventTime.Truncate(time.Microsecond)) {
		e.Same(field.NewPath("eventTime"), ev.EventTime, old.EventTime)
	}
	return e.List
}

func eventSeries(e *check.Errors, ev *corev1.Event) {
	if s := ev.Series; s != nil {
		if s.Count < 2 {
			e.Invalid(field.NewPath("series.count"), "", "should be at least 2")
		}
		if s.LastObservedTime.IsZero() {
			e.Required(field.NewPath("series.lastObservedTime"), "")
		}
	}
}

// eventBasics checks what both groups demand of events.
func eventBasics(e *check.Errors, ev *corev1.Event, newGroup bool) {
	of := ev.InvolvedObject.Namespace
	same := of == ev.Namespace
	if of == "" {
		same = ev.Namespace == metav1.NamespaceDefault || ev.Namespace == metav1.NamespaceNone
		if !ev.EventTime.IsZero() {
			same = ev.Namespace == metav1.NamespaceDefault || ev.Namespace == metav1.NamespaceSystem
		}
	} else if !ev.EventTime.IsZero() {
		same = true
	}
	if !same {
		e.Invalid(field.NewPath("involvedObject", "namespace"), of, "does not match event.namespace")
	}
	if ev.EventTime.IsZero() {
		return
	}
	by := field.NewPath("reportingComponent")
	if newGroup {
		by = field.NewPath("reportingController")
	}
	e.NotEmpty(by, ev.ReportingController)
	e.QualifiedName(by, ev.ReportingController)
	limited := func(name, value string, most int, required bool) {
		if required {
			e.NotEmpty(field.NewPath(name), value)
		}
		if len(value) > most {
			e.Invalid(field.NewPath(name), "", fmt.Sprintf("can have at most %d characters", most))
		}
	}
	limited("reportingInstance", ev.ReportingInstance, 128, true)
	limited("action", ev.Action, 128, true)
	limited("reason", ev.Reason, 128, true)
	limited("message", ev.Message, 1024, false)
}
