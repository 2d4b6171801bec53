package core

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

func validateLimitRange(lr *corev1.LimitRange) field.ErrorList {
	e, seen := &check.Errors{}, map[corev1.LimitType]bool{}
	for i := range lr.Spec.Limits {
		l, p := &lr.Spec.Limits[i], field.NewPath("spec", "limits").Index(i)
		limitType(e, p.Child("type"), l.Type)
		if seen[l.Type] {
			e.Duplicate(p.Child("type"), l.Type)
		}
		seen[l.Type] = true
		validateLimit(e, p, l)
	}
	return e.List
}

func limitType(e *check.Errors, p *field.Path, t corev1.LimitType) {
	if msgs := validation.IsQualifiedName(string(t)); len(msgs) > 0 {
		e.Messages(p, t, msgs)
	} else if !strings.Contains(string(t), "/") && !slices.Contains([]corev1.LimitType{corev1.LimitTypePod, corev1.LimitTypeContainer, corev1.LimitTypePersistentVolumeClaim}, t) {
		e.Invalid(p, t, "must be a standard limit type or fully qualified")
	}
}

func validateLimit(e *check.Errors, p *field.Path, l *corev1.LimitRangeItem) {
	all := map[corev1.ResourceName]bool{}
	names := func(field string, list corev1.ResourceList) {
		for _, name := range check.Names(list) {
			all[name] = true
			if l.Type == corev1.LimitTypePod || l.Type == corev1.LimitTypeContainer {
				e.ContainerResourceName(p.Child(field).Key(string(name)), name)
			} else {
				e.ResourceName(p.Child(field).Key(string(name)), name)
			}
		}
	}
	names("max", l.Max)
	names("min", l.Min)
	limits, requests := l.Default, l.DefaultRequest
	if l.Type == corev1.LimitTypePod {
		if len(limits) > 0 {
			e.Forbidden(p.Child("default"), "may not be specified when `type` is 'Pod'")
		}
		if len(requests) > 0 {
			e.Forbidden(p.Child("defaultRequest"), "may not be specified when `type` is 'Pod'")
		}
		limits, requests = nil, nil
	} else {
		names("default", limits)
		names("defaultRequest", requests)
	}
	if l.Type == corev1.LimitTypePersistentVolumeClaim {
		_, least := l.Min[corev1.ResourceStorage]
		_, most := l.Max[corev1.ResourceStorage]
		if !least && !most {
			e.Required(p.Child("limits"), "either minimum or maximum storage value is required, but neither was provided")
		}
	}
	names("maxLimitRequestRatio", l.MaxLimitRequestRatio)
	for name := range all {
		limitsInOrder(e, p, name, l, limits, requests)
	}
}

// limitsInOrder requires minimum, defaults and maximum of a resource to rise.
func limitsInOrder(e *check.Errors, p *field.Path, name corev1.ResourceName, l *corev1.LimitRangeItem, limits, requests corev1.ResourceList) {
	least, hasMin := l.Min[name]
	most, hasMax := l.Max[name]
	limit, hasLimit := limits[name]
	request, hasRequest := requests[name]
	key := string(name)
	above := func(both bool, a, b resource.Quantity, at string, shown resource.Quantity, format string) {
		if both && a.Cmp(b) > 0 {
			e.Invalid(p.Child(at).Key(key), shown, fmt.Sprintf(format, a.String(), b.String()))
		}
	}
	above(hasMin && hasMax, least, most, "min", least, "min value %s is greater than max value %s")
	above(hasRequest && hasMin, least, request, "defaultRequest", request, "min value %s is greater than default request value %s")
	above(hasRequest && hasMax, request, most, "defaultRequest", request, "default request value %s is greater than max value %s")
	above(hasRequest && hasLimit, request, limit, "defaultRequest", request, "default request value %s is greater than default limit value %s")
	above(hasLimit && hasMin, least, limit, "default", least, "min value %s is greater than default value %s")
	above(hasLimit && hasMax, limit, most, "default", most, "default value %s is greater than max value %s")
	if ratio, ok := l.MaxLimitRequestRatio[name]; ok {
		at := p.Child("maxLimitRequestRatio").Key(key)
		if ratio.Cmp(*resource.NewQuantity(1, resource.DecimalSI)) < 0 {
			e.Invalid(at, ratio, fmt.Sprintf("ratio %s is less than 1", ratio.String()))
		}
		if hasMin && hasMax {
			if possible := most.AsApproximateFloat64() / least.AsApproximateFloat64(); ratio.AsApproximateFloat64() > possible {
				e.Invalid(at, ratio, fmt.Sprintf("ratio %s is greater than max/min = %f", ratio.String(), possible))
			}
		}
	}
	if hasLimit && hasRequest && !check.MayOvercommit(name) && limit.Cmp(request) != 0 {
		e.Invalid(p.Child("defaultRequest").Key(key), request, fmt.Sprintf("default value %s must equal to defaultRequest value %s in %s", limit.String(), request.String(), key))
	}
}
