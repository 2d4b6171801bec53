package policy

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	v1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/managedfields"
	celconfig "k8s.io/apiserver/pkg/apis/cel"

	"github.com/keelson-project/keelson/apiserver/admission"
	"github.com/keelson-project/keelson/apiserver/admission/match"
	"github.com/keelson-project/keelson/apiserver/admission/view"
	"github.com/keelson-project/keelson/apiserver/kinds"
)

// Mutating is the admission step MutatingAdmissionPolicy; all fields are
// required.
type Mutating struct {
	World  *World
	Source *Source[*v1.MutatingAdmissionPolicy, *v1.MutatingAdmissionPolicyBinding]
	// Types knows the schema of what is served in a version.
	Types func(as match.Version) managedfields.TypeConverter
}

// Name implements admission.Plugin.
func (*Mutating) Name() string { return "MutatingAdmissionPolicy" }

// Handles implements admission.Plugin. A delete has no object to change.
func (*Mutating) Handles(op admission.Operation) bool { return op != admission.Delete }

// invocation is a policy that is to be asked, with a binding and a parameter.
type invocation struct {
	hook    *mutatingHook
	binding string
	as      match.Version
	param   runtime.Object // nil for none
	key     invocationKey
}

// invocationKey knows an invocation again when the write is asked about twice.
type invocationKey struct{ policy, binding, namespace, param string }

type mutatingHook = hook[*v1.MutatingAdmissionPolicy, *v1.MutatingAdmissionPolicyBinding]

// Admit implements admission.Mutator.
func (p *Mutating) Admit(ctx context.Context, a *admission.Attributes) error {
	if unasked(a) {
		return nil
	}
	list, err := p.Source.bound(ctx)
	if err != nil || len(list) == 0 {
		return err
	}
	r := &refusals{attributes: a}
	var due []invocation
	for i := range list {
		due = p.collect(ctx, a, &list[i], due, r)
	}
	if len(due) > 0 {
		if err := p.invoke(ctx, a, due, r); err != nil {
			return err
		}
	}
	return r.err()
}

// collect adds the invocations of a policy that is about the write.
func (p *Mutating) collect(ctx context.Context, a *admission.Attributes, h *mutatingHook, due []invocation, r *refusals) []invocation {
	if h.about == nil {
		r.add(h, "", errors.New("failed to configure policy: policy contained no match constraints, a required field"), "")
		return due
	}
	as, concerns, err := h.about.Match(ctx, a, &p.World.World.World)
	var params Params
	gvk := as.Kind
	if err == nil && concerns && h.params != nil {
		params, gvk, err = p.World.paramsOf(h.params)
	}
	if err != nil {
		r.add(h, "", fmt.Errorf("failed to configure policy: %w", err), "")
		return due
	}
	if !concerns {
		return due
	}
	for _, b := range h.bindings {
		if b.about != nil {
			_, concerns, err = b.about.Match(ctx, a, &p.World.World.World)
		} else {
			concerns, err = true, nil
		}
		var found []kinds.Object
		if err == nil && concerns {
			found, err = collect(ctx, params, b.params, a.Namespace)
		}
		if err != nil {
			r.add(h, b.name, fmt.Errorf("failed to configure binding: %w", err), "")
			continue
		}
		for _, obj := range found {
			i := invocation{hook: h, binding: b.name, as: as, key: invocationKey{policy: h.name, binding: b.name}}
			if obj != nil {
				i.param = view.Tagged(obj, gvk)
				i.key.namespace, i.key.param = obj.GetNamespace(), obj.GetName()
			}
			due = append(due, i)
		}
	}
	return due
}

func (p *Mutating) invoke(ctx context.Context, a *admission.Attributes, due []invocation, r *refusals) error {
	request, err := p.World.NewRequest(ctx, a)
	if err != nil {
		return err
	}
	m := view.Remember[invocationKey](a, p.Name())
	for i := range due {
		if err := p.invokeOne(ctx, request, &due[i], m, r); err != nil {
			return err
		}
	}
	m.Leave(a.Object)
	return nil
}

// invokeOne asks a policy. An error is one of the server, not of a policy.
func (p *Mutating) invokeOne(ctx context.Context, request *view.Request, i *invocation, m *view.Memory[invocationKey], r *refusals) error {
	seen, err := request.As(i.as)
	if err != nil {
		r.add(i.hook, "", fmt.Errorf("failed to configure policy: %w", err), "")
		return nil
	}
	h := i.hook
	h.once.Do(func() { h.compiled = compileMutating(h.policy) })
	compiled := h.compiled.(*mutating)
	matched, err := compiled.Match(ctx, request.Values(seen, i.param))
	if err != nil {
		r.add(h, i.binding, err, metav1.StatusReasonInvalid)
		return nil
	}
	if !matched || request.Again && !m.Due(i.key) {
		return nil
	}
	changed := false
	for n := range compiled.mutations {
		if seen.Object == nil {
			continue
		}
		values := request.Values(seen, i.param)
		values.Object, values.OldObject = plainValue(seen.Object), plainValue(seen.Old)
		run := compiled.compiler.Run(ctx, values, celconfig.RuntimeCELCostBudget)
		result, err := run.Eval(compiled.mutations[n])
		var next runtime.Object
		if err == nil {
			next, err = p.mutate(seen, &compiled.spec.Mutations[n], result)
		}
		if err == nil {
			if gvk := next.GetObjectKind().GroupVersionKind(); gvk != seen.Kind {
				err = fmt.Errorf("the mutation made a %v of a %v", gvk, seen.Kind)
			}
		}
		if err == nil {
			err = p.World.Settle(next, seen.Version)
		}
		if err != nil {
			r.add(h, i.binding, err, metav1.StatusReasonInvalid)
			continue
		}
		next = view.Tagged(next, seen.Kind)
		if equality.Semantic.DeepEqual(seen.Object, next) {
			continue
		}
		changed = true
		if err := request.Take(seen, next); err != nil {
			return err
		}
	}
	if changed {
		m.Changed()
		request.AskAgain()
	}
	if h.policy.Spec.ReinvocationPolicy == v1.IfNeededReinvocationPolicy {
		m.Asked(i.key)
	}
	return nil
}

// plainValue is an object as expressions see it that make a patch of parts of
// it.
func plainValue(obj runtime.Object) ref.Val {
	if obj == nil {
		return nil
	}
	if u, ok := obj.(*unstructured.Unstructured); ok {
		return types.DefaultTypeAdapter.NativeToValue(u.Object)
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		return types.NewErr("object cannot be shown: %v", err)
	}
	return types.DefaultTypeAdapter.NativeToValue(content)
}

// refusals are what policies have against a write.
type refusals struct {
	attributes *admission.Attributes
	reason     metav1.StatusReason // of the first
	messages   []string
}

func (r *refusals) add(h *mutatingHook, binding string, err error, reason metav1.StatusReason) {
	if h.fails == v1.Ignore {
		return
	}
	message := fmt.Sprintf("policy %q denied request: %v", h.name, err)
	if binding != "" {
		message = fmt.Sprintf("policy '%s' with binding '%s' denied request: %v", h.name, binding, err)
	}
	if len(r.messages) == 0 {
		r.reason = reason
	}
	r.messages = append(r.messages, message)
}

func (r *refusals) err() error {
	if len(r.messages) == 0 {
		return nil
	}
	err := forbidden(r.attributes, errors.New("admission request denied by policy"))
	err.ErrStatus.Message = r.messages[0]
	if r.reason != "" {
		err.ErrStatus.Reason = r.reason
	}
	for _, message := range r.messages {
		err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{Message: message})
	}
	return err
}
