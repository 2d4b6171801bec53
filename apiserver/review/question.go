package review

import (
	"errors"
	"fmt"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

// question is what all access reviews ask: about a resource or another path.
type question struct {
	resource *authorizationv1.ResourceAttributes
	other    *authorizationv1.NonResourceAttributes
}

// validate requires exactly one of the two.
func (q question) validate(e *check.Errors) {
	spec := field.NewPath("spec")
	if (q.resource == nil) == (q.other == nil) {
		e.Invalid(spec, q.other, "exactly one of nonResourceAttributes or resourceAttributes must be specified")
	}
	if q.resource == nil {
		return
	}
	p := spec.Child("resourceAttributes")
	if s := q.resource.FieldSelector; s != nil {
		at := p.Child("fieldSelector")
		oneForm(e, at, s.RawSelector, len(s.Requirements))
		for i, r := range s.Requirements {
			opts := metavalidation.FieldSelectorValidationOptions{AllowUnknownOperatorInRequirement: true}
			e.Add(metavalidation.ValidateFieldSelectorRequirement(r, opts, at.Child("requirements").Index(i))...)
		}
	}
	if s := q.resource.LabelSelector; s != nil {
		at := p.Child("labelSelector")
		oneForm(e, at, s.RawSelector, len(s.Requirements))
		for i, r := range s.Requirements {
			opts := metavalidation.LabelSelectorValidationOptions{AllowUnknownOperatorInRequirement: true}
			e.Add(metavalidation.ValidateLabelSelectorRequirement(r, opts, at.Child("requirements").Index(i))...)
		}
	}
}

// oneForm requires a selector as text or as requirements.
func oneForm(e *check.Errors, p *field.Path, raw string, requirements int) {
	switch {
	case raw != "" && requirements > 0:
		e.Invalid(p.Child("rawSelector"), raw, "may not specified at the same time as requirements")
	case raw == "" && requirements == 0:
		e.Required(p.Child("requirements"), fmt.Sprintf("when %s is specified, requirements or rawSelector is required", p))
	}
}

// noMetadata refuses metadata, which reviews do not have; allowed is what may
// be there nevertheless, for the text.
func noMetadata(e *check.Errors, shown, meta metav1.ObjectMeta, allowed string) {
	meta.ManagedFields = nil
	if !equality.Semantic.DeepEqual(meta, metav1.ObjectMeta{}) {
		e.Invalid(field.NewPath("metadata"), shown, "must be empty"+allowed)
	}
}

// attributes put the question to an authorizer: about who.
func (q question) attributes(who user.Info) authorizer.AttributesRecord {
	r := q.resource
	if r == nil {
		return authorizer.AttributesRecord{User: who, Verb: q.other.Verb, Path: q.other.Path}
	}
	version := r.Version
	if version == "" {
		version = "*"
	}
	out := authorizer.AttributesRecord{
		User: who, ResourceRequest: true, Verb: r.Verb, Namespace: r.Namespace,
		APIGroup: r.Group, APIVersion: version, Resource: r.Resource, Subresource: r.Subresource, Name: r.Name,
	}
	if s := r.FieldSelector; s != nil {
		out.FieldSelectorRequirements, out.FieldSelectorParsingErr = fieldRequirements(s)
	}
	if s := r.LabelSelector; s != nil {
		out.LabelSelectorRequirements, out.LabelSelectorParsingErr = labelRequirements(s)
	}
	return out
}

// fieldRequirements reads a selector. Requirements that cannot be read are left
// out, so that the question is about more than was meant; the error tells.
func fieldRequirements(s *authorizationv1.FieldSelectorAttributes) (fields.Requirements, error) {
	if len(s.Requirements) == 0 {
		selector, err := fields.ParseSelector(s.RawSelector)
		if err != nil {
			return nil, err
		}
		return selector.Requirements(), nil
	}
	var out fields.Requirements
	var errs []error
	for _, r := range s.Requirements {
		operator := map[metav1.FieldSelectorOperator]selection.Operator{
			metav1.FieldSelectorOpIn: selection.Equals, metav1.FieldSelectorOpNotIn: selection.NotEquals,
		}[r.Operator]
		switch {
		case len(r.Values) > 1:
			errs = append(errs, errors.New("fieldSelectors do not yet support multiple values"))
		case operator == "":
			errs = append(errs, fmt.Errorf("fieldSelectors do not yet support %v", r.Operator))
		case len(r.Values) != 1:
			errs = append(errs, fmt.Errorf("fieldSelectors with %v must have one value", r.Operator))
		default:
			out = append(out, fields.Requirement{Field: r.Key, Operator: operator, Value: r.Values[0]})
		}
	}
	return out, utilerrors.NewAggregate(errs)
}

// labelRequirements is fieldRequirements for labels.
func labelRequirements(s *authorizationv1.LabelSelectorAttributes) (labels.Requirements, error) {
	if len(s.Requirements) == 0 {
		selector, err := labels.Parse(s.RawSelector)
		if err != nil {
			return nil, err
		}
		out, _ := selector.Requirements()
		return out, nil
	}
	var out labels.Requirements
	var errs []error
	for _, r := range s.Requirements {
		operator, ok := map[metav1.LabelSelectorOperator]selection.Operator{
			metav1.LabelSelectorOpIn: selection.In, metav1.LabelSelectorOpNotIn: selection.NotIn,
			metav1.LabelSelectorOpExists: selection.Exists, metav1.LabelSelectorOpDoesNotExist: selection.DoesNotExist,
		}[r.Operator]
		if !ok {
			errs = append(errs, fmt.Errorf("%q is not a valid label selector operator", r.Operator))
			continue
		}
		requirement, err := labels.NewRequirement(r.Key, operator, r.Values)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, *requirement)
	}
	return out, utilerrors.NewAggregate(errs)
}

// troubles says what kept an answer from being about just what was asked.
func troubles(err error, a *authorizer.AttributesRecord) string {
	var out []string
	if err != nil {
		out = append(out, err.Error())
	}
	ignored := func(what string, kept int, err error) {
		if err == nil {
			return
		}
		how := "ignored"
		if kept > 0 {
			how = "partially ignored"
		}
		out = append(out, fmt.Sprintf("spec.resourceAttributes.%s %s due to parse error", what, how))
	}
	ignored("fieldSelector", len(a.FieldSelectorRequirements), a.FieldSelectorParsingErr)
	ignored("labelSelector", len(a.LabelSelectorRequirements), a.LabelSelectorParsingErr)
	return strings.Join(out, "; ")
}
