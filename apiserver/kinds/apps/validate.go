package apps

import (
	"encoding/json"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

// below is a path below the specification.
func below(names ...string) *field.Path {
	p := field.NewPath("spec")
	for _, n := range names {
		p = p.Child(n)
	}
	return p
}

// selects requires a selector that matches the template's labels; kind is the
// one in the text about an empty selector, broken the text about one that
// cannot be read.
func selects(e *check.Errors, s *metav1.LabelSelector, t *corev1.PodTemplateSpec, kind, broken string) bool {
	at := below("selector")
	if s == nil {
		e.Required(at, "")
	} else {
		e.Selector(at, s)
		if len(s.MatchLabels)+len(s.MatchExpressions) == 0 {
			e.Invalid(at, s, "empty selector is invalid for "+kind)
		}
	}
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		e.Invalid(at, s, broken)
		return false
	}
	if !selector.Empty() && !selector.Matches(labels.Set(t.Labels)) {
		e.Invalid(below("template", "metadata", "labels"), t.Labels, "`selector` does not match template `labels`")
	}
	return true
}

// replicated checks what deployments and replica sets have in common.
func replicated(e *check.Errors, replicas *int32, ready int32, s *metav1.LabelSelector, t *corev1.PodTemplateSpec) {
	e.OptionalNonnegative(below("replicas"), replicas)
	e.Nonnegative(below("minReadySeconds"), int64(ready))
	if selects(e, s, t, "deployment", "invalid label selector") {
		e.Add(podspec.ValidateTemplate(t, below("template"))...)
		podspec.RunsForEver(e, below("template"), t, "ReplicaSet")
	}
}

func validateDeployment(d *appsv1.Deployment) field.ErrorList {
	e := &check.Errors{}
	replicated(e, d.Spec.Replicas, d.Spec.MinReadySeconds, d.Spec.Selector, &d.Spec.Template)
	at, s := below("strategy"), &d.Spec.Strategy
	switch rolling := s.RollingUpdate; s.Type {
	case appsv1.RecreateDeploymentStrategyType:
		if rolling != nil {
			e.Forbidden(at.Child("rollingUpdate"), "may not be specified when strategy `type` is 'Recreate'")
		}
	case appsv1.RollingUpdateDeploymentStrategyType:
		if rolling == nil {
			e.Required(at.Child("rollingUpdate"), "this should be defaulted and never be nil")
			break
		}
		unavailable, surge := value(rolling.MaxUnavailable), value(rolling.MaxSurge)
		e.IntOrPercent(at.Child("rollingUpdate", "maxUnavailable"), unavailable)
		e.IntOrPercent(at.Child("rollingUpdate", "maxSurge"), surge)
		if check.IntOrPercentValue(unavailable) == 0 && check.IntOrPercentValue(surge) == 0 {
			e.Invalid(at.Child("rollingUpdate", "maxUnavailable"), unavailable, "may not be 0 when `maxSurge` is 0")
		}
		e.AtMost100Percent(at.Child("rollingUpdate", "maxUnavailable"), unavailable)
	default:
		unsupported(e, at, s, "Recreate", "RollingUpdate")
	}
	e.OptionalNonnegative(below("revisionHistoryLimit"), d.Spec.RevisionHistoryLimit)
	e.OptionalNonnegative(below("progressDeadlineSeconds"), d.Spec.ProgressDeadlineSeconds)
	if s := d.Spec.ProgressDeadlineSeconds; s != nil && *s <= d.Spec.MinReadySeconds {
		e.Invalid(below("progressDeadlineSeconds"), s, "must be greater than minReadySeconds")
	}
	return e.List
}

func value(v *intstr.IntOrString) intstr.IntOrString {
	if v == nil {
		return intstr.IntOrString{}
	}
	return *v
}

