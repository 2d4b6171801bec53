package admissionregistration

import (
	"fmt"
	"regexp"
	"strings"

	v1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/util/jsonpath"

	"github.com/keelson-project/keelson/apiserver/admission/expression"
	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

const (
	mostAnnotations = 20
	// longestAnnotation is in bytes, and half of what the annotation itself may
	// have: an expression that joins texts makes longer ones than itself.
	longestAnnotation = 5 << 10
)

func validatePolicy(p, old *v1.ValidatingAdmissionPolicy) field.ErrorList {
	e, at, s, stored := &check.Errors{}, field.NewPath("spec"), &p.Spec, map[string]bool{}
	sameConditions := false
	if old != nil {
		sameConditions = equality.Semantic.DeepEqual(s.ParamKind, old.Spec.ParamKind) &&
			equality.Semantic.DeepEqual(s.MatchConditions, old.Spec.MatchConditions)
		storedConditions(stored, old.Spec.MatchConditions)
		storedVariables(stored, old.Spec.Variables)
		for _, v := range old.Spec.Validations {
			stored[v.Expression], stored[v.MessageExpression] = true, true
		}
		for _, a := range old.Spec.AuditAnnotations {
			stored[a.ValueExpression] = true
		}
	}
	c := expression.NewCompiler(expression.Config{Params: s.ParamKind != nil, Variables: len(s.Variables) > 0})
	failurePolicy(e, at.Child("failurePolicy"), s.FailurePolicy)
	paramKind(e, at.Child("paramKind"), s.ParamKind)
	constraints(e, at.Child("matchConstraints"), s.MatchConstraints)
	if !sameConditions {
		conditions(e, at.Child("matchConditions"), s.MatchConditions, c, stored)
	}
	variables(e, at.Child("variables"), s.Variables, c, stored)
	if len(s.Validations) == 0 && len(s.AuditAnnotations) == 0 {
		const text = "validations or auditAnnotations must contain at least one item"
		e.Required(at.Child("validations"), text)
		e.Required(at.Child("auditAnnotations"), text)
		return e.List
	}
	for i := range s.Validations {
		validationRule(e, at.Child("validations").Index(i), &s.Validations[i], c, stored)
	}
	annotations(e, at.Child("auditAnnotations"), p.Name, s.AuditAnnotations, c, stored)
	return e.List
}

func storedVariables(into map[string]bool, list []v1.Variable) {
	for _, v := range list {
		into[v.Expression] = true
	}
}

// variables requires names and expressions; each expression sees the variables
// before it.
func variables(e *check.Errors, p *field.Path, list []v1.Variable, c *expression.Compiler, stored map[string]bool) {
	for i, v := range list {
		p := p.Index(i)
		if strings.TrimSpace(v.Name) == "" {
			e.Required(p.Child("name"), "name is not specified")
		} else if !identifier(v.Name) {
			e.Invalid(p.Child("name"), v.Name, "must be a valid CEL identifier")
		}
		if strings.TrimSpace(v.Expression) == "" {
			e.Required(p.Child("expression"), "expression is not specified")
		} else {
			compiles(e, p.Child("expression"), c.Variable(v.Name, v.Expression, age(stored, v.Expression)))
		}
	}
}

// identifiers are the names that the language allows, but for its own words.
var identifiers = regexp.MustCompile(`^[_a-zA-Z][_a-zA-Z0-9]*$`)

func identifier(name string) bool {
	switch name {
	case "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let",
		"loop", "package", "namespace", "return", "var", "void", "while":
		return false
	}
	return identifiers.MatchString(name)
}

func validationRule(e *check.Errors, p *field.Path, v *v1.Validation, c *expression.Compiler, stored map[string]bool) {
	if strings.TrimSpace(v.Expression) == "" {
		e.Required(p.Child("expression"), "expression is not specified")
	} else {
		compiles(e, p.Child("expression"), c.Compile(expression.Validation, v.Expression, age(stored, v.Expression)))
	}
	if text := v.MessageExpression; strings.TrimSpace(text) != "" {
		compiles(e, p.Child("messageExpression"), c.Compile(expression.Message, text, age(stored, text)))
	} else if text != "" {
		e.Invalid(p.Child("messageExpression"), text, "must be non-empty if specified")
	}
	if text := strings.TrimSpace(v.Message); text == "" && v.Message != "" {
		e.Invalid(p.Child("message"), v.Message, "must be non-empty if specified")
	} else if strings.ContainsAny(text, "\n\r") {
		e.Invalid(p.Child("message"), v.Message, "must not contain line breaks")
	}
	check.OptionalOneOf(e, p.Child("reason"), v.Reason,
		metav1.StatusReasonForbidden, metav1.StatusReasonInvalid, metav1.StatusReasonRequestEntityTooLarge)
}

func annotations(e *check.Errors, p *field.Path, policy string, list []v1.AuditAnnotation, c *expression.Compiler, stored map[string]bool) {
	if len(list) > mostAnnotations {
		e.Invalid(p, list, fmt.Sprintf("must not have more than %d auditAnnotations", mostAnnotations))
	}
	keys := map[string]bool{}
	for i, a := range list {
		p := p.Index(i)
		if policy == "" {
			e.Invalid(p.Child("key"), a.Key, "requires metadata.name be non-empty")
		} else {
			e.QualifiedName(p.Child("key"), policy+"/"+a.Key)
		}
		at := p.Child("valueExpression")
		switch text := strings.TrimSpace(a.ValueExpression); {
		case text == "":
			e.Required(at, "valueExpression is not specified")
		case len(text) > longestAnnotation:
			e.Required(at, fmt.Sprintf("must not exceed %d bytes in length", longestAnnotation))
		default:
			r := c.Compile(expression.AuditAnnotation, text, age(stored, a.ValueExpression))
			if err := expression.Problem(at, r); err != nil {
				if err.Type == field.ErrorTypeInvalid {
					err.BadValue = a.ValueExpression
				}
				e.Add(err)
			}
		}
		if keys[a.Key] {
			e.Duplicate(p.Child("key"), a.Key)
		}
		keys[a.Key] = true
	}
}

func validatePolicyStatus(s *v1.ValidatingAdmissionPolicyStatus) field.ErrorList {
	e, p := &check.Errors{}, field.NewPath("status")
	if s.TypeChecking != nil {
		for i, w := range s.TypeChecking.ExpressionWarnings {
			p := p.Child("typeChecking", "expressionWarnings").Index(i)
			e.NotEmpty(p.Child("warning"), w.Warning)
			at := p.Child("fieldRef")
			ref := strings.TrimSpace(w.FieldRef)
			e.NotEmpty(at, ref)
			if ref == "" {
				continue
			}
			if err := jsonpath.New("spec").Parse("{" + ref + "}"); err != nil {
				e.Invalid(at, ref, fmt.Sprintf("invalid JSONPath: %v", err))
			}
		}
	}
	e.Add(metavalidation.ValidateConditions(s.Conditions, p.Child("conditions"))...)
	return e.List
}

func validateMutatingPolicy(p, old *v1.MutatingAdmissionPolicy) field.ErrorList {
	e, at, s, stored := &check.Errors{}, field.NewPath("spec"), &p.Spec, map[string]bool{}
	sameConditions := false
	if old != nil {
		sameConditions = equality.Semantic.DeepEqual(s.ParamKind, old.Spec.ParamKind) &&
			equality.Semantic.DeepEqual(s.MatchConditions, old.Spec.MatchConditions)
		storedConditions(stored, old.Spec.MatchConditions)
		storedVariables(stored, old.Spec.Variables)
		for _, m := range old.Spec.Mutations {
			if m.ApplyConfiguration != nil {
				stored[m.ApplyConfiguration.Expression] = true
			}
			if m.JSONPatch != nil {
				stored[m.JSONPatch.Expression] = true
			}
		}
	}
	c := expression.NewCompiler(expression.Config{Params: s.ParamKind != nil, Variables: true})
	failurePolicy(e, at.Child("failurePolicy"), s.FailurePolicy)
	paramKind(e, at.Child("paramKind"), s.ParamKind)
	constraints(e, at.Child("matchConstraints"), s.MatchConstraints)
	changeable(e, at.Child("matchConstraints"), s.MatchConstraints)
	if !sameConditions {
		conditions(e, at.Child("matchConditions"), s.MatchConditions, c, stored)
	}
	variables(e, at.Child("variables"), s.Variables, c, stored)
	if len(s.Mutations) == 0 {
		e.Required(at.Child("mutations"), "mutations must contain at least one item")
	}
	for i := range s.Mutations {
		mutation(e, at.Child("mutations").Index(i), &s.Mutations[i], c, stored)
	}
	check.RequiredOneOf(e, at.Child("reinvocationPolicy"), s.ReinvocationPolicy, v1.IfNeededReinvocationPolicy, v1.NeverReinvocationPolicy)
	return e.List
}

// mutation requires the one expression that its type asks for.
func mutation(e *check.Errors, p *field.Path, m *v1.Mutation, c *expression.Compiler, stored map[string]bool) {
	var apply, patch *string
	if m.ApplyConfiguration != nil {
		apply = &m.ApplyConfiguration.Expression
	}
	if m.JSONPatch != nil {
		patch = &m.JSONPatch.Expression
	}
	need := func(name string, text *string, use expression.Use) {
		if text == nil {
			e.Required(p.Child(name), fmt.Sprintf("must be specified when patchType is %s", m.PatchType))
			return
		}
		at := p.Child(name, "expression")
		if trimmed := strings.TrimSpace(*text); trimmed == "" {
			e.Required(at, "")
		} else {
			compiles(e, at, c.Compile(use, trimmed, age(stored, *text)))
		}
	}
	refuse := func(name string, text *string) {
		if text != nil {
			e.Invalid(p.Child(name), "{"+name+"}", fmt.Sprintf("must not be specified when patchType is %s", m.PatchType))
		}
	}
	switch m.PatchType {
	case v1.PatchTypeJSONPatch:
		need("jsonPatch", patch, expression.JSONPatch)
		refuse("applyConfiguration", apply)
	case v1.PatchTypeApplyConfiguration:
		need("applyConfiguration", apply, expression.ApplyConfiguration)
		refuse("jsonPatch", patch)
	default:
		check.RequiredOneOf(e, p.Child("patchType"), m.PatchType, v1.PatchTypeApplyConfiguration, v1.PatchTypeJSONPatch)
	}
}
