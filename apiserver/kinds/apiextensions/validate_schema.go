package apiextensions

import (
	"fmt"
	"reflect"
	"slices"

	internal "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	schemavalidation "k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

// atRoot are the fields of a schema that the root may have beside a status of
// its own, which is checked by itself.
func atRoot() []string {
	return []string{"Description", "Type", "Format", "Title", "Maximum", "ExclusiveMaximum", "Minimum", "ExclusiveMinimum", "MaxLength", "MinLength", "Pattern", "MaxItems", "MinItems", "UniqueItems", "MultipleOf", "Required", "Items", "Properties", "ExternalDocs", "Example", "XPreserveUnknownFields", "XValidations"}
}

// validation checks the schema of a version, or of all that have it in common.
func (j *judge) validation(v *internal.CustomResourceValidation, status bool, version string, p *field.Path) {
	if v == nil {
		return
	}
	e := &check.Errors{}
	if schema := v.OpenAPIV3Schema; schema != nil {
		j.root(e, schema, status, version, p)
	}
	if len(e.List) == 0 {
		if _, _, err := schemavalidation.NewSchemaValidator(v.OpenAPIV3Schema); err != nil {
			e.Invalid(p, "", fmt.Sprintf("error building validator: %v", err))
		}
	}
	j.Add(e.List...)
}

func (j *judge) root(e *check.Errors, schema *internal.JSONSchemaProps, status bool, version string, p *field.Path) {
	at := p.Child("openAPIV3Schema")
	if status {
		plainRoot(e, schema, p)
	}
	if schema.Nullable {
		e.Forbidden(p.Child("openAPIV3Schema.nullable"), "nullable cannot be true at the root")
	}
	var unclear *field.Error // what keeps the schema from being structural, if nothing else tells
	w := &walk{judge: j, cheap: j.strict.unchanged.Has(version)}
	if j.strict.structure {
		if ss, err := structuralschema.NewStructural(schema); err != nil {
			unclear = field.Invalid(at, "", err.Error())
		} else if errs := structuralschema.ValidateStructural(at, ss); len(errs) > 0 {
			e.Add(errs...)
		} else if errs, err := defaulting.ValidateDefaults(j.ctx, at, ss, true, j.strict.pruned); err != nil {
			e.Invalid(at, "", err.Error())
		} else if e.Add(errs...); len(errs) == 0 {
			w.expressions = true
		}
	}
	found := w.schema(node{JSONSchemaProps: schema, path: at, root: true, defaults: allowed, place: w.rootPlace(schema)})
	e.Add(found.schema...)
	e.Add(found.rules...)
	if len(e.List) == 0 && unclear != nil {
		e.Add(unclear)
	}
	w.total.judge(e, at)
}

// plainRoot refuses what would keep a status from being checked by itself.
func plainRoot(e *check.Errors, schema *internal.JSONSchemaProps, p *field.Path) {
	v := reflect.ValueOf(schema).Elem()
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			continue
		}
		switch name := v.Type().Field(i).Name; {
		case name == "Type" && schema.Type != "object":
			e.Invalid(p.Child("openAPIV3Schema.type"), schema.Type, `only "object" is allowed as the type at the root of the schema if the status subresource is enabled`)
			return
		case !slices.Contains(atRoot(), name):
			e.Invalid(p.Child("openAPIV3Schema"), *schema, fmt.Sprintf("only %v fields are allowed at the root of the schema if the status subresource is enabled", atRoot()))
			return
		}
	}
}

// findings are what is wrong with a schema itself, and with its expressions.
type findings struct{ schema, rules field.ErrorList }

func (f *findings) add(other findings) {
	f.schema = append(f.schema, other.schema...)
	f.rules = append(f.rules, other.rules...)
}

// walk goes through the schema of one version.
type walk struct {
	*judge
	expressions bool // they are worth looking at
	cheap       bool // a single one may cost what it likes
	total       costs
}

// node is a schema on the walk.
type node struct {
	*internal.JSONSchemaProps
	path *field.Path
	root bool
	meta bool // describes metadata, kind or apiVersion
	// defaults says why there may not be any.
	defaults string
	// changing is the first schema around this one whose values cannot be
	// told apart between two states of an object.
	changing *field.Path
	place    *place
}

// allowed is the reason of a node that may have defaults.
const allowed = ""

// below is a schema inside n that stands at a path, without expressions.
func (n node) below(s *internal.JSONSchemaProps, path *field.Path) node {
	n.JSONSchemaProps, n.path, n.root, n.place = s, path, false, nil
	return n
}

