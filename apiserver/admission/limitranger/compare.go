package limitranger

import (
	"fmt"
	"iter"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// usage is what a pod, a container or a claim asks for.
type usage struct {
	of               corev1.LimitType
	requests, limits corev1.ResourceList
}

// inOrder walks through a list by name, so that errors always come in the same
// order.
func inOrder(list corev1.ResourceList) iter.Seq2[corev1.ResourceName, resource.Quantity] {
	return func(yield func(corev1.ResourceName, resource.Quantity) bool) {
		for _, name := range slices.Sorted(maps.Keys(list)) {
			if !yield(name, list[name]) {
				return
			}
		}
	}
}

func (u usage) atLeast(minimum corev1.ResourceList) (errs []error) {
	for name, bound := range inOrder(minimum) {
		request, requested := u.requests[name]
		limit, limited := u.limits[name]
		is := inOneUnit(request, limit, bound)
		text := fmt.Sprintf("minimum %s usage per %s is %s", name, u.of, bound.String())
		switch {
		case !requested:
			errs = append(errs, fmt.Errorf("%s.  No request is specified", text))
		case is.request < is.bound:
			errs = append(errs, fmt.Errorf("%s, but request is %s", text, request.String()))
		case limited && is.limit < is.bound:
			errs = append(errs, fmt.Errorf("%s, but limit is %s", text, limit.String()))
		}
	}
	return errs
}

func (u usage) atMost(maximum corev1.ResourceList) (errs []error) {
	for name, bound := range inOrder(maximum) {
		request, requested := u.requests[name]
		limit, limited := u.limits[name]
		is := inOneUnit(request, limit, bound)
		text := fmt.Sprintf("maximum %s usage per %s is %s", name, u.of, bound.String())
		switch {
		case !limited:
			errs = append(errs, fmt.Errorf("%s.  No limit is specified", text))
		case is.limit > is.bound:
			errs = append(errs, fmt.Errorf("%s, but limit is %s", text, limit.String()))
		case requested && is.request > is.bound:
			errs = append(errs, fmt.Errorf("%s, but request is %s", text, request.String()))
		}
	}
	return errs
}

// requestAtMost is atMost for what has no limits.
func (u usage) requestAtMost(maximum corev1.ResourceList) (errs []error) {
	for name, bound := range inOrder(maximum) {
		request, requested := u.requests[name]
		is := inOneUnit(request, resource.Quantity{}, bound)
		text := fmt.Sprintf("maximum %s usage per %s is %s", name, u.of, bound.String())
		switch {
		case !requested:
			errs = append(errs, fmt.Errorf("%s.  No request is specified", text))
		case is.request > is.bound:
			errs = append(errs, fmt.Errorf("%s, but request is %s", text, request.String()))
		}
	}
	return errs
}

func (u usage) ratioAtMost(ratios corev1.ResourceList) (errs []error) {
	for name, bound := range inOrder(ratios) {
		is := inOneUnit(u.requests[name], u.limits[name], bound)
		text := fmt.Sprintf("%s max limit to request ratio per %s is %s", name, u.of, bound.String())
		if is.request == 0 {
			errs = append(errs, fmt.Errorf("%s, but no request is specified or request is 0", text))
			continue
		}
		if is.limit == 0 {
			errs = append(errs, fmt.Errorf("%s, but no limit is specified or limit is 0", text))
			continue
		}
		ratio := float64(is.limit) / float64(is.request)
		if allowed := bound.AsApproximateFloat64(); ratio > allowed {
			errs = append(errs, fmt.Errorf("%s, but provided ratio is %f", text, ratio))
		}
	}
	return errs
}

// compared are three quantities in the same unit.
type compared struct{ request, limit, bound int64 }

// inOneUnit counts in thousandths where that overflows none of them.
func inOneUnit(request, limit, bound resource.Quantity) compared {
	if c := (compared{request.Value(), limit.Value(), bound.Value()}); max(c.request, c.limit, c.bound) > resource.MaxMilliValue {
		return c
	}
	return compared{request.MilliValue(), limit.MilliValue(), bound.MilliValue()}
}
