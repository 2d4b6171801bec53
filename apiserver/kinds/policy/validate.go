package policy

import (
	policyv1 "k8s.io/api/policy/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

func validate(b *policyv1.PodDisruptionBudget) field.ErrorList {
	e, p, s := &check.Errors{}, field.NewPath("spec"), &b.Spec
	if s.MinAvailable != nil && s.MaxUnavailable != nil {
		e.Invalid(p, *s, "minAvailable and maxUnavailable cannot be both set")
	}
	if n := s.MinAvailable; n != nil {
		e.IntOrPercent(p.Child("minAvailable"), *n)
		e.AtMost100Percent(p.Child("minAvailable"), *n)
	}
	if n := s.MaxUnavailable; n != nil {
		e.IntOrPercent(p.Child("maxUnavailable"), *n)
		e.AtMost100Percent(p.Child("maxUnavailable"), *n)
	}
	e.Selector(p.Child("selector"), s.Selector)
	check.OptionalOneOf(e, p.Child("unhealthyPodEvictionPolicy"), s.UnhealthyPodEvictionPolicy, policyv1.AlwaysAllow, policyv1.IfHealthyBudget)
	return e.List
}

func validateStatus(b *policyv1.PodDisruptionBudget) field.ErrorList {
	e, p, s := &check.Errors{}, field.NewPath("status"), &b.Status
	e.Add(metavalidation.ValidateConditions(s.Conditions, p.Child("conditions"))...)
	e.Nonnegative(p.Child("disruptionsAllowed"), int64(s.DisruptionsAllowed))
	e.Nonnegative(p.Child("currentHealthy"), int64(s.CurrentHealthy))
	e.Nonnegative(p.Child("desiredHealthy"), int64(s.DesiredHealthy))
	e.Nonnegative(p.Child("expectedPods"), int64(s.ExpectedPods))
	return e.List
}
