package webhooks

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	admissionv1 "k8s.io/api/admission/v1"

	"github.com/keelson-project/keelson/apiserver/admission"
	"github.com/keelson-project/keelson/apiserver/admission/view"
)

// Validating is the admission step ValidatingAdmissionWebhook; all fields are
// required.
type Validating struct {
	World *view.World
	// Hooks are all there are. It is meant to be made by registry.Derive of
	// NewValidating.
	Hooks func(ctx context.Context) (*Hooks, error)

	last atomic.Pointer[Hooks] // that have been asked
}

// Name implements admission.Plugin.
func (*Validating) Name() string { return "ValidatingAdmissionWebhook" }

// Handles implements admission.Plugin.
func (*Validating) Handles(admission.Operation) bool { return true }

// CloseIdleConnections closes connections that are not in use.
func (p *Validating) CloseIdleConnections() { p.last.Load().close() }

// opinion is what comes of asking a webhook.
type opinion struct {
	*hook
	question *question
	answer   *admissionv1.AdmissionResponse
	err      error
}

// Validate implements admission.Validator. Of several refusals the first in
// the order of the webhooks is answered.
func (p *Validating) Validate(ctx context.Context, a *admission.Attributes) error {
	if unasked(a) {
		return nil
	}
	hooks, err := p.Hooks(ctx)
	if err != nil || len(hooks.list) == 0 {
		return err
	}
	p.last.Store(hooks)
	r := p.World.Of(a)
	var opinions []*opinion
	for _, h := range hooks.list {
		seen, err := h.due(ctx, r, p.World)
		if err != nil {
			return err
		}
		if seen == nil {
			continue
		}
		o := &opinion{hook: h}
		o.question, o.err = h.ask(r, seen)
		opinions = append(opinions, o)
	}
	if len(opinions) > 0 && ctx.Err() != nil {
		return late()
	}
	var wg sync.WaitGroup
	for _, o := range opinions {
		if o.err == nil {
			wg.Go(func() { o.answer, o.err = o.question.answer(ctx, false) })
		}
	}
	wg.Wait()
	var refusal error
	for i, o := range opinions {
		if o.err == nil {
			o.err = o.take(ctx, a, o.answer)
		}
		err := o.settle(ctx, a, o.err, fmt.Sprintf("failed-open.validating.webhook.admission.k8s.io/round_0_index_%d", i))
		if refusal == nil {
			refusal = err
		}
	}
	return refusal
}
