package apiextensions

import (
	"iter"
	"maps"
	"slices"

	internal "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
)

func schemaOf(v *internal.CustomResourceValidation) *internal.JSONSchemaProps {
	if v == nil {
		return nil
	}
	return v.OpenAPIV3Schema
}

// schemasOf are the schemas of all versions.
func schemasOf(spec *internal.CustomResourceDefinitionSpec) []*internal.JSONSchemaProps {
	var out []*internal.JSONSchemaProps
	add := func(s *internal.JSONSchemaProps) {
		if s != nil {
			out = append(out, s)
		}
	}
	add(schemaOf(spec.Validation))
	for i := range spec.Versions {
		add(schemaOf(spec.Versions[i].Schema))
	}
	return out
}

// within goes through a schema and all those that it is made of.
func within(s *internal.JSONSchemaProps) iter.Seq[*internal.JSONSchemaProps] {
	return func(yield func(*internal.JSONSchemaProps) bool) { visit(s, yield) }
}

// visit calls f until it returns false, which it then does too.
func visit(s *internal.JSONSchemaProps, f func(*internal.JSONSchemaProps) bool) bool {
	if s == nil {
		return true
	}
	if !f(s) {
		return false
	}
	if s.Items != nil && !(visit(s.Items.Schema, f) && visitList(s.Items.JSONSchemas, f)) {
		return false
	}
	for _, orBool := range []*internal.JSONSchemaPropsOrBool{s.AdditionalProperties, s.AdditionalItems} {
		if orBool != nil && !visit(orBool.Schema, f) {
			return false
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Dependencies)) {
		if !visit(s.Dependencies[name].Schema, f) {
			return false
		}
	}
	return visitList(s.AllOf, f) && visitList(s.AnyOf, f) && visitList(s.OneOf, f) && visit(s.Not, f) &&
		visitMap(s.Properties, f) && visitMap(s.PatternProperties, f) && visitMap(s.Definitions, f)
}

func visitList(list []internal.JSONSchemaProps, f func(*internal.JSONSchemaProps) bool) bool {
	for i := range list {
		if !visit(&list[i], f) {
			return false
		}
	}
	return true
}

func visitMap(m map[string]internal.JSONSchemaProps, f func(*internal.JSONSchemaProps) bool) bool {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		s := m[name]
		if !visit(&s, f) {
			return false
		}
	}
	return true
}

func hasDefaults(s *internal.JSONSchemaProps) bool {
	for n := range within(s) {
		if n.Default != nil {
			return true
		}
	}
	return false
}

// hasExtensions reports whether a schema uses what only structural ones may.
func hasExtensions(s *internal.JSONSchemaProps) bool {
	for n := range within(s) {
		if n.XEmbeddedResource || n.XPreserveUnknownFields != nil || n.XIntOrString || len(n.XListMapKeys) > 0 || n.XListType != nil || len(n.XValidations) > 0 {
			return true
		}
	}
	return false
}

// sorted goes through a map in the order of its keys; the values are copies.
func sorted[V any](m map[string]V) iter.Seq2[string, *V] {
	return func(yield func(string, *V) bool) {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			v := m[name]
			if !yield(name, &v) {
				return
			}
		}
	}
}
