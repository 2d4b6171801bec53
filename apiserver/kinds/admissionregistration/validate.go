package admissionregistration

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	celtypes "github.com/google/cel-go/cel"
	v1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/environment"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

const (
	mostConditions = 64
	longestTimeout = 30 // seconds
	reviews        = "v1, v1beta1"
)

func validateValidating(c, old *v1.ValidatingWebhookConfiguration) field.ErrorList {
	var was []v1.ValidatingWebhook
	if old != nil {
		was = old.Webhooks
	}
	return webhooks(c.Webhooks, was)
}

func validateMutating(c, old *v1.MutatingWebhookConfiguration) field.ErrorList {
	var was []v1.ValidatingWebhook
	if old != nil {
		was = common(old.Webhooks)
	}
	e := &check.Errors{List: webhooks(common(c.Webhooks), was)}
	for i, h := range c.Webhooks {
		check.OptionalOneOf(e, field.NewPath("webhooks").Index(i).Child("reinvocationPolicy"), h.ReinvocationPolicy,
			v1.IfNeededReinvocationPolicy, v1.NeverReinvocationPolicy)
	}
	return e.List
}

// common is what mutating webhooks have in common with validating ones.
func common(list []v1.MutatingWebhook) []v1.ValidatingWebhook {
	out := make([]v1.ValidatingWebhook, len(list))
	for i, h := range list {
		out[i] = v1.ValidatingWebhook{
			Name: h.Name, ClientConfig: h.ClientConfig, Rules: h.Rules, FailurePolicy: h.FailurePolicy, MatchPolicy: h.MatchPolicy,
			NamespaceSelector: h.NamespaceSelector, ObjectSelector: h.ObjectSelector, SideEffects: h.SideEffects,
			TimeoutSeconds: h.TimeoutSeconds, AdmissionReviewVersions: h.AdmissionReviewVersions, MatchConditions: h.MatchConditions,
		}
	}
	return out
}

func webhooks(list, old []v1.ValidatingWebhook) field.ErrorList {
	e, names := &check.Errors{}, map[string]bool{}
	sameConditions := old != nil && slices.EqualFunc(list, old, func(a, b v1.ValidatingWebhook) bool {
		return equality.Semantic.DeepEqual(a.MatchConditions, b.MatchConditions)
	})
	for i := range list {
		h, p := &list[i], field.NewPath("webhooks").Index(i)
		e.Add(validation.IsFullyQualifiedName(p.Child("name"), h.Name)...)
		hook(e, p, h)
		if !sameConditions {
			conditions(e, p.Child("matchConditions"), h.MatchConditions)
		}
		versions(e, p.Child("admissionReviewVersions"), h.AdmissionReviewVersions)
		if h.Name != "" && names[h.Name] {
			e.Duplicate(p.Child("name"), h.Name)
		}
		names[h.Name] = true
	}
	return e.List
}

func hook(e *check.Errors, p *field.Path, h *v1.ValidatingWebhook) {
	for i := range h.Rules {
		rule(e, p.Child("rules").Index(i), &h.Rules[i])
	}
	check.OptionalOneOf(e, p.Child("failurePolicy"), h.FailurePolicy, v1.Fail, v1.Ignore)
	check.OptionalOneOf(e, p.Child("matchPolicy"), h.MatchPolicy, v1.Equivalent, v1.Exact)
	if h.SideEffects == nil {
		e.Required(p.Child("sideEffects"), "must specify one of None, NoneOnDryRun")
	}
	check.OptionalOneOf(e, p.Child("sideEffects"), h.SideEffects, v1.SideEffectClassNone, v1.SideEffectClassNoneOnDryRun)
	if t := h.TimeoutSeconds; t != nil && (*t < 1 || *t > longestTimeout) {
		e.Invalid(p.Child("timeoutSeconds"), *t, fmt.Sprintf("the timeout value must be between 1 and %d seconds", longestTimeout))
	}
	e.Selector(p.Child("namespaceSelector"), h.NamespaceSelector)
	e.Selector(p.Child("objectSelector"), h.ObjectSelector)
	client(e, p.Child("clientConfig"), &h.ClientConfig)
}

