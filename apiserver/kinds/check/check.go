// Package check collects what is wrong with an object, in the words of the
// Kubernetes API: each rule adds an error with the path of a field, a type
// and a text.
package check

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/validate/content"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// NotPositive is what is said of a number that must be above zero.
const NotPositive = "must be greater than zero"

// Immutable is what is said of a field that may not change.
const Immutable = apivalidation.FieldImmutableErrorMsg

// Errors collects what is wrong. The zero value is ready.
type Errors struct{ List field.ErrorList }

// Add takes in what another check has found.
func (e *Errors) Add(errs ...*field.Error) { e.List = append(e.List, errs...) }

// Required says that a value is missing.
func (e *Errors) Required(p *field.Path, detail string) { e.Add(field.Required(p, detail)) }

// Invalid says that a value is wrong.
func (e *Errors) Invalid(p *field.Path, value any, detail string) {
	e.Add(field.Invalid(p, shown(value), detail))
}

// Forbidden says that a value may not be set here.
func (e *Errors) Forbidden(p *field.Path, detail string) { e.Add(field.Forbidden(p, detail)) }

// NotSupported says that a value, whatever its type, is none of those known.
func (e *Errors) NotSupported(p *field.Path, value any, known ...string) {
	e.Add(field.NotSupported(p, shown(value), known))
}

// Duplicate says that a value is there twice.
func (e *Errors) Duplicate(p *field.Path, value any) { e.Add(field.Duplicate(p, shown(value))) }

// TooLong says that a value has more than limit bytes.
func (e *Errors) TooLong(p *field.Path, limit int) { e.Add(field.TooLong(p, "", limit)) }

// Messages adds an Invalid error for each text.
func (e *Errors) Messages(p *field.Path, value any, texts []string) {
	for _, t := range texts {
		e.Invalid(p, value, t)
	}
}

// NotEmpty requires a text.
func (e *Errors) NotEmpty(p *field.Path, s string) {
	if s == "" {
		e.Required(p, "")
	}
}

// OneOf requires one of the values that are known.
func OneOf[T ~string](e *Errors, p *field.Path, value T, known ...T) {
	if !slices.Contains(known, value) {
		e.Add(field.NotSupported(p, value, known))
	}
}

// RequiredOneOf is OneOf for a value that must not be left out.
func RequiredOneOf[T ~string](e *Errors, p *field.Path, value T, known ...T) {
	if value == "" {
		e.Required(p, "")
		return
	}
	OneOf(e, p, value, known...)
}

// OptionalOneOf is OneOf for a value that may be nil.
func OptionalOneOf[T ~string](e *Errors, p *field.Path, value *T, known ...T) {
	if value != nil {
		OneOf(e, p, *value, known...)
	}
}

// Nonnegative refuses numbers below zero.
func (e *Errors) Nonnegative(p *field.Path, n int64) {
	e.Add(apivalidation.ValidateNonnegativeField(n, p)...)
}

// OptionalNonnegative is Nonnegative for a number that may be nil.
func (e *Errors) OptionalNonnegative(p *field.Path, n *int32) {
	if n != nil {
		e.Nonnegative(p, int64(*n))
	}
}

// Positive requires a number above zero.
func (e *Errors) Positive(p *field.Path, n int64) {
	if n <= 0 {
		e.Invalid(p, n, NotPositive)
	}
}

// Port requires the number of a port.
func (e *Errors) Port(p *field.Path, n int32) {
	e.Messages(p, n, validation.IsValidPortNum(int(n)))
}

// PortOrName requires the number or the name of a port.
func (e *Errors) PortOrName(p *field.Path, port intstr.IntOrString) {
	if port.Type == intstr.Int {
		e.Messages(p, port.IntValue(), validation.IsValidPortNum(port.IntValue()))
	} else {
		e.Messages(p, port.StrVal, validation.IsValidPortName(port.StrVal))
	}
}

// DNSLabel requires a DNS label.
func (e *Errors) DNSLabel(p *field.Path, s string) { e.Messages(p, s, validation.IsDNS1123Label(s)) }