// schema checks one schema and those in it.
func (w *walk) schema(n node) findings {
	var f findings
	if n.JSONSchemaProps == nil {
		return f
	}
	e := &check.Errors{}
	w.supported(e, n)
	f.schema = e.List
	w.children(&f, n)
	e = &check.Errors{}
	extensions(e, n.JSONSchemaProps, n.path, w.strict.atomicSets)
	if w.strict.firmKeys {
		firmKeys(e, n.JSONSchemaProps, n.path)
	}
	rules(e, n.JSONSchemaProps, n.path)
	f.schema = append(f.schema, e.List...)
	// Expressions over a schema that is broken would only confuse.
	if len(n.XValidations) > 0 && len(f.schema) == 0 && n.place != nil {
		e = &check.Errors{}
		w.compile(e, n)
		f.rules = append(f.rules, e.List...)
	}
	return f
}

// children walks the schemas inside one.
func (w *walk) children(f *findings, n node) {
	if a := n.AdditionalProperties; a != nil {
		if len(n.Properties) > 0 && (!a.Allows || a.Schema != nil) {
			f.schema = append(f.schema, field.Forbidden(n.path.Child("additionalProperties"), "additionalProperties and properties are mutual exclusive"))
		}
		c := n.below(a.Schema, n.path.Child("additionalProperties"))
		if n.meta {
			c.defaults = "inside additionalProperties applying to object metadata"
		}
		c.place = n.place.values(a.Schema)
		f.add(w.schema(c))
	}
	for name, s := range sorted(n.Properties) {
		c := n.below(s, n.path.Child("properties").Key(name))
		if !cel.MapIsCorrelatable(n.XMapType) && c.changing == nil {
			c.changing = n.path
		}
		if (n.root || n.XEmbeddedResource) && (name == "metadata" || name == "kind" || name == "apiVersion") {
			c.meta = true
			if n.root {
				c.defaults = "in top-level " + name
			}
		}
		c.place = n.place.property(name, s)
		f.add(w.schema(c))
	}
	f.add(w.schema(n.below(n.Not, n.path.Child("not"))))
	w.list(f, n, n.AllOf, "allOf")
	w.list(f, n, n.OneOf, "oneOf")
	w.list(f, n, n.AnyOf, "anyOf")
	for name, s := range sorted(n.Definitions) {
		f.add(w.schema(n.below(s, n.path.Child("definitions").Key(name))))
	}
	if n.Items != nil {
		c := n.below(n.Items.Schema, n.path.Child("items"))
		if (n.XListType == nil || *n.XListType != "map") && c.changing == nil {
			c.changing = n.path
		}
		c.place = n.place.items(n.Items.Schema)
		f.add(w.schema(c))
		for i := range n.Items.JSONSchemas {
			s := &n.Items.JSONSchemas[i]
			one := c.below(s, n.path.Child("items").Index(i))
			one.place = n.place.items(s)
			f.add(w.schema(one))
		}
	}
	for name, d := range sorted(n.Dependencies) {
		f.add(w.schema(n.below(d.Schema, n.path.Child("dependencies").Key(name))))
	}
}

func (w *walk) list(f *findings, n node, list []internal.JSONSchemaProps, name string) {
	for i := range list {
		f.add(w.schema(n.below(&list[i], n.path.Child(name).Index(i))))
	}
}

func types() []string { return []string{"array", "boolean", "integer", "number", "object", "string"} }

// supported refuses what is in JSON Schema but has no meaning here.
func (w *walk) supported(e *check.Errors, n node) {
	if w.strict.types && n.Type != "" {
		check.OneOf(e, n.path.Child("type"), n.Type, types()...)
	}
	if n.Default != nil && n.defaults != allowed {
		e.Forbidden(n.path.Child("default"), "must not be set "+n.defaults)
	}
	for _, c := range []struct {
		is           bool
		name, detail string
	}{
		{n.ID != "", "id", "id is not supported"},
		{n.AdditionalItems != nil, "additionalItems", "additionalItems is not supported"},
		{len(n.PatternProperties) > 0, "patternProperties", "patternProperties is not supported"},
		{len(n.Definitions) > 0, "definitions", "definitions is not supported"},
		{n.Dependencies != nil, "dependencies", "dependencies is not supported"},
		{n.Ref != nil, "$ref", "$ref is not supported"},
		{n.Type == "null", "type", "type cannot be set to null, use nullable as an alternative"},
		{n.Items != nil && len(n.Items.JSONSchemas) > 0, "items", "items must be a schema object and not an array"},
		{n.meta && n.XEmbeddedResource, "x-kubernetes-embedded-resource", "must not be used inside of resource meta"},
		{n.UniqueItems, "uniqueItems", "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"},
	} {
		if c.is {
			e.Forbidden(n.path.Child(c.name), c.detail)
		}
	}
}
