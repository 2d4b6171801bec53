package autoscaling

import (
	"fmt"
	"slices"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

const (
	longestWindow = 3600 // seconds
	longestPeriod = 1800
)

// validate checks an autoscaler; old is what it was before, if there was one.
func validate(h, old *autoscalingv2.HorizontalPodAutoscaler) field.ErrorList {
	e, p, s := &check.Errors{}, field.NewPath("spec"), &h.Spec
	if n := s.MinReplicas; n != nil && s.MaxReplicas < *n {
		e.Invalid(p.Child("maxReplicas"), s.MaxReplicas, "must be greater than or equal to `minReplicas`")
	}
	ref := s.ScaleTargetRef
	reference(e, p.Child("scaleTargetRef"), ref)
	if old == nil || old.Spec.ScaleTargetRef.APIVersion != ref.APIVersion || old.Spec.ScaleTargetRef.Kind != ref.Kind {
		apiVersion(e, p.Child("scaleTargetRef", "apiVersion"), ref.APIVersion, ref.Kind == "ReplicationController")
	}
	for i := range s.Metrics {
		metric(e, p.Child("metrics").Index(i), &s.Metrics[i])
	}
	if n := s.MinReplicas; n != nil && *n == 0 && !slices.ContainsFunc(s.Metrics, seenAtZero) {
		e.Forbidden(p.Child("metrics"), "must specify at least one Object or External metric to support scaling to zero replicas")
	}
	if b := s.Behavior; b != nil {
		rules(e, p.Child("behavior", "scaleUp"), b.ScaleUp)
		rules(e, p.Child("behavior", "scaleDown"), b.ScaleDown)
	}
	return e.List
}

// seenAtZero reports whether a metric is there without pods.
func seenAtZero(m autoscalingv2.MetricSpec) bool {
	return m.Type == autoscalingv2.ObjectMetricSourceType || m.Type == autoscalingv2.ExternalMetricSourceType
}

func reference(e *check.Errors, p *field.Path, r autoscalingv2.CrossVersionObjectReference) {
	e.PathSegment(p.Child("kind"), r.Kind)
	e.PathSegment(p.Child("name"), r.Name)
}

func apiVersion(e *check.Errors, p *field.Path, version string, core bool) {
	gv, err := schema.ParseGroupVersion(version)
	switch {
	case err != nil:
		e.Invalid(p, version, err.Error())
	case gv.Group == "" && !core:
		e.Invalid(p, version, "apiVersion must specify API group")
	}
}

func rules(e *check.Errors, p *field.Path, r *autoscalingv2.HPAScalingRules) {
	if r == nil {
		return
	}
	if w, at := r.StabilizationWindowSeconds, p.Child("stabilizationWindowSeconds"); w != nil {
		if *w < 0 {
			e.Invalid(at, w, "must be greater than or equal to zero")
		}
		if *w > longestWindow {
			e.Invalid(at, w, fmt.Sprintf("must be less than or equal to %d", longestWindow))
		}
	}
	check.OptionalOneOf(e, p.Child("selectPolicy"), r.SelectPolicy,
		autoscalingv2.DisabledPolicySelect, autoscalingv2.MaxChangePolicySelect, autoscalingv2.MinChangePolicySelect)
	if len(r.Policies) == 0 {
		e.Required(p.Child("policies"), "must specify at least one Policy")
	}
	for i, x := range r.Policies {
		p := p.Child("policies").Index(i)
		check.OneOf(e, p.Child("type"), x.Type, autoscalingv2.PercentScalingPolicy, autoscalingv2.PodsScalingPolicy)
		e.Positive(p.Child("value"), int64(x.Value))
		e.Positive(p.Child("periodSeconds"), int64(x.PeriodSeconds))
		if x.PeriodSeconds > longestPeriod {
			e.Invalid(p.Child("periodSeconds"), x.PeriodSeconds, fmt.Sprintf("must be less than or equal to %d", longestPeriod))
		}
	}
	if r.Tolerance != nil {
		e.NonnegativeQuantity(p.Child("tolerance"), *r.Tolerance)
	}
}

// metric requires the one source that a metric's type names. Of several
// sources only the first is looked into.
func metric(e *check.Errors, p *field.Path, m *autoscalingv2.MetricSpec) {
	if m.Type == "" {
		e.Required(p.Child("type"), "must specify a metric source type")
	}
	check.OneOf(e, p.Child("type"), m.Type, autoscalingv2.ContainerResourceMetricSourceType, autoscalingv2.ExternalMetricSourceType,
		autoscalingv2.ObjectMetricSourceType, autoscalingv2.PodsMetricSourceType, autoscalingv2.ResourceMetricSourceType)
	sources := []struct {
		name  string
		t     autoscalingv2.MetricSourceType
		set   bool
		check func(*field.Path)
	}{
		{"object", autoscalingv2.ObjectMetricSourceType, m.Object != nil, func(p *field.Path) { object(e, p, m.Object) }},
		{"external", autoscalingv2.ExternalMetricSourceType, m.External != nil, func(p *field.Path) { external(e, p, m.External) }},
		{"pods", autoscalingv2.PodsMetricSourceType, m.Pods != nil, func(p *field.Path) { pods(e, p, m.Pods) }},
		{"resource", autoscalingv2.ResourceMetricSourceType, m.Resource != nil, func(p *field.Path) {
			required(e, p.Child("name"), string(m.Resource.Name), "must specify a resource name")
			usage(e, p.Child("target"), &m.Resource.Target)
		}},
		{"containerResource", autoscalingv2.ContainerResourceMetricSourceType, m.ContainerResource != nil, func(p *field.Path) {
			containerResource(e, p, m.ContainerResource)
		}},
	}
	set := 0
	for _, s := range sources {
		if s.set {
			if set++; set == 1 {
				s.check(p.Child(s.name))
			}
		}
		if s.t == m.Type && !s.set {
			e.Required(p.Child(s.name), "must populate information for the given metric source")
		}
	}
	for _, s := range sources {
		if set > 1 && s.set && s.t != m.Type {
			e.Forbidden(p.Child(s.name), "must populate the given metric source only")
		}
	}
}

func required(e *check.Errors, p *field.Path, s, detail string) bool {
	if s == "" {
		e.Required(p, detail)
	}
	return s != ""
}

func identifier(e *check.Errors, p *field.Path, id autoscalingv2.MetricIdentifier) {
	if required(e, p.Child("name"), id.Name, "must specify a metric name") {
		e.PathSegment(p.Child("name"), id.Name)
	}
}

func object(e *check.Errors, p *field.Path, s *autoscalingv2.ObjectMetricSource) {
	reference(e, p.Child("describedObject"), s.DescribedObject)
	apiVersion(e, p.Child("describedObject", "apiVersion"), s.DescribedObject.APIVersion, true)
	identifier(e, p.Child("metric"), s.Metric)
	p = p.Child("target")
	target(e, p, &s.Target)
	if s.Target.Value == nil && s.Target.AverageValue == nil {
		e.Required(p.Child("averageValue"), "must set either a target value or averageValue")
	}
}

func external(e *check.Errors, p *field.Path, s *autoscalingv2.ExternalMetricSource) {
	identifier(e, p.Child("metric"), s.Metric)
	p = p.Child("target")
	target(e, p, &s.Target)
	switch v, avg := s.Target.Value, s.Target.AverageValue; {
	case v == nil && avg == nil:
		e.Required(p.Child("averageValue"), "must set either a target value for metric or a per-pod target")
	case v != nil && avg != nil:
		e.Forbidden(p.Child("value"), "may not set both a target value for metric and a per-pod target")
	}
}

func pods(e *check.Errors, p *field.Path, s *autoscalingv2.PodsMetricSource) {
	identifier(e, p.Child("metric"), s.Metric)
	target(e, p.Child("target"), &s.Target)
	if s.Target.AverageValue == nil {
		e.Required(p.Child("target", "averageValue"), "must specify a positive target averageValue")
	}
}

func containerResource(e *check.Errors, p *field.Path, s *autoscalingv2.ContainerResourceMetricSource) {
	if required(e, p.Child("name"), string(s.Name), "must specify a resource name") {
		e.ContainerResourceName(p.Child("name"), s.Name)
	}
	if required(e, p.Child("container"), s.Container, "must specify a container") {
		e.DNSLabel(p.Child("container"), s.Container)
	}
	usage(e, p.Child("target"), &s.Target)
}

// usage is target for a part of what is requested or an amount, but not both.
func usage(e *check.Errors, p *field.Path, t *autoscalingv2.MetricTarget) {
	target(e, p, t)
	switch u, v := t.AverageUtilization, t.AverageValue; {
	case u == nil && v == nil:
		e.Required(p.Child("averageUtilization"), "must set either a target raw value or a target utilization")
	case u != nil && v != nil:
		e.Forbidden(p.Child("averageValue"), "may not set both a target raw value and a target utilization")
	}
}

func target(e *check.Errors, p *field.Path, t *autoscalingv2.MetricTarget) {
	if t.Type == "" {
		e.Required(p.Child("type"), "must specify a metric target type")
	}
	switch t.Type {
	case autoscalingv2.UtilizationMetricType, autoscalingv2.ValueMetricType, autoscalingv2.AverageValueMetricType:
	default:
		e.Invalid(p.Child("type"), t.Type, "must be either Utilization, Value, or AverageValue")
	}
	positive := func(name string, q *resource.Quantity) {
		if q != nil && q.Sign() != 1 {
			e.Invalid(p.Child(name), q, "must be positive")
		}
	}
	positive("value", t.Value)
	positive("averageValue", t.AverageValue)
	if u := t.AverageUtilization; u != nil && *u < 1 {
		e.Invalid(p.Child("averageUtilization"), u, "must be greater than 0")
	}
}

func validateStatus(h *autoscalingv2.HorizontalPodAutoscaler) field.ErrorList {
	e, p := &check.Errors{}, field.NewPath("status")
	for i, c := range h.Status.Conditions {
		if n := c.ObservedGeneration; n != nil {
			e.Nonnegative(p.Child("conditions").Index(i).Child("observedGeneration"), *n)
		}
	}
	e.Nonnegative(p.Child("currentReplicas"), int64(h.Status.CurrentReplicas))
	e.Nonnegative(p.Child("desiredReplicas"), int64(h.Status.DesiredReplicas))
	return e.List
}
