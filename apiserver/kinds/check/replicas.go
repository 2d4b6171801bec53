package check

import (
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Count is a number in a status.
type Count struct {
	Name string
	N    int32
}

// Counts requires numbers that are not negative.
func (e *Errors) Counts(p *field.Path, counts ...Count) {
	for _, c := range counts {
		e.Nonnegative(p.Child(c.Name), int64(c.N))
	}
}

// CountsWithin requires numbers of replicas that fit the whole number. ready
// is what the number of ready replicas is called where the number of available
// ones is above it.
func (e *Errors) CountsWithin(p *field.Path, replicas int32, ready string, counts ...Count) {
	var available, isReady int32
	for _, c := range counts {
		if c.N > replicas {
			e.Invalid(p.Child(c.Name), c.N, "cannot be greater than status.replicas")
		}
		switch c.Name {
		case "availableReplicas":
			available = c.N
		case "readyReplicas":
			isReady = c.N
		}
	}
	if available > isReady {
		e.Invalid(p.Child("availableReplicas"), available, "cannot be greater than "+ready)
	}
}

// NotDecremented refuses that a counter falls.
func (e *Errors) NotDecremented(p *field.Path, now, old *int32) {
	switch {
	case old == nil:
	case now == nil:
		e.Invalid(p, int32(0), "cannot be decremented")
	case *now < *old:
		e.Invalid(p, *now, "cannot be decremented")
	}
}

// IntOrPercent requires a number that is not negative, or a percentage.
func (e *Errors) IntOrPercent(p *field.Path, v intstr.IntOrString) {
	if v.Type == intstr.String {
		e.Messages(p, v, validation.IsValidPercent(v.StrVal))
	} else {
		e.Nonnegative(p, int64(v.IntValue()))
	}
}

// AtMost100Percent refuses larger percentages.
func (e *Errors) AtMost100Percent(p *field.Path, v intstr.IntOrString) {
	if v.Type == intstr.String && len(validation.IsValidPercent(v.StrVal)) == 0 && IntOrPercentValue(v) > 100 {
		e.Invalid(p, v, "must not be greater than 100%")
	}
}

// IntOrPercentValue is the number in v, of a percentage that before the sign.
func IntOrPercentValue(v intstr.IntOrString) int {
	if v.Type == intstr.String && len(validation.IsValidPercent(v.StrVal)) == 0 {
		v.StrVal = v.StrVal[:len(v.StrVal)-1]
	}
	return v.IntValue()
}
