package webhooks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	v1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/admission"
	"github.com/keelson-project/keelson/apiserver/admission/expression"
	"github.com/keelson-project/keelson/apiserver/admission/match"
	"github.com/keelson-project/keelson/apiserver/admission/view"
	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/webhook"
)

// defaultTimeout is for a webhook that says nothing.
const defaultTimeout = 10 * time.Second

// Hooks are the webhooks of one kind, in the order in which they are asked.
type Hooks struct {
	list []*hook
	made map[string]*made // by configuration
}

// made is what has been made of a configuration.
type made struct {
	from  kinds.Object
	hooks []*hook
}

// hook is one webhook. A validating one is seen as a mutating one that changes
// nothing, for it has all the fields of the other but one.
type hook struct {
	v1.MutatingWebhook
	configuration string
	key           string // unique among those of one kind
	selectors     match.Selectors
	conditions    func() *expression.Conditions // compiled when first needed
	client        *webhook.Client
	unreachable   error // why there is no client
}

// NewMutating returns a function that makes Hooks of all configurations. It
// keeps what it has made of those that are still the same.
func NewMutating(resolve webhook.Resolver) func(all iter.Seq[*v1.MutatingWebhookConfiguration]) *Hooks {
	return maker(resolve, func(c *v1.MutatingWebhookConfiguration) []v1.MutatingWebhook { return c.Webhooks })
}

// NewValidating is NewMutating for the other kind.
func NewValidating(resolve webhook.Resolver) func(all iter.Seq[*v1.ValidatingWebhookConfiguration]) *Hooks {
	return maker(resolve, func(c *v1.ValidatingWebhookConfiguration) (out []v1.MutatingWebhook) {
		for i := range c.Webhooks {
			w := &c.Webhooks[i]
			out = append(out, v1.MutatingWebhook{
				Name: w.Name, ClientConfig: w.ClientConfig, Rules: w.Rules, FailurePolicy: w.FailurePolicy, MatchPolicy: w.MatchPolicy,
				NamespaceSelector: w.NamespaceSelector, ObjectSelector: w.ObjectSelector, SideEffects: w.SideEffects,
				TimeoutSeconds: w.TimeoutSeconds, AdmissionReviewVersions: w.AdmissionReviewVersions, MatchConditions: w.MatchConditions,
			})
		}
		return out
	})
}

func maker[C kinds.Object](resolve webhook.Resolver, webhooks func(c C) []v1.MutatingWebhook) func(all iter.Seq[C]) *Hooks {
	var last atomic.Pointer[Hooks]
	return func(all iter.Seq[C]) *Hooks {
		next := &Hooks{made: map[string]*made{}}
		old := last.Swap(next)
		for c := range all {
			name := c.GetName()
			if old != nil && old.made[name] != nil && old.made[name].from == kinds.Object(c) {
				next.made[name] = old.made[name]
				continue
			}
			m := &made{from: c}
			for i, w := range webhooks(c) {
				m.hooks = append(m.hooks, newHook(name, i, w, resolve))
			}
			next.made[name] = m
		}
		for _, m := range next.made {
			next.list = append(next.list, m.hooks...)
		}
		slices.SortStableFunc(next.list, func(a, b *hook) int { return cmp.Compare(a.configuration, b.configuration) })
		if old != nil {
			for name, m := range old.made {
				if next.made[name] != m {
					m.close()
				}
			}
		}
		return next
	}
}

func newHook(configuration string, n int, w v1.MutatingWebhook, resolve webhook.Resolver) *hook {
	h := &hook{
		MutatingWebhook: w, configuration: configuration, key: fmt.Sprintf("%s/%d", configuration, n),
		selectors: match.NewSelectors(w.NamespaceSelector, w.ObjectSelector),
		conditions: sync.OnceValue(func() *expression.Conditions {
			return expression.NewCompiler(expression.Config{}).Conditions(w.MatchConditions)
		}),
	}
	wait := defaultTimeout
	if w.TimeoutSeconds != nil {
		wait = time.Duration(*w.TimeoutSeconds) * time.Second
	}
	t := webhook.Target{CABundle: w.ClientConfig.CABundle}
	switch s := w.ClientConfig.Service; {
	case s != nil:
		t.Namespace, t.Name = s.Namespace, s.Name
		if s.Port != nil {
			t.Port = *s.Port
		}
		if s.Path != nil {
			t.Path = *s.Path
		}
	case w.ClientConfig.URL != nil:
		t.URL = *w.ClientConfig.URL
	default:
		h.unreachable = errors.New("the webhook's address is missing")
		return h
	}
	h.client, h.unreachable = webhook.Open(t, resolve, wait)
	return h
}

func (m *made) close() {
	for _, h := range m.hooks {
		if h.client != nil {
			h.client.Close()
		}
	}
}

// close closes the connections to all of them that are not in use.
func (h *Hooks) close() {
	if h == nil {
		return
	}
	for _, m := range h.made {
		m.close()
	}
}

// about finds the version in which a webhook is to see a write, by the first
// rule that names it.
func (h *hook) about(a *admission.Attributes, w *match.World) (match.Version, bool) {
	for i := range h.Rules {
		if match.Rule(&h.Rules[i], a, a.Resource) {
			return match.Version{Resource: a.Resource, Kind: a.Kind}, true
		}
	}
	if h.MatchPolicy == nil || *h.MatchPolicy != v1.Equivalent {
		return match.Version{}, false
	}
	others := w.Equivalent(a.Resource, a.Subresource)
	for i := range h.Rules {
		for _, other := range others {
			if match.Rule(&h.Rules[i], a, other.Resource) {
				return other, true
			}
		}
	}
	return match.Version{}, false
}

// due returns the write as a webhook is to see it; nil if it is not asked. An
// error refuses the write.
func (h *hook) due(ctx context.Context, r *view.Request, w *view.World) (*view.View, error) {
	as, ok := h.about(r.Attributes, &w.World)
	if !ok {
		return nil, nil
	}
	ok, err := h.selectors.Match(ctx, r.Attributes, &w.World)
	if _, known := err.(apierrors.APIStatus); err != nil && !known {
		return nil, apierrors.NewInternalError(err)
	}
	if err != nil || !ok {
		return nil, err
	}
	seen, err := r.As(as)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	if len(h.MatchConditions) == 0 {
		return seen, nil
	}
	ok, err = h.conditions().Match(ctx, r.Values(seen, nil))
	if err != nil && !h.ignored() {
		return nil, apierrors.NewForbidden(r.Resource.GroupResource(), r.Name, err)
	}
	if err != nil || !ok {
		return nil, nil
	}
	return seen, nil
}

// ignored reports whether the write goes on when the webhook cannot be asked.
func (h *hook) ignored() bool { return h.FailurePolicy != nil && *h.FailurePolicy == v1.Ignore }

// unasked reports whether no webhook is asked about a resource: besides those
// that [match.Unasked] names whatever says who is asked, which could not be
// repaired otherwise.
func unasked(a *admission.Attributes) bool {
	if a.Resource.Group == v1.GroupName {
		return true
	}
	return match.Unasked(schema.GroupResource{Group: a.Resource.Group, Resource: a.Resource.Resource})
}