// RequiredDNSLabel requires a DNS label that is not left out.
func (e *Errors) RequiredDNSLabel(p *field.Path, s string) {
	if s == "" {
		e.Required(p, "")
	} else {
		e.DNSLabel(p, s)
	}
}

// DNSSubdomain requires a DNS name.
func (e *Errors) DNSSubdomain(p *field.Path, s string) {
	e.Messages(p, s, validation.IsDNS1123Subdomain(s))
}

// QualifiedName requires a name with an optional DNS prefix.
func (e *Errors) QualifiedName(p *field.Path, s string) {
	e.Messages(p, s, validation.IsQualifiedName(s))
}

// LabelName requires the key of a label.
func (e *Errors) LabelName(p *field.Path, s string) { e.Add(metavalidation.ValidateLabelName(s, p)...) }

// Labels requires valid keys and values.
func (e *Errors) Labels(p *field.Path, set map[string]string) {
	e.Add(metavalidation.ValidateLabels(set, p)...)
}

// Annotations requires valid keys and a bearable size.
func (e *Errors) Annotations(p *field.Path, set map[string]string) {
	e.Add(apivalidation.ValidateAnnotations(set, p)...)
}

// Selector requires a valid label selector; nil is one.
func (e *Errors) Selector(p *field.Path, s *metav1.LabelSelector) {
	e.Add(metavalidation.ValidateLabelSelector(s, metavalidation.LabelSelectorValidationOptions{}, p)...)
}

// Same refuses a change.
func (e *Errors) Same(p *field.Path, value, old any) {
	if !equality.Semantic.DeepEqual(value, old) {
		e.Invalid(p, value, Immutable)
	}
}

// Fixed refuses a change as Same does, but does not show the value.
func (e *Errors) Fixed(p *field.Path, value, old any) {
	if !equality.Semantic.DeepEqual(value, old) {
		e.Invalid(p, nil, Immutable)
	}
}

// PathSegment requires a name that is not left out and can be part of a path.
func (e *Errors) PathSegment(p *field.Path, s string) {
	if s == "" {
		e.Required(p, "")
	} else {
		e.Messages(p, s, content.IsPathSegmentName(s))
	}
}

// GivenName requires of a name that it is a DNS subdomain, but nothing of what
// one is generated from; the outcome is judged.
func GivenName(name string, prefix bool) []string {
	if prefix {
		return nil
	}
	return apivalidation.NameIsDNSSubdomain(name, false)
}

// Finalizers requires that finalizers say whose they are, unless they are
// Kubernetes' own.
func (e *Errors) Finalizers(list []string) {
	for i, f := range list {
		switch f {
		case "kubernetes", metav1.FinalizerOrphanDependents, metav1.FinalizerDeleteDependents:
		default:
			if !strings.Contains(f, "/") {
				e.Invalid(field.NewPath("metadata", "finalizers").Index(i), f, "name is neither a standard finalizer name nor is it fully qualified")
			}
		}
	}
}

// UserID requires the ID of a user; nil is fine.
func (e *Errors) UserID(p *field.Path, id *int64) {
	if id != nil {
		e.Messages(p, *id, validation.IsValidUserID(*id))
	}
}

// GroupID requires the ID of a group; nil is fine.
func (e *Errors) GroupID(p *field.Path, id *int64) {
	if id != nil {
		e.Messages(p, *id, validation.IsValidGroupID(*id))
	}
}

// IP requires an IP address, strictly spelt unless it is among the old ones.
func (e *Errors) IP(p *field.Path, ip string, old ...string) {
	e.Add(validation.IsValidIPForLegacyField(p, ip, true, old)...)
}

// CIDR requires a range of IP addresses, strictly spelt unless it is among
// the old ones.
func (e *Errors) CIDR(p *field.Path, cidr string, old ...string) {
	e.Add(validation.IsValidCIDRForLegacyField(p, cidr, true, old)...)
}
