package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	celtypes "github.com/google/cel-go/common/types"
	v1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/warning"

	"github.com/keelson-project/keelson/apiserver/admission"
	"github.com/keelson-project/keelson/apiserver/admission/view"
)

const (
	// mostFailures is how many refusals are noted for the audit.
	mostFailures = 50
	// longestNote is in bytes.
	longestNote = 10 << 10

	failureNote = "validation.policy.admission.k8s.io/validation_failure"
)

// Validating is the admission step ValidatingAdmissionPolicy; all fields are
// required.
type Validating struct {
	World  *World
	Source *Source[*v1.ValidatingAdmissionPolicy, *v1.ValidatingAdmissionPolicyBinding]
}

// Name implements admission.Plugin.
func (*Validating) Name() string { return "ValidatingAdmissionPolicy" }

// Handles implements admission.Plugin.
func (*Validating) Handles(admission.Operation) bool { return true }

// Validate implements admission.Validator.
func (p *Validating) Validate(ctx context.Context, a *admission.Attributes) error {
	if unasked(a) {
		return nil
	}
	list, err := p.Source.bound(ctx)
	if err != nil || len(list) == 0 {
		return err
	}
	v := &verdict{world: p.World, attributes: a}
	for i := range list {
		if err := v.ask(ctx, &list[i]); err != nil {
			return err
		}
	}
	v.publish()
	if v.denied == nil {
		return nil
	}
	return v.denied
}

// verdict is what policies have said of a write so far.
type verdict struct {
	world      *World
	attributes *admission.Attributes
	request    *view.Request // made when a policy is about the write

	denied   *apierrors.StatusError // the first
	failures []failure
}

// failure is a refusal as the audit notes it.
type failure struct {
	Message           string                `json:"message"`
	Policy            string                `json:"policy"`
	Binding           string                `json:"binding"`
	ExpressionIndex   int                   `json:"expressionIndex"`
	ValidationActions []v1.ValidationAction `json:"validationActions"`
}

type validatingHook = hook[*v1.ValidatingAdmissionPolicy, *v1.ValidatingAdmissionPolicyBinding]

// ask asks one policy, once for each binding and parameter. An error is one of
// the server, not of a policy.
func (v *verdict) ask(ctx context.Context, h *validatingHook) error {
	if h.about == nil {
		v.misconfigured(h, "", errors.New("policy contained no match constraints, a required field"))
		return nil
	}
	as, concerns, err := h.about.Match(ctx, v.attributes, &v.world.World.World)
	if err != nil {
		v.misconfigured(h, "", err)
		return nil
	}
	if !concerns {
		return nil
	}
	var params Params
	var gvk = as.Kind
	if h.params != nil {
		if params, gvk, err = v.world.paramsOf(h.params); err != nil {
			v.misconfigured(h, "", err)
			return nil
		}
	}
	h.once.Do(func() { h.compiled = compileValidating(h.policy) })
	compiled := h.compiled.(*validating)
	notes := notes{}
	for _, b := range h.bindings {
		if b.about != nil {
			if _, concerns, err = b.about.Match(ctx, v.attributes, &v.world.World.World); err != nil {
				v.misconfigured(h, b.name, err)
				continue
			} else if !concerns {
				continue
			}
		}
		found, err := collect(ctx, params, b.params, v.attributes.Namespace)
		if err != nil {
			v.misconfigured(h, b.name, err)
			continue
		}
		if len(found) == 0 {
			continue
		}
		if v.request == nil {
			if v.request, err = v.world.NewRequest(ctx, v.attributes); err != nil {
				return err
			}
		}
		seen, err := v.request.As(as)
		if err != nil {
			v.misconfigured(h, b.name, err)
			continue
		}
		for _, obj := range found {
			param := runtime.Object(nil)
			if obj != nil {
				param = view.Tagged(obj, gvk)
			}
			v.conclude(ctx, h.policy, b.binding, compiled.ask(ctx, v.request.Values(seen, param), h.fails), notes)
		}
	}
	for key, values := range notes {
		v.attributes.Annotate(h.name+"/"+key, strings.Join(values, ", "))
	}
	return nil
}