func rule(e *check.Errors, p *field.Path, r *v1.RuleWithOperations) {
	alone(e, p.Child("operations"), r.Operations, v1.OperationAll, "operations")
	for i, op := range r.Operations {
		check.OneOf(e, p.Child("operations").Index(i), op, v1.OperationAll, v1.Connect, v1.Create, v1.Delete, v1.Update)
	}
	alone(e, p.Child("apiGroups"), r.APIGroups, "*", "API groups")
	alone(e, p.Child("apiVersions"), r.APIVersions, "*", "API versions")
	for i, v := range r.APIVersions {
		e.NotEmpty(p.Child("apiVersions").Index(i), v)
	}
	resources(e, p.Child("resources"), r.Resources)
	check.OptionalOneOf(e, p.Child("scope"), r.Scope, v1.AllScopes, v1.ClusterScope, v1.NamespacedScope)
}

// alone requires values, of which the one for all must be the only one.
func alone[T ~string](e *check.Errors, p *field.Path, list []T, all T, others string) {
	if len(list) == 0 {
		e.Required(p, "")
	} else if len(list) > 1 && slices.Contains(list, all) {
		e.Invalid(p, list, "if '*' is present, must not specify other "+others)
	}
}

// resources requires resources and subresources of which none covers another.
func resources(e *check.Errors, p *field.Path, list []string) {
	if len(list) == 0 {
		e.Required(p, "")
	}
	anySub, anyResource, plain := map[string]bool{}, map[string]bool{}, false
	for i, r := range list {
		p := p.Index(i)
		if r == "" {
			e.Required(p, "")
			continue
		}
		res, sub, ok := strings.Cut(r, "/")
		if !ok {
			plain = r != "*"
			continue
		}
		if anySub[res] {
			e.Invalid(p, r, fmt.Sprintf("if '%s/*' is present, must not specify %s", res, r))
		}
		if anyResource[sub] {
			e.Invalid(p, r, fmt.Sprintf("if '*/%s' is present, must not specify %s", sub, r))
		}
		anySub[res] = anySub[res] || sub == "*"
		anyResource[sub] = anyResource[sub] || res == "*"
	}
	if len(list) > 1 && slices.Contains(list, "*/*") {
		e.Invalid(p, list, "if '*/*' is present, must not specify other resources")
	}
	if plain && slices.Contains(list, "*") {
		e.Invalid(p, list, "if '*' is present, must not specify other resources without subresources")
	}
}

func versions(e *check.Errors, p *field.Path, list []string) {
	if len(list) == 0 {
		e.Required(p, "must specify one of "+reviews)
		return
	}
	for i, v := range list {
		if slices.Contains(list[:i], v) {
			e.Invalid(p.Index(i), v, "duplicate version")
			continue
		}
		e.Messages(p.Index(i), v, validation.IsDNS1035Label(v))
	}
	if !slices.Contains(list, "v1") && !slices.Contains(list, "v1beta1") {
		e.Invalid(p, list, "must include at least one of "+reviews)
	}
}

func conditions(e *check.Errors, p *field.Path, list []v1.MatchCondition) {
	if len(list) > mostConditions {
		e.Add(field.TooMany(p, len(list), mostConditions))
	}
	names := map[string]bool{}
	for i, c := range list {
		p := p.Index(i)
		if expr := strings.TrimSpace(c.Expression); expr == "" {
			e.Required(p.Child("expression"), "")
		} else {
			compiles(e, p.Child("expression"), expr)
		}
		if c.Name == "" {
			e.Required(p.Child("name"), "")
			continue
		}
		e.QualifiedName(p.Child("name"), c.Name)
		if names[c.Name] {
			e.Duplicate(p.Child("name"), c.Name)
		}
		names[c.Name] = true
	}
}

// compiler takes its time to be made, and most servers never need one.
var compiler = sync.OnceValue(func() cel.Compiler {
	return cel.NewCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()))
})

// condition is an expression that is true or false.
type condition string

// GetExpression returns the text.
func (c condition) GetExpression() string { return string(c) }

// ReturnTypes returns what it may come to.
func (condition) ReturnTypes() []*celtypes.Type { return []*celtypes.Type{celtypes.BoolType} }

func compiles(e *check.Errors, p *field.Path, expr string) {
	result := compiler().CompileCELExpression(condition(expr),
		cel.OptionalVariableDeclarations{HasAuthorizer: true}, environment.NewExpressions)
	switch err := result.Error; {
	case err == nil:
	case err.Type == apiservercel.ErrorTypeRequired:
		e.Required(p, err.Detail)
	case err.Type == apiservercel.ErrorTypeInvalid:
		e.Invalid(p, expr, err.Detail)
	default:
		e.Add(field.InternalError(p, err))
	}
}
