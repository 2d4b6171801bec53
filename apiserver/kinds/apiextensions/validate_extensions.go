package apiextensions

import (
	"fmt"
	"slices"
	"strings"

	internal "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

// wholeItems is what is said of items of a set that can be merged.
const wholeItems = "must be atomic as item of a list with x-kubernetes-list-type=set"

// extensions checks the fields of a schema that begin with x-kubernetes-, but
// for the expressions.
func extensions(e *check.Errors, s *internal.JSONSchemaProps, p *field.Path, atomicSets bool) {
	if b := s.XPreserveUnknownFields; b != nil && !*b {
		e.Invalid(p.Child("x-kubernetes-preserve-unknown-fields"), *b, "must be true or undefined")
	}
	if s.XMapType != nil {
		ofType(e, s, p, "object", "x-kubernetes-map-type")
		check.OneOf(e, p.Child("x-kubernetes-map-type"), *s.XMapType, "atomic", "granular")
	}
	if s.XListType != nil {
		if ofType(e, s, p, "array", "x-kubernetes-list-type") && atomicSets && setOfParts(s) {
			name := "x-kubernetes-list-type"
			if s.Items.Schema.Type == "object" {
				name = "x-kubernetes-map-type"
			}
			e.Invalid(p.Child("items").Child(name), s.Items.Schema.XListType, wholeItems)
		}
		check.OneOf(e, p.Child("x-kubernetes-list-type"), *s.XListType, "atomic", "set", "map")
	}
	isMap := s.XListType != nil && *s.XListType == "map"
	if len(s.XListMapKeys) > 0 && !isMap {
		const detail = "must be map if x-kubernetes-list-map-keys is non-empty"
		if s.XListType == nil {
			e.Required(p.Child("x-kubernetes-list-type"), detail)
		} else {
			e.Invalid(p.Child("x-kubernetes-list-type"), *s.XListType, detail)
		}
	}
	if isMap {
		keyed(e, s, p)
	}
}

// ofType requires the type that an extension is for.
func ofType(e *check.Errors, s *internal.JSONSchemaProps, p *field.Path, want, extension string) bool {
	detail := fmt.Sprintf("must be %s if %s is specified", want, extension)
	switch s.Type {
	case want:
		return true
	case "":
		e.Required(p.Child("type"), detail)
	default:
		e.Invalid(p.Child("type"), s.Type, detail)
	}
	return false
}

// setOfParts reports whether a schema is a set whose items are not compared
// and written as a whole.
func setOfParts(s *internal.JSONSchemaProps) bool {
	if s.XListType == nil || *s.XListType != "set" || s.Items == nil || s.Items.Schema == nil {
		return false
	}
	switch item := s.Items.Schema; item.Type {
	case "array": // atomic unless it says otherwise
		return item.XListType != nil && *item.XListType != "atomic"
	case "object": // the other way round
		return item.XMapType == nil || *item.XMapType != "atomic"
	}
	return false
}

// keyed checks a list whose items are told apart by some of their fields.
func keyed(e *check.Errors, s *internal.JSONSchemaProps, p *field.Path) {
	keys := p.Child("x-kubernetes-list-map-keys")
	if len(s.XListMapKeys) == 0 {
		e.Required(keys, "must not be empty if x-kubernetes-list-type is map")
	}
	switch {
	case s.Items == nil:
		e.Required(p.Child("items"), "must have a schema if x-kubernetes-list-type is map")
		return
	case s.Items.Schema == nil:
		e.Invalid(p.Child("items"), s.Items, "must only have a single schema if x-kubernetes-list-type is map")
		return
	case s.Items.Schema.Type != "object":
		e.Invalid(p.Child("items").Child("type"), s.Items.Schema.Type, "must be object if parent array's x-kubernetes-list-type is map")
		return
	}
	item := s.Items.Schema
	for i, k := range s.XListMapKeys {
		if of, ok := item.Properties[k]; !ok {
			e.Invalid(keys, s.XListMapKeys, "entries must all be names of item properties")
		} else if of.Type == "array" || of.Type == "object" {
			e.Invalid(p.Child("items").Child("properties").Key(k).Child("type"), item.Type, "must be a scalar type if parent array's x-kubernetes-list-type is map")
		}
		if slices.Contains(s.XListMapKeys[:i], k) {
			e.Invalid(keys, s.XListMapKeys, "must not contain duplicate entries")
		}
	}
}

// firmKeys requires that what items of a list are told apart by is always
// there.
func firmKeys(e *check.Errors, s *internal.JSONSchemaProps, p *field.Path) {
	if s.Items == nil || s.Items.Schema == nil || s.XListType == nil || (*s.XListType != "set" && *s.XListType != "map") {
		return
	}
	item, p := s.Items.Schema, p.Child("items")
	if item.Nullable {
		e.Forbidden(p.Child("nullable"), "cannot be nullable when x-kubernetes-list-type is "+*s.XListType)
	}
	if *s.XListType != "map" {
		return
	}
	for _, k := range s.XListMapKeys {
		of, ok := item.Properties[k]
		if !ok {
			continue
		}
		p := p.Child("properties").Key(k)
		if of.Default == nil && !slices.Contains(item.Required, k) {
			e.Required(p.Child("default"), "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property")
		}
		if of.Nullable {
			e.Forbidden(p.Child("nullable"), "this property is in x-kubernetes-list-map-keys, so it cannot be nullable")
		}
	}
}

func reasons() []string {
	return []string{
		string(internal.FieldValueDuplicate), string(internal.FieldValueForbidden), string(internal.FieldValueInvalid), string(internal.FieldValueRequired),
	}
}

// rules checks what stands beside the expressions.
func rules(e *check.Errors, s *internal.JSONSchemaProps, p *field.Path) {
	for i := range s.XValidations {
		r, p := &s.XValidations[i], p.Child("x-kubernetes-validations").Index(i)
		rule, message := strings.TrimSpace(r.Rule), strings.TrimSpace(r.Message)
		switch {
		case rule == "":
			e.Required(p.Child("rule"), "rule is not specified")
		case r.Message != "" && message == "":
			e.Invalid(p.Child("message"), r.Message, "must be non-empty if specified")
		case hasBreaks(message):
			e.Invalid(p.Child("message"), r.Message, "must not contain line breaks")
		case hasBreaks(rule) && message == "":
			e.Required(p.Child("message"), "message must be specified if rule contains line breaks")
		}
		if r.MessageExpression != "" && strings.TrimSpace(r.MessageExpression) == "" {
			e.Required(p.Child("messageExpression"), "messageExpression must be non-empty if specified")
		}
		if r.Reason != nil {
			check.OneOf(e, p.Child("reason"), string(*r.Reason), reasons()...)
		}
		if r.FieldPath == "" {
			continue
		}
		at := p.Child("fieldPath")
		if strings.TrimSpace(r.FieldPath) == "" {
			e.Invalid(at, r.FieldPath, "must be non-empty if specified")
		}
		if hasBreaks(r.FieldPath) {
			e.Invalid(at, r.FieldPath, "must not contain line breaks")
		}
		if ss, err := structuralschema.NewStructural(s); err == nil {
			if _, _, err := fieldPath(r.FieldPath, ss); err != nil {
				e.Invalid(at, r.FieldPath, "must be a valid path")
			}
		}
	}
}

func hasBreaks(s string) bool { return strings.ContainsAny(s, "\n\r") }

// fieldPath finds the schema of a field. The library it asks falls over paths
// that go on below values of which the schema says nothing.
func fieldPath(path string, s *structuralschema.Structural, options ...cel.ValidFieldPathOption) (clean *field.Path, found *structuralschema.Structural, err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("does not refer to a valid field")
		}
	}()
	return cel.ValidFieldPath(path, s, options...)
}
