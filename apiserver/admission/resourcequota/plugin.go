// Package resourcequota refuses what would take more of a namespace than its
// resource quotas allow.
//
// What a write uses is added to the status of each quota that covers it before
// the write happens, by compare-and-swap, so that writers at the same time, also
// of other servers on the same store, never get more together than there is.
// Writers of one namespace are decided on together: one of them does the work
// for all that have come meanwhile, and each quota is written once for all.
// Giving back what is deleted is a controller's work.
package resourcequota

import (
	"context"
	"iter"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/keelson-project/keelson/apiserver/admission"
	"github.com/keelson-project/keelson/internal/quota"
)

// patience is how long deciding about writes may take.
const patience = 10 * time.Second

// Config is what New needs; all of it is required.
type Config struct {
	// Meter measures objects.
	Meter *quota.Meter
	// Quotas returns the quotas of a namespace, and Newest one of them as the
	// store has it, or an API status error.
	Quotas func(ctx context.Context, namespace string) (iter.Seq[*corev1.ResourceQuota], error)
	Newest func(ctx context.Context, namespace, name string) (*corev1.ResourceQuota, error)
	// Reserve writes status.used of a quota, unless it has changed since it was
	// read, which is a Conflict.
	Reserve func(ctx context.Context, q *corev1.ResourceQuota, used corev1.ResourceList) error
}

// Plugin is the admission plugin ResourceQuota. Make one with New.
type Plugin struct {
	Config

	mu sync.Mutex
	// lines are the namespaces in which somebody is deciding, with those who
	// wait for the next turn.
	lines map[string]*line
}

type line struct{ waiting []*ticket }

// ticket is one write that is to be decided on.
type ticket struct {
	a         *admission.Attributes
	evaluator quota.Evaluator
	// turn receives a batch for this ticket's goroutine to decide on, itself
	// among it; done is closed when err says what has been decided.
	turn chan []*ticket
	done chan struct{}
	err  error
}

// New makes the plugin.
func New(c Config) *Plugin { return &Plugin{Config: c, lines: map[string]*line{}} }

// Name implements admission.Plugin.
func (*Plugin) Name() string { return "ResourceQuota" }

// Handles implements admission.Plugin.
func (*Plugin) Handles(op admission.Operation) bool {
	return op == admission.Create || op == admission.Update
}

// Validate implements admission.Validator.
func (p *Plugin) Validate(ctx context.Context, a *admission.Attributes) error {
	if a.Namespace == "" || a.Is("", "namespaces", a.Subresource) {
		return nil
	}
	e := p.Meter.Of(ctx, a.Resource.GroupResource())
	switch {
	case e == nil:
		return nil
	case a.Operation == admission.Create:
		if a.Subresource != "" {
			return nil
		}
	case !e.Changes(a.Subresource, a.Object, a.OldObject):
		return nil
	}
	quotas, err := p.Quotas(ctx, a.Namespace)
	if err != nil {
		return err
	}
	for range quotas {
		return p.wait(ctx, a, e)
	}
	return nil
}

// wait gets in line and returns what has been decided.
func (p *Plugin) wait(ctx context.Context, a *admission.Attributes, e quota.Evaluator) error {
	t := &ticket{a: a, evaluator: e, turn: make(chan []*ticket, 1), done: make(chan struct{})}
	if p.first(t) {
		p.serve(ctx, []*ticket{t})
		return t.err
	}
	select {
	case batch := <-t.turn:
		p.serve(ctx, batch)
	case <-t.done:
	case <-ctx.Done():
		if p.leave(t) {
			return apierrors.NewTimeoutError("request did not complete within the allotted timeout", 0)
		}
		// It is being decided on already, or is to decide itself.
		select {
		case batch := <-t.turn:
			p.serve(ctx, batch)
		case <-t.done:
		}
	}
	return t.err
}

// first puts a ticket in line, and reports whether it is alone there.
func (p *Plugin) first(t *ticket) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.lines[t.a.Namespace]
	if l == nil {
		p.lines[t.a.Namespace] = &line{}
		return true
	}
	l.waiting = append(l.waiting, t)
	return false
}

// leave takes a ticket out of the line, if it still waits there.
func (p *Plugin) leave(t *ticket) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.lines[t.a.Namespace]
	if l == nil {
		return false
	}
	for i, w := range l.waiting {
		if w == t {
			l.waiting = append(l.waiting[:i:i], l.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// serve decides on a batch and gives the turn to the next.
func (p *Plugin) serve(ctx context.Context, batch []*ticket) {
	// What is decided is decided for others too, who do not care whether the
	// client of this request is still there.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	namespace := batch[0].a.Namespace
	p.decide(ctx, namespace, batch)
	for _, t := range batch {
		close(t.done)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.lines[namespace]
	if len(l.waiting) == 0 {
		delete(p.lines, namespace)
		return
	}
	next := l.waiting
	l.waiting = nil
	next[0].turn <- next
}
