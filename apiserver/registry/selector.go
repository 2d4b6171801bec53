package registry

import (
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/keelson-project/keelson/apiserver/cache"
)

// Selector is what a list or watch picks.
type Selector struct {
	namespace, name string // exact, if set
	index           string // exact value of the indexed field, if set
	labels          labels.Selector
	fields          fields.Selector
}

// Select checks the selectors of a list in a namespace; empty is all.
func (r *Resource) Select(namespace string, l labels.Selector, f fields.Selector) (*Selector, error) {
	s := &Selector{namespace: namespace}
	if l != nil && !l.Empty() {
		s.labels = l
	}
	if f == nil || f.Empty() {
		return s, nil
	}
	exact, named := true, 0
	for _, req := range f.Requirements() {
		if !r.selectableField(req.Field) {
			if len(r.Kind.FieldNames) == 0 {
				return nil, apierrors.NewBadRequest(fmt.Sprintf("%q is not a known field selector: only \"metadata.name\", \"metadata.namespace\"", req.Field))
			}
			return nil, apierrors.NewBadRequest("field label not supported: " + req.Field)
		}
		switch {
		case req.Field == "metadata.name":
			named++
		case req.Field != "metadata.namespace":
			exact = false
		}
	}
	if name, ok := f.RequiresExactMatch("metadata.name"); ok {
		s.name = name
	} else {
		exact = false
	}
	if ns, ok := f.RequiresExactMatch("metadata.namespace"); ok && r.Kind.Namespaced {
		if s.namespace == "" {
			s.namespace = ns
		} else if s.namespace != ns {
			exact = false
		}
	}
	if !exact || named > 1 || len(f.Requirements()) > 2 {
		s.fields = f
	}
	if r.hub.Index != "" {
		s.index, _ = f.RequiresExactMatch(r.hub.Index)
	}
	return s, nil
}

func (r *Resource) selectableField(name string) bool {
	switch name {
	case "metadata.name":
		return true
	case "metadata.namespace":
		return !r.Kind.NoNamespaceField && (r.Kind.Namespaced || len(r.Kind.FieldNames) == 0)
	}
	return slices.Contains(r.Kind.FieldNames, name)
}

// Everything reports whether nothing but the namespace is selected by.
func (s *Selector) Everything() bool { return s.labels == nil && s.fields == nil && s.name == "" }

// Matches reports whether the selectors pick an object of the namespace.
func (s *Selector) Matches(it *cache.Item) bool {
	if s.namespace != "" && it.Object.GetNamespace() != s.namespace {
		return false
	}
	if s.name != "" && it.Object.GetName() != s.name {
		return false
	}
	if s.labels != nil && !s.labels.Matches(it.Labels()) {
		return false
	}
	return s.fields == nil || s.fields.Matches(it.Fields())
}

// interest is what a watcher with this selector is woken for.
func (s *Selector) interest(namespaced bool) cache.Interest {
	i := cache.Interest{Namespace: s.namespace, Index: s.index}
	if s.name != "" && (s.namespace != "" || !namespaced) {
		i.Name = s.name
	}
	return i
}
