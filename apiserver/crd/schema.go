package crd

import (
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"

	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/kube-openapi/pkg/util"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/structured-merge-diff/v6/typed"

	"github.com/keelson-project/keelson/apiserver/openapi"
)

const extensionGVK = "x-kubernetes-group-version-kind"

// custom describes the version, or its list, in OpenAPI documents.
func (s *served) custom(gvk schema.GroupVersionKind) *openapi.Custom {
	key := s.key()
	switch gvk.Kind {
	case s.gvk.Kind:
		return &openapi.Custom{Key: key, Schema: func(f openapi.Format) *spec.Schema { return s.object(f, withSelectable) }}
	case s.of.crd.Status.AcceptedNames.ListKind:
		return &openapi.Custom{Key: key, Schema: s.list}
	}
	return nil
}

// fingerprint names what the documents say of the version.
func (s *served) fingerprint() string {
	data, err := json.Marshal([]any{s.spec, s.of.crd.Spec.PreserveUnknownFields, s.of.crd.Status.AcceptedNames})
	if err != nil {
		return string(s.of.crd.UID) + "/" + s.of.crd.ResourceVersion
	}
	return fmt.Sprintf("%X", sha512.Sum512(data))
}

// published says whether a schema tells of selectable fields.
type published bool

const withSelectable published = true

// object is the schema of an object. One of version 2 leaves out what clients
// of that cannot cope with.
func (s *served) object(f openapi.Format, p published) *spec.Schema {
	shape := s.publishable()
	out := &spec.Schema{SchemaProps: spec.SchemaProps{Type: spec.StringOrArray{"object"}}}
	if shape != nil && (f == openapi.V3 || !shape.XPreserveUnknownFields && !s.of.crd.Spec.PreserveUnknownFields) {
		shape = shape.Unfold()
		if f == openapi.V2 {
			shape = simplified(shape)
		}
		out = shape.ToKubeOpenAPI()
		out.SetProperty("metadata", *metadata(f, "ObjectMeta", metav1.PartialObjectMetadata{}.SwaggerDoc()["metadata"]))
		typeMeta(out)
		embedded(out, f)
	}
	out.AddExtension(extensionGVK, []any{map[string]any{"group": s.gvk.Group, "version": s.gvk.Version, "kind": s.gvk.Kind}})
	if p {
		s.addSelectable(out)
	}
	return out
}

// publishable is the schema, if there is one that can be told of.
func (s *served) publishable() *structuralschema.Structural {
	props, err := s.props()
	if err != nil || props == nil {
		return nil
	}
	shape, err := structuralschema.NewStructural(props)
	if err != nil || unknownTypes(shape) || len(structuralschema.ValidateStructural(nil, shape)) > 0 {
		return nil
	}
	return shape.DeepCopy()
}

// unknownTypes reports whether a schema names types that there are not, as old
// definitions may.
func unknownTypes(shape *structuralschema.Structural) bool {
	found := false
	v := structuralschema.Visitor{Structural: func(s *structuralschema.Structural) bool {
		switch s.Type {
		case "", "array", "boolean", "integer", "number", "object", "string":
		default:
			found = true
		}
		return false
	}}
	v.Visit(shape)
	return found
}

func (s *served) addSelectable(out *spec.Schema) {
	if len(s.selectable) == 0 {
		return
	}
	list := make([]any, len(s.selectable))
	for i := range s.selectable {
		list[i] = map[string]any{"fieldPath": s.selectable[i].name}
	}
	out.AddExtension("x-kubernetes-selectable-fields", list)
}

// list is the schema of a list of objects.
func (s *served) list(f openapi.Format) *spec.Schema {
	names := s.of.crd.Status.AcceptedNames
	item := spec.RefSchema(f.Definitions() + modelName(s.gvk))
	out := new(spec.Schema).Typed("object", "").WithDescription(names.ListKind+" is a list of "+names.Kind).WithRequired("items").
		SetProperty("items", *spec.ArrayProperty(item).WithDescription(
			"List of " + names.Plural + ". More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md")).
		SetProperty("metadata", *metadata(f, "ListMeta", metav1.PartialObjectMetadataList{}.SwaggerDoc()["metadata"]))
	typeMeta(out)
	out.AddExtension(extensionGVK, []any{map[string]any{"group": s.gvk.Group, "version": s.gvk.Version, "kind": names.ListKind}})
	s.addSelectable(out)
	return out
}

// modelName is what documents call a kind.
func modelName(gvk schema.GroupVersionKind) string {
	return util.ToRESTFriendlyName(gvk.Group + "/" + gvk.Version + "." + gvk.Kind)
}

