package webhooks

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"sync/atomic"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	admissionv1 "k8s.io/api/admission/v1"
	v1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	kjson "sigs.k8s.io/json"

	"github.com/keelson-project/keelson/apiserver/admission"
	"github.com/keelson-project/keelson/apiserver/admission/view"
)

// Mutating is the admission step MutatingAdmissionWebhook; all fields are
// required.
type Mutating struct {
	World *view.World
	// Hooks are all there are. It is meant to be made by registry.Derive of
	// NewMutating.
	Hooks func(ctx context.Context) (*Hooks, error)

	last atomic.Pointer[Hooks] // that have been asked
}

// Name implements admission.Plugin.
func (*Mutating) Name() string { return "MutatingAdmissionWebhook" }

// Handles implements admission.Plugin.
func (*Mutating) Handles(admission.Operation) bool { return true }

// CloseIdleConnections closes connections that are not in use.
func (p *Mutating) CloseIdleConnections() { p.last.Load().close() }

// Admit implements admission.Mutator.
func (p *Mutating) Admit(ctx context.Context, a *admission.Attributes) error {
	if unasked(a) {
		return nil
	}
	hooks, err := p.Hooks(ctx)
	if err != nil || len(hooks.list) == 0 {
		return err
	}
	p.last.Store(hooks)
	r := p.World.Of(a)
	var m *view.Memory[string]
	for i, h := range hooks.list {
		seen, err := h.due(ctx, r, p.World)
		if err != nil {
			return err
		}
		if seen == nil {
			continue
		}
		if m == nil {
			m = view.Remember[string](a, p.Name())
		}
		if a.Again && !m.Due(h.key) {
			continue
		}
		round := 0
		if a.Again {
			round = 1
		}
		at := fmt.Sprintf("mutation.webhook.admission.k8s.io/round_%d_index_%d", round, i)
		changed, err := p.call(ctx, r, seen, h, round, i)
		a.Annotate(at, note{Configuration: h.configuration, Webhook: h.Name, Mutated: &changed}.String())
		if changed {
			m.Changed()
			a.AskAgain()
		}
		if h.ReinvocationPolicy != nil && *h.ReinvocationPolicy == v1.IfNeededReinvocationPolicy {
			m.Asked(h.key)
		}
		if err := h.settle(ctx, a, err, "failed-open."+at); err != nil {
			return err
		}
	}
	if m != nil {
		m.Leave(a.Object)
	}
	return nil
}

// note is what the audit shows of a call.
type note struct {
	Configuration string                 `json:"configuration"`
	Webhook       string                 `json:"webhook"`
	Mutated       *bool                  `json:"mutated,omitempty"`
	Patch         jsonpatch.Patch        `json:"patch,omitempty"`
	PatchType     *admissionv1.PatchType `json:"patchType,omitempty"`
}

// String is the note in JSON.
func (n note) String() string {
	text, err := json.Marshal(n)
	if err != nil { // the patch has been read from JSON
		return err.Error()
	}
	return string(text)
}

// call asks a webhook and reports whether it has changed the object.
func (p *Mutating) call(ctx context.Context, r *view.Request, seen *view.View, h *hook, round, i int) (bool, error) {
	q, err := h.ask(r, seen)
	if err != nil {
		return false, err
	}
	answer, err := q.answer(ctx, true)
	if err != nil {
		return false, err
	}
	if err := h.take(ctx, r.Attributes, answer); err != nil || len(answer.Patch) == 0 {
		return false, err
	}
	patch, err := jsonpatch.DecodePatch(answer.Patch)
	if err != nil {
		return false, h.failed("received undecodable patch in webhook response: %w", err)
	}
	switch {
	case len(patch) == 0:
		return false, nil
	case seen.Object == nil:
		return false, apierrors.NewInternalError(fmt.Errorf("admission webhook %q attempted to modify the object, which is not supported for this operation", h.Name))
	case *answer.PatchType != admissionv1.PatchTypeJSONPatch:
		return false, h.failed("unsupported patch type %q", *answer.PatchType)
	}
	next, err := apply(patch, seen.Object)
	if err != nil {
		return false, apierrors.NewInternalError(err)
	}
	r.Annotate(fmt.Sprintf("patch.webhook.admission.k8s.io/round_%d_index_%d", round, i),
		note{Configuration: h.configuration, Webhook: h.Name, Patch: patch, PatchType: answer.PatchType}.String())
	next = view.Tagged(next, seen.Kind)
	changed := !equality.Semantic.DeepEqual(seen.Object, next)
	if err := p.World.Settle(next, seen.Version); err != nil {
		return false, apierrors.NewInternalError(err)
	}
	if !changed && equality.Semantic.DeepEqual(seen.Object, next) {
		return false, nil
	}
	if err := r.Take(seen, next); err != nil {
		return changed, apierrors.NewInternalError(err)
	}
	return changed, nil
}

// apply returns what a patch makes of an object, which is kept.
func apply(patch jsonpatch.Patch, obj runtime.Object) (runtime.Object, error) {
	before, err := json.Marshal(obj)
	if err != nil {
		return nil, err
	}
	after, err := patch.Apply(before)
	if err != nil {
		return nil, err
	}
	if _, ok := obj.(*unstructured.Unstructured); ok {
		next := &unstructured.Unstructured{}
		return next, next.UnmarshalJSON(after)
	}
	next := reflect.New(reflect.TypeOf(obj).Elem()).Interface().(runtime.Object)
	return next, kjson.UnmarshalCaseSensitivePreserveInts(after, next)
}
