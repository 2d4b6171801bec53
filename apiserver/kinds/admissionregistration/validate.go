package admissionregistration

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	v1 "k8s.io/api/admissionregistration/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/admission/plugin/cel"

	"github.com/keelson-project/keelson/apiserver/admission/expression"
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
	e, names, may := &check.Errors{}, map[string]bool{}, brokenBy(old)
	sameConditions := old != nil && slices.EqualFunc(list, old, func(a, b v1.ValidatingWebhook) bool {
		return reflect.DeepEqual(a.MatchConditions, b.MatchConditions)
	})
	stored := map[string]bool{}
	for i := range old {
		storedConditions(stored, old[i].MatchConditions)
	}
	for i := range list {
		h, p := &list[i], field.NewPath("webhooks").Index(i)
		e.Add(validation.IsFullyQualifiedName(p.Child("name"), h.Name)...)
		hook(e, p, h, may)
		if !sameConditions {
			conditions(e, p.Child("matchConditions"), h.MatchConditions, expression.NewCompiler(expression.Config{}), stored)
		}
		versions(e, p.Child("admissionReviewVersions"), h.AdmissionReviewVersions, may.versions)
		if h.Name != "" && names[h.Name] && !may.names {
			e.Duplicate(p.Child("name"), h.Name)
		}
		names[h.Name] = true
	}
	return e.List
}

// broken are rules that an object breaks which was stored by a server that did
// not know them yet, so that they do not bind changes of it either.
type broken struct{ sideEffects, versions, names, selectors bool }

func brokenBy(old []v1.ValidatingWebhook) (b broken) {
	names := map[string]bool{}
	for i := range old {
		h := &old[i]
		effects := h.SideEffects
		b.sideEffects = b.sideEffects || effects == nil || *effects != v1.SideEffectClassNone && *effects != v1.SideEffectClassNoneOnDryRun
		b.versions = b.versions || len(h.AdmissionReviewVersions) > 0 && !reviewed(h.AdmissionReviewVersions)
		b.names = b.names || names[h.Name]
		names[h.Name] = true
		e := &check.Errors{}
		e.Selector(nil, h.NamespaceSelector)
		e.Selector(nil, h.ObjectSelector)
		b.selectors = b.selectors || len(e.List) > 0
	}
	return b
}

func hook(e *check.Errors, p *field.Path, h *v1.ValidatingWebhook, may broken) {
	for i := range h.Rules {
		rule(e, p.Child("rules").Index(i), &h.Rules[i])
	}
	check.OptionalOneOf(e, p.Child("failurePolicy"), h.FailurePolicy, v1.Fail, v1.Ignore)
	check.OptionalOneOf(e, p.Child("matchPolicy"), h.MatchPolicy, v1.Equivalent, v1.Exact)
	effects, text := []v1.SideEffectClass{v1.SideEffectClassNone, v1.SideEffectClassNoneOnDryRun}, "None, NoneOnDryRun"
	if may.sideEffects {
		effects, text = append(effects, v1.SideEffectClassSome, v1.SideEffectClassUnknown), text+", Some, Unknown"
	}
	if h.SideEffects == nil {
		e.Required(p.Child("sideEffects"), "must specify one of "+text)
	}
	check.OptionalOneOf(e, p.Child("sideEffects"), h.SideEffects, effects...)
	if t := h.TimeoutSeconds; t != nil && (*t < 1 || *t > longestTimeout) {
		e.Invalid(p.Child("timeoutSeconds"), *t, fmt.Sprintf("the timeout value must be between 1 and %d seconds", longestTimeout))
	}
	opts := metavalidation.LabelSelectorValidationOptions{AllowInvalidLabelValueInSelector: may.selectors}
	e.Add(metavalidation.ValidateLabelSelector(h.NamespaceSelector, opts, p.Child("namespaceSelector"))...)
	e.Add(metavalidation.ValidateLabelSelector(h.ObjectSelector, opts, p.Child("objectSelector"))...)
	client(e, p.Child("clientConfig"), &h.ClientConfig)
}

func client(e *check.Errors, p *field.Path, c *v1.WebhookClientConfig) {
	switch s := c.Service; {
	case (c.URL == nil) == (s == nil):
		e.Required(p, "exactly one of url or service is required")
	case c.URL != nil:
		e.WebhookURL(p.Child("url"), *c.URL)
	default:
		e.WebhookService(p.Child("service"), s.Namespace, s.Name, s.Path, s.Port)
	}
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

func versions(e *check.Errors, p *field.Path, list []string, mayBeUnknown bool) {
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
	if !mayBeUnknown && !reviewed(list) {
		e.Invalid(p, list, "must include at least one of "+reviews)
	}
}

// reviewed reports whether the server speaks one of the versions.
func reviewed(list []string) bool {
	return slices.Contains(list, "v1") || slices.Contains(list, "v1beta1")
}

// conditions requires match conditions; stored are the expressions that the
// object had before.
func conditions(e *check.Errors, p *field.Path, list []v1.MatchCondition, c *expression.Compiler, stored map[string]bool) {
	if len(list) > mostConditions {
		e.Add(field.TooMany(p, len(list), mostConditions))
	}
	names := map[string]bool{}
	for i, m := range list {
		p := p.Index(i)
		if text := strings.TrimSpace(m.Expression); text == "" {
			e.Required(p.Child("expression"), "")
		} else {
			compiles(e, p.Child("expression"), c.Compile(expression.MatchCondition, text, age(stored, text)))
		}
		if m.Name == "" {
			e.Required(p.Child("name"), "")
			continue
		}
		e.QualifiedName(p.Child("name"), m.Name)
		if names[m.Name] {
			e.Duplicate(p.Child("name"), m.Name)
		}
		names[m.Name] = true
	}
}

// storedConditions notes the expressions of match conditions.
func storedConditions(into map[string]bool, list []v1.MatchCondition) {
	for _, m := range list {
		into[m.Expression] = true
	}
}

func age(stored map[string]bool, text string) expression.Age {
	if stored[text] {
		return expression.Stored
	}
	return expression.New
}

// compiles requires a result without an error.
func compiles(e *check.Errors, p *field.Path, r cel.CompilationResult) {
	if err := expression.Problem(p, r); err != nil {
		e.Add(err)
	}
}