func metadata(f openapi.Format, kind, doc string) *spec.Schema {
	return spec.RefSchema(f.Definitions() + "io.k8s.apimachinery.pkg.apis.meta.v1." + kind).WithDescription(doc)
}

// typeMeta adds what says what an object is.
func typeMeta(s *spec.Schema) {
	docs := metav1.TypeMeta{}.SwaggerDoc()
	for _, name := range []string{"apiVersion", "kind"} {
		s.SetProperty(name, *new(spec.Schema).Typed("string", "").WithDescription(docs[name]))
	}
}

// embedded adds what objects inside the object have as such.
func embedded(s *spec.Schema, f openapi.Format) {
	if s == nil {
		return
	}
	for name, p := range s.Properties {
		embedded(&p, f)
		s.Properties[name] = p
	}
	if s.Items != nil {
		embedded(s.Items.Schema, f)
	}
	if s.AdditionalProperties != nil {
		embedded(s.AdditionalProperties.Schema, f)
	}
	has := func(name string) bool {
		v, ok := s.Extensions.GetBool(name)
		return ok && v
	}
	if !has("x-kubernetes-embedded-resource") || f == openapi.V2 && has("x-kubernetes-preserve-unknown-fields") {
		return
	}
	const more = " More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#"
	s.SetProperty("apiVersion", *new(spec.Schema).Typed("string", "").WithDescription(
		"apiVersion defines the versioned schema of this representation of an object." + more + "resources"))
	s.SetProperty("kind", *new(spec.Schema).Typed("string", "").WithDescription(
		"kind is a string value representing the type of this object. In CamelCase." + more + "types-kinds"))
	s.SetProperty("metadata", *metadata(f, "ObjectMeta", metav1.PartialObjectMetadata{}.SwaggerDoc()["metadata"]))
	for _, name := range []string{"kind", "apiVersion"} {
		if !slices.Contains(s.Required, name) {
			s.Required = append(s.Required, name)
		}
	}
}

// simplified drops what version 2 has no words for, or its clients no sense of.
func simplified(shape *structuralschema.Structural) *structuralschema.Structural {
	out := shape.DeepCopy()
	v := structuralschema.Visitor{Structural: func(s *structuralschema.Structural) bool {
		changed := false
		if r := s.ValueValidation; r != nil && (r.AllOf != nil || r.OneOf != nil || r.AnyOf != nil || r.Not != nil) {
			r.AllOf, r.OneOf, r.AnyOf, r.Not = nil, nil, nil, nil
			changed = true
		}
		if s.Nullable || s.XPreserveUnknownFields {
			s.Items, s.Properties = nil, nil
			if s.Nullable || s.Type == "object" {
				s.Type = ""
			}
			s.Nullable = false
			changed = true
		}
		if s.Items == nil && s.Type == "array" {
			s.Type = ""
			changed = true
		}
		if r := s.ValueValidation; r != nil {
			before := len(r.Required)
			r.Required = slices.DeleteFunc(r.Required, func(name string) bool { return s.Properties[name].Nullable })
			if a := s.AdditionalProperties; a != nil && a.Structural != nil && a.Structural.Nullable {
				r.Required = nil
			}
			changed = changed || len(r.Required) != before
		}
		return changed
	}}
	v.Visit(out)
	return out
}

// typeConverter knows the schemas of all versions of a definition, for managed fields.
// It reads them when it is first asked.
type typeConverter struct {
	of    *definition
	once  sync.Once
	known managedfields.TypeConverter
}

func (t *typeConverter) get() managedfields.TypeConverter {
	t.once.Do(func() {
		models := maps.Clone(t.of.metadata())
		for _, v := range t.of.versions {
			models[modelName(v.gvk)] = v.object(openapi.V3, false)
		}
		var err error
		if t.known, err = managedfields.NewTypeConverter(models, t.of.crd.Spec.PreserveUnknownFields); err != nil {
			t.known = managedfields.NewDeducedTypeConverter()
		}
	})
	return t.known
}

// ObjectToTyped implements managedfields.TypeConverter.
func (t *typeConverter) ObjectToTyped(obj runtime.Object, opts ...typed.ValidationOptions) (*typed.TypedValue, error) {
	return t.get().ObjectToTyped(obj, opts...)
}

// TypedToObject implements managedfields.TypeConverter.
func (t *typeConverter) TypedToObject(v *typed.TypedValue) (runtime.Object, error) {
	return t.get().TypedToObject(v)
}

// metadataModels are the schemas that those of all kinds refer to.
func metadataModels() map[string]*spec.Schema {
	return openapi.Models(reflect.TypeFor[metav1.ObjectMeta]())
}
