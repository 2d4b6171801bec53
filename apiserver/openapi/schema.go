package openapi

import (
	"cmp"
	"encoding"
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/util"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// Types may describe themselves by these methods.
type (
	describedSimply interface {
		OpenAPISchemaType() []string
		OpenAPISchemaFormat() string
	}
	describedByChoice interface{ OpenAPIV3OneOfTypes() []string }
	documented        interface{ SwaggerDoc() map[string]string }
	modelNamed        interface{ OpenAPIModelName() string }
)

// schemas makes the definitions of Go types.
type schemas struct {
	markers markers
	ref     func(name string) spec.Ref
	// defs are the definitions made, by the name that goes into references,
	// and types the Go types of those that have one.
	defs  map[string]common.OpenAPIDefinition
	types map[string]reflect.Type
}

func newSchemas(ref func(string) spec.Ref) *schemas {
	return &schemas{
		markers: readMarkers(), ref: ref, defs: map[string]common.OpenAPIDefinition{}, types: map[string]reflect.Type{},
	}
}

// nameOf is what a type is called in the definitions.
func nameOf(t reflect.Type) string {
	if n, ok := reflect.Zero(t).Interface().(modelNamed); ok {
		return n.OpenAPIModelName()
	}
	return t.PkgPath() + "." + t.Name()
}

// friendly is what a document calls a definition.
func friendly(name string) string {
	if strings.Contains(name, "/") {
		return util.ToRESTFriendlyName(name)
	}
	return name
}

// add makes the definition of a struct type and of all that it refers to.
func (s *schemas) add(t reflect.Type) {
	name := nameOf(t)
	if _, ok := s.types[name]; ok {
		return
	}
	s.types[name] = t // known from here on, so that recursion ends
	d := &definer{schemas: s}
	out := d.define(t)
	s.defs[name] = common.OpenAPIDefinition{Schema: out, Dependencies: d.dependencies}
}

// addFree makes the definition of a kind that has no Go type.
func (s *schemas) addFree(gvk schema.GroupVersionKind, c *Custom, f Format) {
	var of *spec.Schema
	if c != nil {
		of = c.Schema(f)
	}
	if of == nil {
		of = &spec.Schema{SchemaProps: spec.SchemaProps{Type: spec.StringOrArray{"object"}}}
		of.AddExtension("x-kubernetes-preserve-unknown-fields", true)
	} else {
		shallow := *of
		shallow.Extensions = maps.Clone(of.Extensions)
		of = &shallow
	}
	of.AddExtension(extensionGVK, []any{gvkMap(gvk)})
	var metadata []string
	for _, t := range []reflect.Type{reflect.TypeFor[metav1.ObjectMeta](), reflect.TypeFor[metav1.ListMeta]()} {
		s.add(t)
		metadata = append(metadata, nameOf(t))
	}
	s.defs[freeName(gvk)] = common.OpenAPIDefinition{Schema: *of, Dependencies: metadata}
}

// freeName is the name of the definition of a kind that has no Go type.
func freeName(gvk schema.GroupVersionKind) string {
	return util.ToRESTFriendlyName(gvk.Group + "/" + gvk.Version + "." + gvk.Kind)
}

// definer makes one definition.
type definer struct {
	*schemas
	dependencies []string
}

func (d *definer) define(t reflect.Type) spec.Schema {
	said := d.markers[t.PkgPath()+"."+t.Name()]
	if said == nil {
		said = &typeMarkers{}
	}
	zero := reflect.New(t).Interface()
	docs := map[string]string{}
	if v, ok := zero.(documented); ok {
		docs = v.SwaggerDoc()
	}
	out := spec.Schema{SchemaProps: spec.SchemaProps{Description: docs[""]}}
	if said.facts.doc != "" {
		out.Description = said.facts.doc
	}
	if v, ok := zero.(describedSimply); ok {
		out.Type, out.Format = v.OpenAPISchemaType(), v.OpenAPISchemaFormat()
		if choice, ok := zero.(describedByChoice); ok {
			v2 := out
			out.Type = nil
			out.OneOf = common.GenerateOpenAPIV3OneOfSchema(choice.OpenAPIV3OneOfTypes())
			out.AddExtension(common.ExtensionV2Schema, v2)
		}
		return out
	}
	out.Type = spec.StringOrArray{"object"}
	d.members(&out, t)
	if said.facts.mapType != "" {
		out.AddExtension("x-kubernetes-map-type", said.facts.mapType)
	}
	if unions := d.unions(t); len(unions) > 0 {
		out.AddExtension("x-kubernetes-unions", unions)
	}
	return out
}

// members adds the fields of a struct, and of those embedded in it.
func (d *definer) members(out *spec.Schema, t reflect.Type) {
	said := d.markers[t.PkgPath()+"."+t.Name()]
	docs := map[string]string{}
	if v, ok := reflect.New(t).Interface().(documented); ok {
		docs = v.SwaggerDoc()
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || !f.IsExported() {
			continue
		}
		if name == "" {
			if inner := indirect(f.Type); f.Anonymous && inner.Kind() == reflect.Struct {
				d.members(out, inner)
			}
			continue
		}
		var fact facts
		if said != nil {
			fact = said.fields[name]
		}
		omitempty := strings.Contains(options, "omitempty")
		if fact.required || !omitempty && !fact.optional {
			out.Required = append(out.Required, name)
		}
		if out.Properties == nil {
			out.Properties = map[string]spec.Schema{}
		}
		p := d.property(f.Type, strings.Contains(options, "string"))
		p.Description = cmp.Or(fact.doc, docs[name])
		p.Default = d.defaultOf(fact, f.Type, omitempty)
		if e := d.enum(f.Type); e != nil {
			p.Description = strings.TrimSpace(p.Description + "\n\n" + e.enumText())
		}
		extend(&p, fact, f.Tag)
		out.Properties[name] = p
	}
}

// extend adds what tells how to merge a field.
func extend(p *spec.Schema, fact facts, tag reflect.StructTag) {
	for name, value := range map[string]string{
		"x-kubernetes-patch-strategy": tag.Get("patchStrategy"), "x-kubernetes-patch-merge-key": tag.Get("patchMergeKey"),
		"x-kubernetes-list-type": fact.listType, "x-kubernetes-map-type": fact.mapType,
	} {
		if value != "" {
			p.AddExtension(name, value)
		}
	}
	if fact.listMapKeys != nil {
		p.AddExtension("x-kubernetes-list-map-keys", fact.listMapKeys)
	}
}

// property is the schema of a value; with quoted, of a number in a string.
func (d *definer) property(t reflect.Type, quoted bool) spec.Schema {
	enum := d.enum(t)
	t = indirect(t)
	simple := func(kind, format string) spec.Schema {
		return spec.Schema{SchemaProps: spec.SchemaProps{Type: spec.StringOrArray{kind}, Format: format}}
	}
	if quoted {
		return simple("string", "")
	}
	if t == reflect.TypeFor[time.Time]() {
		return simple("string", "date-time")
	}
	switch t.Kind() {
	case reflect.Struct:
		d.add(t)
		name := nameOf(t)
		d.dependencies = append(d.dependencies, name)
		return spec.Schema{SchemaProps: spec.SchemaProps{Ref: d.ref(name)}}
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 && t.Kind() == reflect.Slice {
			return simple("string", "byte")
		}
		out, item := simple("array", ""), d.property(t.Elem(), false)
		out.Items = &spec.SchemaOrArray{Schema: &item}
		return out
	case reflect.Map:
		out, item := simple("object", ""), d.property(t.Elem(), false)
		out.AdditionalProperties = &spec.SchemaOrBool{Allows: true, Schema: &item}
		return out
	case reflect.Interface:
		return spec.Schema{}
	}
	out := simple(common.OpenAPITypeFormat(t.Kind().String()))
	if enum != nil {
		for _, v := range enum.enum {
			out.Enum = append(out.Enum, v)
		}
	}
	return out
}

// enum is the enumeration that a type or what it points to is, or nil.
func (d *definer) enum(t reflect.Type) *typeMarkers {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if m := d.markers[t.PkgPath()+"."+t.Name()]; m != nil && len(m.enum) > 0 {
		return m
	}
	return nil
}

// defaultOf is what a field is if it is left out, as far as that is sure.
func (d *definer) defaultOf(fact facts, t reflect.Type, omitempty bool) any {
	if fact.defaultValue != nil {
		return fact.defaultValue
	}
	if m := d.markers[indirect(t).PkgPath()+"."+indirect(t).Name()]; m != nil && m.facts.defaultValue != nil {
		return m.facts.defaultValue
	}
	if v := reflect.New(t).Interface(); isUnmarshaler(v) {
		return nil
	}
	switch t.Kind() {
	case reflect.Struct:
		if t.NumField() == 1 && t.Field(0).Anonymous {
			return d.defaultOf(facts{}, t.Field(0).Type, omitempty)
		}
		return map[string]any{}
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Array, reflect.Interface:
		return nil
	}
	if omitempty {
		return nil
	}
	zero, _ := common.OpenAPIZeroValue(t.Kind().String())
	return zero
}

func isUnmarshaler(v any) bool {
	if _, ok := v.(json.Unmarshaler); ok {
		return true
	}
	_, ok := v.(encoding.TextUnmarshaler)
	return ok
}

// unions are the sets of fields of which one may be set, in a struct and in
// those embedded in it.
func (d *definer) unions(t reflect.Type) []any {
	var out []any
	if said := d.markers[t.PkgPath()+"."+t.Name()]; said != nil && said.facts.union {
		discriminator, by := "", map[string]any{}
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			switch {
			case name == "" || name == "-":
			case said.fields[name].discriminator:
				discriminator = name
			default:
				by[name] = t.Field(i).Name
			}
		}
		u := map[string]any{"fields-to-discriminateBy": by}
		if discriminator != "" {
			u["discriminator"] = discriminator
		}
		out = append(out, u)
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct {
			out = append(out, d.unions(f.Type)...)
		}
	}
	return out
}

func indirect(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// structOf is the struct type of an object.
func structOf(obj runtime.Object) reflect.Type { return indirect(reflect.TypeOf(obj)) }
