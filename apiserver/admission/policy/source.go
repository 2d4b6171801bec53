package policy

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	v1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/admission"
	"github.com/keelson-project/keelson/apiserver/admission/match"
	"github.com/keelson-project/keelson/apiserver/kinds"
)

// Source has the policies and bindings of one kind. Its functions return
// values that are shared and equal as long as nothing has changed.
type Source[P, B kinds.Object] struct {
	// Policies and Bindings are all there are; required. They are meant to be
	// made by registry.Derive of NewPolicies and NewBindings.
	Policies func(ctx context.Context) (*Policies[P], error)
	Bindings func(ctx context.Context) (*Bindings[B], error)

	hooks atomic.Pointer[hooks[P, B]]
}

// rule is a policy and what has been made of it.
type rule[P kinds.Object] struct {
	policy P
	about  *match.Resources
	params *v1.ParamKind
	fails  v1.FailurePolicyType

	once     sync.Once
	compiled any
}

// Policies are those of one kind, by name.
type Policies[P kinds.Object] struct{ byName map[string]*rule[P] }

// NewPolicies returns a function that makes Policies of all there are. It
// keeps what it has made of those that are still the same.
func NewPolicies[P kinds.Object](spec func(p P) Spec) func(all iter.Seq[P]) *Policies[P] {
	var last atomic.Pointer[Policies[P]]
	return func(all iter.Seq[P]) *Policies[P] {
		old, next := last.Load(), &Policies[P]{byName: map[string]*rule[P]{}}
		for p := range all {
			name := p.GetName()
			if old != nil {
				if r := old.byName[name]; r != nil && any(r.policy) == any(p) {
					next.byName[name] = r
					continue
				}
			}
			s := spec(p)
			r := &rule[P]{policy: p, params: s.ParamKind, fails: v1.Fail}
			if s.Match != nil {
				r.about = match.NewResources(s.Match)
			}
			if s.FailurePolicy != nil {
				r.fails = *s.FailurePolicy
			}
			next.byName[name] = r
		}
		last.Store(next)
		return next
	}
}

// Spec is what both kinds of policies say in the same way.
type Spec struct {
	Match         *v1.MatchResources
	ParamKind     *v1.ParamKind
	FailurePolicy *v1.FailurePolicyType
}

// ValidatingSpec and MutatingSpec are for NewPolicies.
func ValidatingSpec(p *v1.ValidatingAdmissionPolicy) Spec {
	return Spec{Match: p.Spec.MatchConstraints, ParamKind: p.Spec.ParamKind, FailurePolicy: p.Spec.FailurePolicy}
}

// MutatingSpec is ValidatingSpec for the other kind.
func MutatingSpec(p *v1.MutatingAdmissionPolicy) Spec {
	return Spec{Match: p.Spec.MatchConstraints, ParamKind: p.Spec.ParamKind, FailurePolicy: p.Spec.FailurePolicy}
}

// bound is a binding and what has been made of it.
type bound[B kinds.Object] struct {
	binding B
	name    string
	about   *match.Resources // nil for everything that the policy is about
	params  *v1.ParamRef
}

// Bindings are those of one kind, by the name of their policy.
type Bindings[B kinds.Object] struct{ byPolicy map[string][]*bound[B] }

// NewBindings makes Bindings of all there are.
func NewBindings[B kinds.Object](spec func(b B) BindingSpec) func(all iter.Seq[B]) *Bindings[B] {
	return func(all iter.Seq[B]) *Bindings[B] {
		made := &Bindings[B]{byPolicy: map[string][]*bound[B]{}}
		for b := range all {
			s := spec(b)
			entry := &bound[B]{binding: b, name: b.GetName(), params: s.ParamRef}
			if s.Match != nil {
				entry.about = match.NewResources(s.Match)
			}
			made.byPolicy[s.Policy] = append(made.byPolicy[s.Policy], entry)
		}
		return made
	}
}

// BindingSpec is what both kinds of bindings say in the same way.
type BindingSpec struct {
	Policy   string
	Match    *v1.MatchResources
	ParamRef *v1.ParamRef
}

// ValidatingBinding is for NewBindings.
func ValidatingBinding(b *v1.ValidatingAdmissionPolicyBinding) BindingSpec {
	return BindingSpec{Policy: b.Spec.PolicyName, Match: b.Spec.MatchResources, ParamRef: b.Spec.ParamRef}
}

// MutatingBinding is ValidatingBinding for the other kind.
func MutatingBinding(b *v1.MutatingAdmissionPolicyBinding) BindingSpec {
	return BindingSpec{Policy: b.Spec.PolicyName, Match: b.Spec.MatchResources, ParamRef: b.Spec.ParamRef}
}

// hooks are the policies that are bound, made of these two.
type hooks[P, B kinds.Object] struct {
	policies *Policies[P]
	bindings *Bindings[B]
	list     []hook[P, B]
}

type hook[P, B kinds.Object] struct {
	*rule[P]
	name     string
	bindings []*bound[B]
}

// bound returns the policies that have bindings, in order of their names.
func (s *Source[P, B]) bound(ctx context.Context) ([]hook[P, B], error) {
	policies, err := s.Policies(ctx)
	if err != nil {
		return nil, err
	}
	if len(policies.byName) == 0 {
		return nil, nil
	}
	bindings, err := s.Bindings(ctx)
	if err != nil {
		return nil, err
	}
	if h := s.hooks.Load(); h != nil && h.policies == policies && h.bindings == bindings {
		return h.list, nil
	}
	h := &hooks[P, B]{policies: policies, bindings: bindings}
	for name, bindings := range bindings.byPolicy {
		if r := policies.byName[name]; r != nil {
			h.list = append(h.list, hook[P, B]{rule: r, name: name, bindings: bindings})
		}
	}
	slices.SortFunc(h.list, func(a, b hook[P, B]) int { return cmp.Compare(a.name, b.name) })
	s.hooks.Store(h)
	return h.list, nil
}

// unasked reports whether no policy is asked about a resource: besides those
// that [match.Unasked] names the policies themselves, which could not be
// repaired otherwise.
func unasked(a *admission.Attributes) bool {
	if a.Resource.Group == v1.GroupName {
		switch a.Resource.Resource {
		case "validatingadmissionpolicies", "validatingadmissionpolicybindings", "mutatingadmissionpolicies", "mutatingadmissionpolicybindings":
			return true
		}
	}
	return match.Unasked(schema.GroupResource{Group: a.Resource.Group, Resource: a.Resource.Resource})
}
