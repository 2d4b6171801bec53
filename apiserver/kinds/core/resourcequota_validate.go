package core

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

func quotaAmounts(e *check.Errors, p *field.Path, list corev1.ResourceList) {
	for _, name := range check.Names(list) {
		e.QuotaResourceName(p.Key(string(name)), name)
		e.Quantity(p.Key(string(name)), name, list[name])
	}
}

func validateQuota(q *corev1.ResourceQuota) field.ErrorList {
	e, p := &check.Errors{}, field.NewPath("spec")
	quotaAmounts(e, p.Child("hard"), q.Spec.Hard)
	at := p.Child("scopes")
	for _, scope := range q.Spec.Scopes {
		if !standardScope(scope) {
			e.Invalid(at, q.Spec.Scopes, "unsupported scope")
		}
		for range unscoped(scope, q.Spec.Hard) {
			e.Invalid(at, q.Spec.Scopes, "unsupported scope applied to resource")
		}
	}
	conflictingScopes(e, at, q.Spec.Scopes, q.Spec.Scopes)
	if q.Spec.ScopeSelector == nil {
		return e.List
	}
	at = p.Child("scopeSelector", "matchExpressions")
	var selected []corev1.ResourceQuotaScope
	for _, r := range q.Spec.ScopeSelector.MatchExpressions {
		selected = append(selected, r.ScopeName)
		if !standardScope(r.ScopeName) {
			e.Invalid(at.Child("scopeName"), r.ScopeName, "unsupported scope")
		}
		for range unscoped(r.ScopeName, q.Spec.Hard) {
			e.Invalid(at, q.Spec.ScopeSelector, "unsupported scope applied to resource")
		}
		scopeOperator(e, at, &r)
	}
	conflictingScopes(e, at, selected, q.Spec.Scopes)
	return e.List
}

func scopeOperator(e *check.Errors, p *field.Path, r *corev1.ScopedResourceSelectorRequirement) {
	switch r.ScopeName {
	case corev1.ResourceQuotaScopeBestEffort, corev1.ResourceQuotaScopeNotBestEffort, corev1.ResourceQuotaScopeTerminating,
		corev1.ResourceQuotaScopeNotTerminating, corev1.ResourceQuotaScopeCrossNamespacePodAffinity:
		if r.Operator != corev1.ScopeSelectorOpExists {
			e.Invalid(p.Child("operator"), r.Operator, "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity")
		}
	}
	switch r.Operator {
	case corev1.ScopeSelectorOpIn, corev1.ScopeSelectorOpNotIn:
		if len(r.Values) == 0 {
			e.Required(p.Child("values"), "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector")
		}
	case corev1.ScopeSelectorOpExists, corev1.ScopeSelectorOpDoesNotExist:
		if len(r.Values) > 0 {
			e.Invalid(p.Child("values"), r.Values, "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector")
		}
	default:
		e.Invalid(p.Child("operator"), r.Operator, "not a valid selector operator")
	}
}

func standardScope(s corev1.ResourceQuotaScope) bool {
	switch s {
	case corev1.ResourceQuotaScopeTerminating, corev1.ResourceQuotaScopeNotTerminating, corev1.ResourceQuotaScopeBestEffort, corev1.ResourceQuotaScopeNotBestEffort,
		corev1.ResourceQuotaScopePriorityClass, corev1.ResourceQuotaScopeVolumeAttributesClass, corev1.ResourceQuotaScopeCrossNamespacePodAffinity:
		return true
	}
	return false
}

// unscoped returns the standard resources that a scope cannot narrow.
func unscoped(s corev1.ResourceQuotaScope, list corev1.ResourceList) (out []corev1.ResourceName) {
	pods := []corev1.ResourceName{corev1.ResourcePods}
	compute := append(pods, corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceLimitsCPU, corev1.ResourceLimitsMemory, corev1.ResourceRequestsCPU, corev1.ResourceRequestsMemory)
	var may []corev1.ResourceName
	switch s {
	case corev1.ResourceQuotaScopeTerminating, corev1.ResourceQuotaScopeNotTerminating, corev1.ResourceQuotaScopeNotBestEffort,
		corev1.ResourceQuotaScopePriorityClass, corev1.ResourceQuotaScopeCrossNamespacePodAffinity:
		may = compute
	case corev1.ResourceQuotaScopeBestEffort:
		may = pods
	case corev1.ResourceQuotaScopeVolumeAttributesClass:
		may = []corev1.ResourceName{corev1.ResourcePersistentVolumeClaims, corev1.ResourceRequestsStorage}
	default:
		return nil
	}
	for _, name := range check.Names(list) {
		if check.IsStandardQuota(name) && !slices.Contains(may, name) {
			out = append(out, name)
		}
	}
	return out
}

func conflictingScopes(e *check.Errors, p *field.Path, scopes, shown []corev1.ResourceQuotaScope) {
	for _, pair := range [][2]corev1.ResourceQuotaScope{
		{corev1.ResourceQuotaScopeBestEffort, corev1.ResourceQuotaScopeNotBestEffort},
		{corev1.ResourceQuotaScopeTerminating, corev1.ResourceQuotaScopeNotTerminating},
	} {
		if slices.Contains(scopes, pair[0]) && slices.Contains(scopes, pair[1]) {
			e.Invalid(p, shown, "conflicting scopes")
		}
	}
}

func validateQuotaUpdate(q, old *corev1.ResourceQuota) field.ErrorList {
	e := &check.Errors{List: validateQuota(q)}
	if !sets.New(q.Spec.Scopes...).Equal(sets.New(old.Spec.Scopes...)) {
		e.Invalid(field.NewPath("spec", "scopes"), q.Spec.Scopes, check.Immutable)
	}
	return e.List
}

func validateQuotaStatus(q *corev1.ResourceQuota) field.ErrorList {
	e := &check.Errors{}
	quotaAmounts(e, field.NewPath("status", "hard"), q.Status.Hard)
	quotaAmounts(e, field.NewPath("status", "used"), q.Status.Used)
	return e.List
}
