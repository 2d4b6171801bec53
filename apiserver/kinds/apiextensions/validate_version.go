package apiextensions

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	internal "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const (
	longestWarning = 256 // bytes
	mostSelectable = 8
)

func (j *judge) version(v *internal.CustomResourceDefinitionVersion, status bool, p *field.Path) {
	j.deprecation(v, p.Child("deprecationWarning"))
	j.validation(v.Schema, status, v.Name, p.Child("schema"))
	j.subresources(v.Subresources, p.Child("subresources"))
	j.columns(v.AdditionalPrinterColumns, p.Child("additionalPrinterColumns"))
	if len(v.SelectableFields) == 0 {
		return
	}
	if schema := schemaOf(v.Schema); schema == nil {
		j.Invalid(p.Child("selectableFields"), "", "may only be set when `version.schema.openAPIV3Schema` is not included")
	} else {
		j.selectable(v.SelectableFields, schema, p.Child("schema.openAPIV3Schema"), p.Child("selectableFields"), v.Name)
	}
}

func (j *judge) deprecation(v *internal.CustomResourceDefinitionVersion, p *field.Path) {
	if v.DeprecationWarning == nil {
		return
	}
	refuse := func(detail string) { j.Invalid(p, v.DeprecationWarning, detail) }
	if !v.Deprecated {
		refuse("can only be set for deprecated versions")
		return
	}
	text := *v.DeprecationWarning
	if len(text) > longestWarning {
		refuse(fmt.Sprintf("must be <= %d characters long", longestWarning))
	}
	if text == "" {
		refuse("must not be an empty string")
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
		refuse(fmt.Sprintf("must only contain printable UTF-8 characters; non-printable character found at index %d", i))
	}
	if !utf8.ValidString(text) {
		refuse("must only contain printable UTF-8 characters")
	}
}

func (j *judge) subresources(s *internal.CustomResourceSubresources, p *field.Path) {
	if s == nil || s.Scale == nil {
		return
	}
	below := func(name, path, detail string, prefixes ...string) {
		p := p.Child(name)
		if j.jsonPath(path, p) && !slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(path, prefix) }) {
			j.Invalid(p, path, detail)
		}
	}
	if s.Scale.SpecReplicasPath == "" {
		j.Required(p.Child("scale.specReplicasPath"), "")
	} else {
		below("scale.specReplicasPath", s.Scale.SpecReplicasPath, "should be a json path under .spec", ".spec.")
	}
	if s.Scale.StatusReplicasPath == "" {
		j.Required(p.Child("scale.statusReplicasPath"), "")
	} else {
		below("scale.statusReplicasPath", s.Scale.StatusReplicasPath, "should be a json path under .status", ".status.")
	}
	if path := s.Scale.LabelSelectorPath; path != nil && *path != "" {
		below("scale.labelSelectorPath", *path, "should be a json path under either .spec or .status", ".spec.", ".status.")
	}
}

// jsonPath requires a path of names with dots before them.
func (j *judge) jsonPath(path string, p *field.Path) bool {
	if path[0] != '.' {
		j.Invalid(p, path, "must be a simple json path starting with .")
		return false
	}
	return true
}

func columnTypes() []string { return []string{"boolean", "date", "integer", "number", "string"} }

func columnFormats() []string {
	return []string{"byte", "date", "date-time", "double", "float", "int32", "int64", "password"}
}

func (j *judge) columns(list []internal.CustomResourceColumnDefinition, p *field.Path) {
	for i := range list {
		c, p := &list[i], p.Index(i)
		j.NotEmpty(p.Child("name"), c.Name)
		if all := columnTypes(); c.Type == "" {
			j.Required(p.Child("type"), "must be one of "+strings.Join(all, ","))
		} else if !slices.Contains(all, c.Type) {
			j.Invalid(p.Child("type"), c.Type, "must be one of "+strings.Join(all, ","))
		}
		if all := columnFormats(); c.Format != "" && !slices.Contains(all, c.Format) {
			j.Invalid(p.Child("format"), c.Format, "must be one of "+strings.Join(all, ","))
		}
		if c.JSONPath == "" {
			j.Required(p.Child("JSONPath"), "")
		} else {
			j.jsonPath(c.JSONPath, p.Child("JSONPath"))
		}
	}
}

// selectable checks the selectable fields of a version, or those that all have
// in common; at is where its schema is.
func (j *judge) selectable(list []internal.SelectableField, of *internal.JSONSchemaProps, at, p *field.Path, version string) {
	schema, err := structuralschema.NewStructural(of)
	if err != nil {
		j.Invalid(at, "", err.Error())
	}
	seen := map[string]bool{}
	for i := range list {
		path, p := list[i].JSONPath, p.Index(i).Child("jsonPath")
		if path == "" {
			j.Required(p, "")
			continue
		}
		if schema == nil {
			continue // whether it leads anywhere is not known
		}
		clean, found, err := fieldPath(path, schema, cel.WithFieldPathAllowArrayNotation(false))
		if err != nil {
			j.Invalid(p, path, fmt.Sprintf("is an invalid path: %v", err))
			continue
		}
		if clean.Root().String() == "metadata" {
			j.Invalid(p, path, "must not point to fields in metadata")
		}
		if found == nil || (found.Type != "string" && found.Type != "boolean" && found.Type != "integer") {
			j.Invalid(p, path, "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.")
		}
		if seen[clean.String()] {
			j.Duplicate(p, path)
		}
		seen[clean.String()] = true
	}
	if len(seen) > mostSelectable && !j.strict.manySelectable[version] {
		j.Add(field.TooMany(p, len(seen), mostSelectable))
	}
}
