package match

import (
	"context"
	"errors"
	"fmt"
	"slices"

	v1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/admission"
)

// Version is a group and version that a written object can be seen in.
type Version struct {
	Resource schema.GroupVersionResource
	Kind     schema.GroupVersionKind
}

// World is what is to be known of the server besides the write.
type World struct {
	// Namespace returns a namespace or an API status error; required.
	Namespace func(ctx context.Context, name string) (*corev1.Namespace, error)
	// Equivalent returns the other groups and versions that the objects of a
	// resource or subresource are served in; required.
	Equivalent func(resource schema.GroupVersionResource, subresource string) []Version
}

// Selectors are those of namespaces and objects that a policy or webhook is
// about.
type Selectors struct {
	namespaces, objects labels.Selector
	err                 error
}

// NewSelectors reads selectors. One that is missing or wrong is reported when
// a write has to be judged by it.
func NewSelectors(namespaces, objects *metav1.LabelSelector) Selectors {
	var s Selectors
	read := func(what string, from *metav1.LabelSelector) labels.Selector {
		if from == nil {
			s.err = errors.Join(s.err, fmt.Errorf("a nil %s selector was passed, please ensure selectors are initialized properly", what))
			return labels.Nothing()
		}
		selector, err := metav1.LabelSelectorAsSelector(from)
		s.err = errors.Join(s.err, err)
		return selector
	}
	s.namespaces, s.objects = read("namespace", namespaces), read("object", objects)
	return s
}

// Match reports whether a write is in one of the namespaces, if it is in any,
// and to one of the objects, as it is or as it was.
func (s *Selectors) Match(ctx context.Context, a *admission.Attributes, w *World) (bool, error) {
	if s.err != nil {
		return false, s.err
	}
	if !s.objects.Empty() && !picks(s.objects, a.Object) && !picks(s.objects, a.OldObject) {
		return false, nil
	}
	if s.namespaces.Empty() || a.Namespace == "" && a.Resource.Resource != "namespaces" {
		return true, nil
	}
	set, err := namespaceLabels(ctx, a, w)
	if err != nil {
		return false, err
	}
	return s.namespaces.Matches(labels.Set(set)), nil
}

func picks(selector labels.Selector, obj runtime.Object) bool {
	if obj == nil {
		return false
	}
	m, err := meta.Accessor(obj)
	return err == nil && selector.Matches(labels.Set(m.GetLabels()))
}

// namespaceLabels are those of the namespace that is written to, or of the one
// that is itself written, as it is to be.
func namespaceLabels(ctx context.Context, a *admission.Attributes, w *World) (map[string]string, error) {
	if a.Resource.Resource == "namespaces" && a.Subresource == "" && (a.Operation == admission.Create || a.Operation == admission.Update) {
		m, err := meta.Accessor(a.Object)
		if err != nil {
			return nil, err
		}
		return m.GetLabels(), nil
	}
	namespace, err := w.Namespace(ctx, a.Namespace)
	if err != nil {
		return nil, err
	}
	return namespace.Labels, nil
}

// Resources are what a policy or a binding is about.
type Resources struct {
	selectors      Selectors
	rules, exclude []v1.NamedRuleWithOperations
	exact          bool
}

// NewResources reads them.
func NewResources(m *v1.MatchResources) *Resources {
	return &Resources{
		selectors: NewSelectors(m.NamespaceSelector, m.ObjectSelector), rules: m.ResourceRules, exclude: m.ExcludeResourceRules,
		exact: m.MatchPolicy == nil || *m.MatchPolicy == v1.Exact,
	}
}

// Match reports whether they include a write, and the group and version that
// it is to be seen in. Without rules they include every write that the
// selectors do.
func (r *Resources) Match(ctx context.Context, a *admission.Attributes, w *World) (Version, bool, error) {
	as, ok := Version{Resource: a.Resource, Kind: a.Kind}, true
	if len(r.rules) > 0 {
		as, ok = r.find(r.rules, a, w)
	}
	if !ok {
		return as, false, nil
	}
	if _, excluded := r.find(r.exclude, a, w); excluded {
		return as, false, nil
	}
	// Asked last, for a write that no rule names is none of the policy's
	// business even where a selector is wrong.
	ok, err := r.selectors.Match(ctx, a, w)
	return as, ok, err
}

// find looks for a rule that names the write in the version of the request, or
// else, if that is wanted, in another one.
func (r *Resources) find(rules []v1.NamedRuleWithOperations, a *admission.Attributes, w *World) (Version, bool) {
	named := func(as schema.GroupVersionResource) bool {
		return slices.ContainsFunc(rules, func(n v1.NamedRuleWithOperations) bool {
			return (len(n.ResourceNames) == 0 || slices.Contains(n.ResourceNames, a.Name)) && Rule(&n.RuleWithOperations, a, as)
		})
	}
	if named(a.Resource) {
		return Version{Resource: a.Resource, Kind: a.Kind}, true
	}
	if r.exact || len(rules) == 0 {
		return Version{}, false
	}
	for _, v := range w.Equivalent(a.Resource, a.Subresource) {
		if named(v.Resource) {
			return v, true
		}
	}
	return Version{}, false
}
