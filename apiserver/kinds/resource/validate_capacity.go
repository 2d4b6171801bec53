package resource

import (
	"fmt"
	"math"
	"strconv"

	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

// mostValues is how many values of a capacity a list of valid ones may have.
const mostValues = 10

// requestPolicy checks what may be asked for of a capacity that is shared.
func requestPolicy(e *check.Errors, p *field.Path, capacity resource.Quantity, r *resourcev1.CapacityRequestPolicy) {
	missing := func(kind string) bool {
		if r.Default == nil {
			e.Required(p.Child("default"), "required when "+kind+" is defined")
		}
		return r.Default == nil
	}
	switch {
	case len(r.ValidValues) > 0 && r.ValidRange != nil:
		e.Forbidden(p, `exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time`)
	case len(r.ValidValues) > 0:
		if !missing("validValues") {
			validValues(e, p.Child("validValues"), capacity, *r.Default, r.ValidValues)
		}
	case r.ValidRange != nil:
		if !missing("validRange") {
			valueRange(e, p.Child("validRange"), capacity, *r.Default, r.ValidRange)
		}
	}
}

// validValues requires an ascending list that has the default and nothing above the
// capacity.
func validValues(e *check.Errors, p *field.Path, capacity, byDefault resource.Quantity, list []resource.Quantity) {
	for i := 1; i < len(list); i++ {
		if list[i-1].Cmp(list[i]) > 0 {
			e.Invalid(p.Index(i), list[i].String(), "values must be sorted in ascending order")
		}
	}
	found := false
	if len(list) > mostValues {
		e.Add(field.TooMany(p, len(list), mostValues))
	} else {
		seen := map[string]bool{}
		for i, q := range list {
			if q.Cmp(capacity) > 0 {
				e.Invalid(p.Index(i), q.String(), "option is larger than capacity value: "+capacity.String())
			}
			found = found || q.Cmp(byDefault) == 0
		}
		for i, q := range list {
			key := strconv.FormatInt(q.Value(), 10)
			if seen[key] {
				e.Duplicate(p.Index(i), key)
			}
			seen[key] = true
		}
	}
	if !found {
		e.Invalid(p, byDefault.String(), "default value is not valid according to the requestPolicy")
	}
}

// valueRange requires limits within the capacity that have the default between
// them, and whole steps from the lower one to it and to the upper one. Numbers
// count as rounded up to whole ones, as do those in lists.
func valueRange(e *check.Errors, p *field.Path, capacity, byDefault resource.Quantity, r *resourcev1.CapacityRequestPolicyRange) {
	if r.Min == nil {
		e.Required(p.Child("min"), "required when validRange is defined")
		return
	}
	atMost := func(p *field.Path, q, limit resource.Quantity, otherwise string) {
		if q.Cmp(limit) > 0 {
			e.Invalid(p, q.String(), fmt.Sprintf("%s: %s", otherwise, limit.String()))
		}
	}
	atMost(p.Child("min"), *r.Min, capacity, "min is larger than capacity value")
	if byDefault.Cmp(*r.Min) < 0 {
		e.Invalid(p.Child("default"), byDefault.String(), "default is less than min: "+r.Min.String())
	}
	if r.Max != nil {
		atMost(p.Child("max"), *r.Min, *r.Max, "min is larger than max")
		atMost(p.Child("max"), *r.Max, capacity, "max is larger than capacity value")
		atMost(p.Child("default"), byDefault, *r.Max, "default is more than max")
	}
	if r.Step == nil {
		return
	}
	at := p.Child("step")
	if r.Step.Sign() <= 0 {
		e.Invalid(at, r.Step.String(), check.NotPositive)
		return
	}
	next := r.Min.DeepCopy()
	next.Add(*r.Step)
	if next.Cmp(capacity) > 0 {
		e.Invalid(at, r.Step.String(), fmt.Sprintf("one step %s is larger than capacity value: %s", next.String(), capacity.String()))
	}
	named := []struct {
		name string
		q    *resource.Quantity
	}{{"default", &byDefault}, {"min", r.Min}, {"max", r.Max}, {"step", r.Step}}
	fits := true
	for _, n := range named {
		if n.q != nil && !int64Range(e, p.Child(n.name), *n.q) {
			fits = false
		}
	}
	if !fits {
		return
	}
	for _, q := range []*resource.Quantity{&byDefault, r.Max} {
		if q != nil && (q.Value()-r.Min.Value())%r.Step.Value() != 0 {
			e.Invalid(at, q.String(), fmt.Sprintf("value is not a multiple of a given step (%s) from (%s)", r.Step.String(), r.Min.String()))
		}
	}
}

// int64Range requires a number that can be reckoned with.
func int64Range(e *check.Errors, p *field.Path, q resource.Quantity) bool {
	switch {
	case q.Sign() < 0:
		e.Invalid(p, q.String(), apivalidation.IsNegativeErrorMsg)
	case q.CmpInt64(math.MaxInt64) > 0:
		e.Invalid(p, q.String(), fmt.Sprintf("must not be larger than %d", int64(math.MaxInt64)))
	default:
		return true
	}
	return false
}
