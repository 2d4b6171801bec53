package crd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// definition is what one CustomResourceDefinition makes the server serve. It is
// made anew when the definition's spec or accepted names change.
type definition struct {
	crd      *v1.CustomResourceDefinition // shared; not changed
	gk       schema.GroupKind
	versions map[string]*served // also those that are stored but not served
	storage  *served
	convert  converter
	types    *typeConverter
	metadata func() map[string]*spec.Schema // that schemas refer to; shared
	kind     *kinds.Kind
	// terminating forbids new objects.
	terminating atomic.Bool
}

// define makes what a definition whose names are accepted serves.
func define(crd *v1.CustomResourceDefinition, metadata func() map[string]*spec.Schema, hooks webhooks) (*definition, error) {
	names := crd.Status.AcceptedNames
	d := &definition{crd: crd, gk: schema.GroupKind{Group: crd.Spec.Group, Kind: names.Kind}, versions: map[string]*served{}}
	d.metadata, d.types = metadata, &typeConverter{of: d}
	for i := range crd.Spec.Versions {
		v := &crd.Spec.Versions[i]
		s := newServed(d, v)
		d.versions[v.Name] = s
		if v.Storage {
			d.storage = s
		}
	}
	if d.storage == nil || names.Plural == "" || names.Kind == "" || names.ListKind == "" {
		return nil, fmt.Errorf("definition %s names no storage version, or has no accepted names", crd.Name)
	}
	var err error
	if d.convert, err = newConverter(d, hooks); err != nil {
		return nil, err
	}
	d.kind = &kinds.Kind{
		GroupVersionKind: d.storage.gvk, Names: d.names(), Namespaced: d.namespaced(), StorageKey: d.storageKey(), StoredOnly: true,
		New: d.storage.new, NewList: d.storage.newList, ValidName: validation.NameIsDNSSubdomain,
		Encode: d.encode, Decode: d.decode, TypeConverter: d.types, Between: d.between,
	}
	for i := range crd.Spec.Versions {
		if v := &crd.Spec.Versions[i]; v.Served {
			d.kind.Views = append(d.kind.Views, d.versions[v.Name].view())
		}
	}
	return d, nil
}

// close lets go of what conversion holds.
func (d *definition) close() {
	if h, ok := d.convert.(*hook); ok {
		h.client.Close()
	}
}

// isOf reports whether d is what a definition makes the server serve now.
func (d *definition) isOf(crd *v1.CustomResourceDefinition) bool {
	return d.crd.UID == crd.UID && d.crd.Generation == crd.Generation &&
		equality.Semantic.DeepEqual(d.crd.Status.AcceptedNames, crd.Status.AcceptedNames)
}

func (d *definition) namespaced() bool { return d.crd.Spec.Scope == v1.NamespaceScoped }

func (d *definition) storageKey() string {
	return d.crd.Spec.Group + "/" + d.crd.Status.AcceptedNames.Plural
}

func (d *definition) names() kinds.Names {
	n := d.crd.Status.AcceptedNames
	return kinds.Names{Resource: n.Plural, Singular: n.Singular, ShortNames: n.ShortNames, Categories: n.Categories}
}

// own is what a version has of its own.
func (s *served) own() *kinds.Kind {
	d := s.of
	k := &kinds.Kind{
		GroupVersionKind: s.gvk, Names: d.names(), Namespaced: d.namespaced(), StorageKey: d.storageKey(),
		New: s.new, NewList: s.newList, ValidName: validation.NameIsDNSSubdomain, AnyFinalizer: true, TypeConverter: d.types,
		Receive: s.receive, Default: s.setDefaults,
		PrepareCreate: s.prepareCreate, Validate: s.validate, PrepareUpdate: s.prepareUpdate, ValidateUpdate: s.validateUpdate,
		Warnings: warnings, Deprecated: s.deprecated(), Begin: d.begin, Verbs: d.verbs,
		Fields: s.fields, FieldNames: s.fieldNames(),
	}
	k.Columns, k.Cells = s.columns()
	if s.hasStatus() {
		k.Status = &kinds.Status{PrepareUpdate: prepareStatus, ValidateUpdate: s.validateStatus}
		k.Resets = map[string][]string{"status": {"metadata"}}
	}
	k.Scale = s.scale()
	return k
}

func (s *served) view() kinds.View {
	return kinds.View{
		GroupVersionKind: s.gvk, Names: s.of.names(), New: s.new, NewList: s.newList, Own: s.own(),
		ToStored:   func(obj kinds.Object) (kinds.Object, error) { return s.of.in(s.of.storage, obj) },
		FromStored: func(obj kinds.Object) (kinds.Object, error) { return s.of.in(s, obj) },
	}
}

func (s *served) new() kinds.Object {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(s.gvk)
	return u
}

func (s *served) newList() runtime.Object {
	l := &unstructured.UnstructuredList{Object: map[string]any{}}
	l.SetGroupVersionKind(s.gvk.GroupVersion().WithKind(s.of.crd.Status.AcceptedNames.ListKind))
	return l
}

// deprecated is what is said to those who use the version; empty for nothing.
func (s *served) deprecated() string {
	if !s.spec.Deprecated {
		return ""
	}
	if s.spec.DeprecationWarning != nil {
		return *s.spec.DeprecationWarning
	}
	spec := &s.of.crd.Spec
	text := fmt.Sprintf("%s/%s %s is deprecated", spec.Group, s.spec.Name, spec.Names.Kind)
	var better []string
	for _, v := range spec.Versions {
		if v.Served && !v.Deprecated && version.CompareKubeAwareVersionStrings(s.spec.Name, v.Name) < 0 {
			better = append(better, v.Name)
		}
	}
	if len(better) == 0 {
		return text
	}
	best := slices.MaxFunc(better, version.CompareKubeAwareVersionStrings)
	return text + fmt.Sprintf("; use %s/%s %s", spec.Group, best, spec.Names.Kind)
}

// begin refuses new objects of a definition that is going.
func (d *definition) begin(_ context.Context, obj, old kinds.Object, _ kinds.DryRun) (func(kinds.Stored), error) {
	if old != nil || !d.terminating.Load() {
		return nil, nil
	}
	gr := schema.GroupResource{Group: d.crd.Spec.Group, Resource: d.crd.Status.AcceptedNames.Plural}
	return nil, apierrors.NewForbidden(gr, obj.GetName(), errors.New("create not allowed while custom resource definition is terminating"))
}

// verbs are those that discovery tells of, in the order it does.
func (d *definition) verbs() []string {
	if d.terminating.Load() {
		return []string{"delete", "deletecollection", "get", "list", "watch"}
	}
	return []string{"delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"}
}

// fieldPath splits a path of names with dots before them.
func fieldPath(path string) []string { return strings.Split(strings.TrimPrefix(path, "."), ".") }