// notes are audit annotations by key; of equal values there is one.
type notes map[string][]string

// conclude does about an answer what the binding wants.
func (v *verdict) conclude(ctx context.Context, p *v1.ValidatingAdmissionPolicy, b *v1.ValidatingAdmissionPolicyBinding, answer answer, notes notes) {
	for _, r := range answer.refusals {
		for _, action := range b.Spec.ValidationActions {
			switch action {
			case v1.Deny:
				v.deny(p.Name, b.Name, r.message, r.reason)
			case v1.Audit:
				v.failures = append(v.failures, failure{
					Message: r.message, Policy: b.Spec.PolicyName, Binding: b.Name, ExpressionIndex: r.index, ValidationActions: b.Spec.ValidationActions,
				})
			case v1.Warn:
				warning.AddWarning(ctx, "", fmt.Sprintf("Validation failed for ValidatingAdmissionPolicy '%s' with binding '%s': %s", p.Name, b.Name, r.message))
			}
		}
	}
	for _, n := range answer.notes {
		if n.err != nil {
			v.deny(p.Name, b.Name, n.err.Error(), "")
			continue
		}
		text := n.value[:min(len(n.value), longestNote)]
		if !slices.Contains(notes[n.key], text) {
			notes[n.key] = append(notes[n.key], text)
		}
	}
}

// misconfigured is an error that keeps a policy from being asked.
func (v *verdict) misconfigured(h *validatingHook, binding string, err error) {
	switch h.fails {
	case v1.Ignore:
	case v1.Fail:
		what := "policy"
		if binding != "" {
			what = "binding"
		}
		v.deny(h.name, binding, fmt.Sprintf("failed to configure %s: %v", what, err), "")
	default:
		v.deny(h.name, binding, fmt.Sprintf("unrecognized failure policy: '%v'", h.fails), "")
	}
}

// deny refuses the write; the first refusal is the one that is answered.
func (v *verdict) deny(policy, binding, text string, reason metav1.StatusReason) {
	if v.denied != nil {
		return
	}
	message := fmt.Sprintf("ValidatingAdmissionPolicy '%s' denied request: %s", policy, text)
	if binding != "" {
		message = fmt.Sprintf("ValidatingAdmissionPolicy '%s' with binding '%s' denied request: %s", policy, binding, text)
	}
	v.denied = forbidden(v.attributes, errors.New(message))
	status := &v.denied.ErrStatus
	status.Reason, status.Code = reason, http.StatusUnprocessableEntity
	switch reason {
	case "":
		status.Reason = metav1.StatusReasonInvalid
	case metav1.StatusReasonForbidden:
		status.Code = http.StatusForbidden
	case metav1.StatusReasonUnauthorized:
		status.Code = http.StatusUnauthorized
	case metav1.StatusReasonRequestEntityTooLarge:
		status.Code = http.StatusRequestEntityTooLarge
	}
	status.Details.Causes = append(status.Details.Causes, metav1.StatusCause{Message: message})
}

// forbidden is a refusal that can still be changed.
func forbidden(a *admission.Attributes, err error) *apierrors.StatusError {
	var status *apierrors.StatusError
	if !errors.As(admission.Forbidden(a, err), &status) || status.ErrStatus.Details == nil {
		return apierrors.NewForbidden(a.Resource.GroupResource(), a.Name, err)
	}
	return status
}

// publish notes refusals for the audit.
func (v *verdict) publish() {
	if len(v.failures) == 0 {
		return
	}
	text, err := json.Marshal(v.failures[:min(len(v.failures), mostFailures)])
	if err == nil { // there is nothing in it that has no form in JSON
		v.attributes.Annotate(failureNote, string(text))
	}
}

