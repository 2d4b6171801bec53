package quota

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
)

// An Evaluator measures the objects of one resource. It does not change them.
type Evaluator interface {
	// Measures reports whether a name in a quota is about these objects.
	Measures(name corev1.ResourceName) bool
	// InScope reports whether an object is in a scope. What is in no scope of
	// a kind at all is in none.
	InScope(obj runtime.Object, scope corev1.ScopedResourceSelectorRequirement) (bool, error)
	// Demand says what an object must name itself because a quota limits these
	// names.
	Demand(obj runtime.Object, names []corev1.ResourceName) error
	// Changes reports whether an update, of a subresource if that is not
	// empty, may change the usage.
	Changes(subresource string, obj, old runtime.Object) bool
	// Usage is what an object uses.
	Usage(obj runtime.Object) corev1.ResourceList
}

// Matches reports whether a quota covers an object: it limits something that
// is measured, and the object is in all of its scopes.
func Matches(e Evaluator, q *corev1.ResourceQuota, obj runtime.Object) (bool, error) {
	measured := false
	for name := range q.Status.Hard {
		measured = measured || e.Measures(name)
	}
	if !measured {
		return false, nil
	}
	for _, s := range Scopes(q) {
		in, err := e.InScope(obj, s)
		if err != nil {
			return false, fmt.Errorf("scope %s of quota %s: %w", s.ScopeName, q.Name, err)
		}
		if !in {
			return false, nil
		}
	}
	return true, nil
}

// Scopes are all scopes of a quota.
func Scopes(q *corev1.ResourceQuota) []corev1.ScopedResourceSelectorRequirement {
	var out []corev1.ScopedResourceSelectorRequirement
	for _, name := range q.Spec.Scopes {
		out = append(out, corev1.ScopedResourceSelectorRequirement{ScopeName: name, Operator: corev1.ScopeSelectorOpExists})
	}
	if s := q.Spec.ScopeSelector; s != nil {
		out = append(out, s.MatchExpressions...)
	}
	return out
}

// selects reports whether a scope with an operator picks a value of its own;
// "" is none.
func selects(s corev1.ScopedResourceSelectorRequirement, value string) (bool, error) {
	op, ok := map[corev1.ScopeSelectorOperator]selection.Operator{
		corev1.ScopeSelectorOpIn: selection.In, corev1.ScopeSelectorOpNotIn: selection.NotIn,
		corev1.ScopeSelectorOpExists: selection.Exists, corev1.ScopeSelectorOpDoesNotExist: selection.DoesNotExist,
	}[s.Operator]
	if !ok {
		return false, fmt.Errorf("%q is not a valid scope selector operator", s.Operator)
	}
	r, err := labels.NewRequirement(string(s.ScopeName), op, s.Values)
	if err != nil {
		return false, err
	}
	set := labels.Set{}
	if value != "" {
		set[string(s.ScopeName)] = value
	}
	return r.Matches(set), nil
}

// CountName is how a quota calls the number of objects of a resource.
func CountName(r schema.GroupResource) corev1.ResourceName {
	return corev1.ResourceName("count/" + r.String())
}

// count counts objects, whatever they are.
type count struct {
	name corev1.ResourceName
	// alias is a name from before CountName; empty for none.
	alias corev1.ResourceName
}

// Measures implements Evaluator.
func (c count) Measures(name corev1.ResourceName) bool {
	return name == c.name || c.alias != "" && name == c.alias
}

// InScope implements Evaluator.
func (count) InScope(runtime.Object, corev1.ScopedResourceSelectorRequirement) (bool, error) {
	return false, nil
}

// Demand implements Evaluator.
func (count) Demand(runtime.Object, []corev1.ResourceName) error { return nil }

// Changes implements Evaluator.
func (count) Changes(string, runtime.Object, runtime.Object) bool { return false }

// Usage implements Evaluator.
func (c count) Usage(runtime.Object) corev1.ResourceList {
	list := corev1.ResourceList{c.name: one()}
	if c.alias != "" {
		list[c.alias] = one()
	}
	return list
}
