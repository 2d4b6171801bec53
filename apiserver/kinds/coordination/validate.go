package coordination

import (
	"strings"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

func validate(l *coordinationv1.Lease) field.ErrorList {
	e, p, s := &check.Errors{}, field.NewPath("spec"), &l.Spec
	if d := s.LeaseDurationSeconds; d != nil && *d <= 0 {
		e.Invalid(p.Child("leaseDurationSeconds"), d, "must be greater than 0")
	}
	if n := s.LeaseTransitions; n != nil && *n < 0 {
		e.Invalid(p.Child("leaseTransitions"), n, "must be greater than or equal to 0")
	}
	if s.Strategy != nil {
		at := p.Child("strategy", "strategy")
		if strings.Contains(string(*s.Strategy), "/") {
			e.Messages(at, *s.Strategy, validation.IsQualifiedName(string(*s.Strategy)))
		} else {
			check.OneOf(e, at, *s.Strategy, coordinationv1.OldestEmulationVersion)
		}
	}
	if h := s.PreferredHolder; h != nil && *h != "" && (s.Strategy == nil || *s.Strategy == "") {
		e.Forbidden(p.Child("preferredHolder"), "may only be specified if `strategy` is defined")
	}
	return e.List
}