// unsupported says of a whole strategy that its type is unknown.
func unsupported(e *check.Errors, p *field.Path, strategy any, known ...string) {
	e.Invalid(p, strategy, "")
	err := e.List[len(e.List)-1]
	err.Type = field.ErrorTypeNotSupported
	err.Detail = field.NotSupported(p, "", known).Detail
}

func validateDeploymentUpdate(d, old *appsv1.Deployment) field.ErrorList {
	e := &check.Errors{List: validateDeployment(d)}
	e.Same(below("selector"), d.Spec.Selector, old.Spec.Selector)
	return e.List
}

func validateDeploymentStatus(d, old *appsv1.Deployment) field.ErrorList {
	e, p, s := &check.Errors{}, field.NewPath("status"), &d.Status
	e.Nonnegative(p.Child("observedGeneration"), s.ObservedGeneration)
	counts := []check.Count{
		{Name: "replicas", N: s.Replicas}, {Name: "updatedReplicas", N: s.UpdatedReplicas},
		{Name: "readyReplicas", N: s.ReadyReplicas}, {Name: "availableReplicas", N: s.AvailableReplicas},
	}
	e.Counts(p, counts...)
	e.Nonnegative(p.Child("unavailableReplicas"), int64(s.UnavailableReplicas))
	e.OptionalNonnegative(p.Child("terminatingReplicas"), s.TerminatingReplicas)
	e.OptionalNonnegative(p.Child("collisionCount"), s.CollisionCount)
	e.CountsWithin(p, s.Replicas, "readyReplicas", counts[1:]...)
	e.NotDecremented(p.Child("collisionCount"), s.CollisionCount, old.Status.CollisionCount)
	return e.List
}

func validateReplicaSet(rs *appsv1.ReplicaSet) field.ErrorList {
	e := &check.Errors{}
	replicated(e, rs.Spec.Replicas, rs.Spec.MinReadySeconds, rs.Spec.Selector, &rs.Spec.Template)
	return e.List
}

func validateReplicaSetUpdate(rs, old *appsv1.ReplicaSet) field.ErrorList {
	e := &check.Errors{List: validateReplicaSet(rs)}
	e.Same(below("selector"), rs.Spec.Selector, old.Spec.Selector)
	return e.List
}

func validateReplicaSetStatus(rs *appsv1.ReplicaSet) field.ErrorList {
	e, p, s := &check.Errors{}, field.NewPath("status"), &rs.Status
	counts := []check.Count{
		{Name: "replicas", N: s.Replicas}, {Name: "fullyLabeledReplicas", N: s.FullyLabeledReplicas},
		{Name: "readyReplicas", N: s.ReadyReplicas}, {Name: "availableReplicas", N: s.AvailableReplicas},
	}
	e.Counts(p, counts...)
	e.Nonnegative(p.Child("observedGeneration"), s.ObservedGeneration)
	e.OptionalNonnegative(p.Child("terminatingReplicas"), s.TerminatingReplicas)
	e.CountsWithin(p, s.Replicas, "readyReplicas", counts[1:]...)
	return e.List
}

func validateControllerRevision(r *appsv1.ControllerRevision) field.ErrorList {
	e := &check.Errors{}
	e.Nonnegative(field.NewPath("revision"), r.Revision)
	at := field.NewPath("data")
	var v any
	if r.Data.Raw == nil {
		e.Required(at, "data is mandatory")
	} else if err := json.Unmarshal(r.Data.Raw, &v); err != nil {
		e.Invalid(at, "<value omitted>", "error parsing data: "+err.Error())
	} else if v == nil {
		e.Required(at, "data is mandatory")
	} else if _, object := v.(map[string]any); !object {
		e.Required(at, "data must be a valid JSON object")
	}
	return e.List
}

func validateControllerRevisionUpdate(r, old *appsv1.ControllerRevision) field.ErrorList {
	e := &check.Errors{}
	e.Nonnegative(field.NewPath("revision"), r.Revision)
	e.Same(field.NewPath("data"), r.Data, old.Data)
	return e.List
}
