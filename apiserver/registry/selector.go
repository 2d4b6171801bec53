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
	// shown, if set, shows the items that labels and fields are looked up in.
	shown *Resource
}

// Select checks the selectors of a list in a namespace; empty is all.
func (r *Resource) Select(namespace string, l labels.Selector, f fields.Selector) (*Selector, error) {
	s := &Selector{namespace: namespace}
	if r.own() {
		s.shown = r
	}
	if l != nil && !l.Empty() {
		s.labels = l
	}
	if f == nil || f.Empty() {
		return s, nil
	}
	f, err := f.Transform(func(name, value string) (string, string, error) {
		meant, ok := r.fieldOf(name)
		if !ok {
			return "", "", apierrors.NewBadRequest(r.unknownField(name))
		}
		return meant, value, nil
	})
	if err != nil {
		return nil, err
	}
	exact, named := true, 0
	for _, req := range f.Requirements() {
		switch {
		case req.Field == "metadata.name":
			named++
		case req.Field != "metadata.namespace" || !r.Kind.Namespaced:
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

// fieldOf is the field that a selector means by a name.
func (r *Resource) fieldOf(name string) (field string, ok bool) {
	k := r.Kind
	switch name {
	case "metadata.name":
		return name, true
	case "metadata.namespace":
		return name, !k.NoNamespaceField && (k.Namespaced || len(k.FieldNames) == 0 && !r.IsUnstructured())
	}
	if r.view != nil && r.view.FieldNames != nil {
		field, ok = r.view.FieldNames[name]
		return field, ok
	}
	if field, ok = k.FieldAliases[name]; ok {
		return field, true
	}
	return name, slices.Contains(k.FieldNames, name)
}

// unknownField words the refusal of a selector that names such a field.
func (r *Resource) unknownField(name string) string {
	switch {
	case r.Kind.UnknownField != nil:
		return r.Kind.UnknownField(name)
	case len(r.Kind.FieldNames) == 0 && !r.IsUnstructured():
		return fmt.Sprintf("%q is not a known field selector: only \"metadata.name\", \"metadata.namespace\"", name)
	}
	return "field label not supported: " + name
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
	if s.shown != nil && (s.labels != nil || s.fields != nil) {
		var err error
		if it, err = s.shown.show(it); err != nil {
			return false // whoever shows it without a selector gets the error
		}
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