// answer is what a policy says with one binding and parameter.
type answer struct {
	refusals []refusal
	notes    []note
}

type refusal struct {
	index   int // of the validation
	message string
	reason  metav1.StatusReason
}

// note is an audit annotation, or what went wrong with it.
type note struct {
	key, value string
	err        error
}

// ask evaluates the policy; fails says what an error comes to.
func (p *validating) ask(ctx context.Context, values values, fails v1.FailurePolicyType) (out answer) {
	refuse := func(index int, err error) {
		if fails != v1.Ignore {
			out.refusals = append(out.refusals, refusal{index: index, message: err.Error()})
		}
	}
	matched, err := p.Match(ctx, values)
	if err != nil {
		refuse(0, err)
		return out
	}
	if !matched {
		return out
	}
	if failed := p.validate(ctx, values, refuse, &out); failed != nil {
		out.refusals = nil
		refuse(0, failed)
		return out
	}
	if failed := p.annotate(ctx, values, fails, &out); failed != nil {
		out = answer{}
		refuse(0, failed)
	}
	return out
}

// validate evaluates all validations. An error is one that leaves the rest of
// them without an answer.
func (p *validating) validate(ctx context.Context, values values, refuse func(int, error), out *answer) error {
	run := p.compiler.Run(ctx, values, celconfig.RuntimeCELCostBudget)
	passed := make([]error, len(p.validations))
	for i, e := range p.validations {
		result, err := run.Eval(e)
		if errors.Is(err, errBudget) {
			return err
		}
		if err == nil && result != celtypes.True {
			err = errRefused
		}
		passed[i] = err
	}
	values.Authorizer, values.RequestResource = nil, nil // not for messages
	messages := p.compiler.Run(ctx, values, run.Left())
	for i, err := range passed {
		switch {
		case err == nil:
			continue
		case !errors.Is(err, errRefused):
			refuse(i, err)
			continue
		}
		rule := &p.spec.Validations[i]
		message, err := p.message(messages, i)
		if err != nil {
			refuse(i, fmt.Errorf("failed messageExpression: %w", err))
			continue
		}
		if message == "" {
			message = strings.TrimSpace(rule.Message)
		}
		if message == "" {
			message = "failed expression: " + strings.TrimSpace(rule.Expression)
		}
		reason := metav1.StatusReasonInvalid
		if rule.Reason != nil {
			reason = *rule.Reason
		}
		out.refusals = append(out.refusals, refusal{index: i, message: message, reason: reason})
	}
	return nil
}

// message is what a messageExpression comes to, if it is fit to be shown.
func (p *validating) message(run *run, i int) (string, error) {
	if p.spec.Validations[i].MessageExpression == "" {
		return "", nil
	}
	result, err := run.Eval(p.messages[i])
	if errors.Is(err, errBudget) {
		return "", err
	}
	if err != nil {
		return "", nil // the other texts serve instead
	}
	text, _ := result.Value().(string)
	if text = strings.TrimSpace(text); len(text) > celconfig.MaxEvaluatedMessageExpressionSizeBytes || strings.Contains(text, "\n") {
		return "", nil
	}
	return text, nil
}

func (p *validating) annotate(ctx context.Context, values values, fails v1.FailurePolicyType, out *answer) error {
	run := p.compiler.Run(ctx, values, celconfig.RuntimeCELCostBudget)
	for i, e := range p.annotations {
		key := p.spec.AuditAnnotations[i].Key
		result, err := run.Eval(e)
		switch {
		case errors.Is(err, errBudget):
			return err
		case err != nil:
			if fails != v1.Ignore {
				out.notes = append(out.notes, note{key: key, err: err})
			}
		default:
			if text, ok := result.Value().(string); ok && strings.TrimSpace(text) != "" {
				out.notes = append(out.notes, note{key: key, value: strings.TrimSpace(text)})
			}
		}
	}
	return nil
}

var errRefused = errors.New("the validation is false")
