package admissionregistration

import (
	"fmt"
	"strings"

	v1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

// failurePolicy requires what to do when an expression fails.
func failurePolicy(e *check.Errors, p *field.Path, f *v1.FailurePolicyType) {
	if f == nil {
		e.Required(p, "")
	}
	check.OptionalOneOf(e, p, f, v1.Fail, v1.Ignore)
}

// about requires what a policy or a binding is about; nil is fine.
func about(e *check.Errors, p *field.Path, m *v1.MatchResources) {
	if m == nil {
		return
	}
	if m.MatchPolicy == nil {
		e.Required(p.Child("matchPolicy"), "")
	}
	check.OptionalOneOf(e, p.Child("matchPolicy"), m.MatchPolicy, v1.Equivalent, v1.Exact)
	if at := p.Child("namespaceSelector"); m.NamespaceSelector == nil {
		e.Required(at, "")
	} else {
		e.Selector(at, m.NamespaceSelector)
	}
	if at := p.Child("objectSelector"); m.ObjectSelector == nil {
		e.Required(at, "")
	} else {
		e.Selector(at, m.ObjectSelector)
	}
	for i := range m.ResourceRules {
		namedRule(e, p.Child("resourceRules").Index(i), &m.ResourceRules[i])
	}
	for i := range m.ExcludeResourceRules {
		namedRule(e, p.Child("excludeResourceRules").Index(i), &m.ExcludeResourceRules[i])
	}
}

// constraints is about for a policy, which must say what it is about.
func constraints(e *check.Errors, p *field.Path, m *v1.MatchResources) {
	if m == nil {
		e.Required(p, "")
		return
	}
	about(e, p, m)
	if len(m.ResourceRules) == 0 {
		e.Required(p.Child("resourceRules"), "")
	}
}

func namedRule(e *check.Errors, p *field.Path, r *v1.NamedRuleWithOperations) {
	seen := map[string]bool{}
	for i, name := range r.ResourceNames {
		at := p.Child("resourceNames").Index(i)
		e.Messages(at, name, content.IsPathSegmentName(name))
		if seen[name] {
			e.Duplicate(at, name)
		}
		seen[name] = true
	}
	rule(e, p, &r.RuleWithOperations)
}

// changeable refuses operations in which there is nothing to mutate.
func changeable(e *check.Errors, p *field.Path, m *v1.MatchResources) {
	if m == nil {
		return
	}
	for i := range m.ResourceRules {
		for _, op := range m.ResourceRules[i].Operations {
			check.OneOf(e, p.Child("resourceRules", "operations"), op, v1.OperationAll, v1.Connect, v1.Create, v1.Update)
		}
	}
}

// paramKind requires a group, version and kind; nil is fine.
func paramKind(e *check.Errors, p *field.Path, k *v1.ParamKind) {
	if k == nil {
		return
	}
	switch at := p.Child("apiVersion"); {
	case k.APIVersion == "":
		e.Required(at, "")
	case strings.Count(k.APIVersion, "/") > 1:
		e.Invalid(at, k.APIVersion, "unexpected GroupVersion string: "+k.APIVersion)
	default:
		groupVersion(e, at, k.APIVersion)
	}
	if at := p.Child("kind"); k.Kind == "" {
		e.Required(at, "")
	} else if msgs := validation.IsDNS1035Label(strings.ToLower(k.Kind)); len(msgs) > 0 {
		e.Invalid(at, k.Kind, "may have mixed case, but should otherwise match: "+strings.Join(msgs, ","))
	}
}

func groupVersion(e *check.Errors, p *field.Path, s string) {
	group, version, grouped := strings.Cut(s, "/")
	if !grouped {
		group, version = "", s
	}
	if group != "" {
		if msgs := validation.IsDNS1123Subdomain(group); len(msgs) > 0 {
			e.Invalid(p, group, strings.Join(msgs, ","))
		}
	}
	if version == "" {
		e.Invalid(p, s, "version must be specified")
	} else if msgs := validation.IsDNS1035Label(version); len(msgs) > 0 {
		e.Invalid(p, version, strings.Join(msgs, ","))
	}
}

// paramRef requires a name or a selector of parameters; nil is fine.
func paramRef(e *check.Errors, p *field.Path, r *v1.ParamRef) {
	if r == nil {
		return
	}
	const both = "name and selector are mutually exclusive"
	if r.Name != "" {
		e.Messages(p.Child("name"), r.Name, content.IsPathSegmentName(r.Name))
		if r.Selector != nil {
			e.Forbidden(p.Child("name"), both)
		}
	}
	if r.Selector != nil {
		e.Selector(p.Child("selector"), r.Selector)
		if r.Name != "" {
			e.Forbidden(p.Child("selector"), both)
		}
	}
	if r.Name == "" && r.Selector == nil {
		e.Required(p, "one of name or selector must be specified")
	}
	if at := p.Child("parameterNotFoundAction"); r.ParameterNotFoundAction == nil || *r.ParameterNotFoundAction == "" {
		e.Required(at, "")
	} else {
		check.OneOf(e, at, *r.ParameterNotFoundAction, v1.DenyAction, v1.AllowAction)
	}
}

// policyName requires the name of a policy if there is one.
func policyName(e *check.Errors, p *field.Path, name string) {
	if name != "" {
		e.DNSSubdomain(p, name)
	}
}

func validateBinding(b *v1.ValidatingAdmissionPolicyBinding) field.ErrorList {
	e, p := &check.Errors{}, field.NewPath("spec")
	policyName(e, p.Child("policyName"), b.Spec.PolicyName)
	paramRef(e, p.Child("paramRef"), b.Spec.ParamRef)
	about(e, p.Child("matchResources"), b.Spec.MatchResources)
	actions(e, p.Child("validationActions"), b.Spec.ValidationActions)
	return e.List
}

// actions requires what to do about a request that does not pass. That there
// is something to do is demanded with the type.
func actions(e *check.Errors, p *field.Path, list []v1.ValidationAction) {
	seen := map[v1.ValidationAction]bool{}
	for i, a := range list {
		check.OneOf(e, p.Index(i), a, v1.Audit, v1.Deny, v1.Warn)
		if seen[a] {
			e.Duplicate(p.Index(i), a)
		}
		seen[a] = true
	}
	if seen[v1.Deny] && seen[v1.Warn] {
		e.Invalid(p, list, fmt.Sprintf("must not contain both %s and %s (repeating the same validation failure information "+
			"in the API response and headers serves no purpose)", v1.Deny, v1.Warn))
	}
}

func validateMutatingBinding(b *v1.MutatingAdmissionPolicyBinding) field.ErrorList {
	e, p := &check.Errors{}, field.NewPath("spec")
	if b.Spec.PolicyName == "" {
		e.Required(p.Child("policyName"), "")
	}
	policyName(e, p.Child("policyName"), b.Spec.PolicyName)
	paramRef(e, p.Child("paramRef"), b.Spec.ParamRef)
	about(e, p.Child("matchResources"), b.Spec.MatchResources)
	changeable(e, p.Child("matchResources"), b.Spec.MatchResources)
	return e.List
}
