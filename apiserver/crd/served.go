package crd

import (
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	schemavalidation "k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime/schema"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
)

// served is one version of a definition. What is compiled of its schema is made
// when it is first needed.
type served struct {
	of   *definition
	spec *v1.CustomResourceDefinitionVersion
	gvk  schema.GroupVersionKind

	// shape is the structural schema, with pruned defaults; nil if there is
	// none.
	shape func() (*structuralschema.Structural, error)
	// checks are what objects are held to.
	checks func() (*checks, error)

	// key names what documents say of the version.
	key func() string

	selectable []selectable
}

// checks are the compiled rules of a version.
type checks struct {
	shape         *structuralschema.Structural
	whole, status schemavalidation.SchemaValidator
	rules         *cel.Validator
}

func newServed(d *definition, v *v1.CustomResourceDefinitionVersion) *served {
	s := &served{of: d, spec: v, gvk: d.gk.WithVersion(v.Name)}
	props := sync.OnceValues(s.props)
	s.shape = sync.OnceValues(func() (*structuralschema.Structural, error) {
		schema, err := props()
		if err != nil {
			return nil, err
		}
		return structural(schema, d.crd.Spec.PreserveUnknownFields)
	})
	s.checks = sync.OnceValues(func() (*checks, error) {
		schema, err := props()
		if err != nil {
			return nil, err
		}
		return s.compile(schema)
	})
	s.key = sync.OnceValue(s.fingerprint)
	s.selectable = selectables(v.SelectableFields)
	return s
}

// props is the schema in its internal form; nil if there is none.
func (s *served) props() (*apiextensions.JSONSchemaProps, error) {
	if s.spec.Schema == nil {
		return nil, nil
	}
	out := &apiextensions.CustomResourceValidation{}
	if err := v1.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(s.spec.Schema, out, nil); err != nil {
		return nil, err
	}
	return out.OpenAPIV3Schema, nil
}

// structural makes the structural form of a schema. One that preserves unknown
// fields in the old way need not have such a form.
func structural(props *apiextensions.JSONSchemaProps, preserves bool) (*structuralschema.Structural, error) {
	shape, err := structuralschema.NewStructural(props)
	if preserves {
		return shape, nil
	}
	if err != nil || shape == nil {
		return nil, err
	}
	shape = shape.DeepCopy() // its defaults are still the definition's
	return shape, defaulting.PruneDefaults(shape)
}

func (s *served) compile(props *apiextensions.JSONSchemaProps) (*checks, error) {
	shape, err := s.shape()
	if err != nil {
		return nil, err
	}
	c := &checks{shape: shape}
	if c.whole, _, err = schemavalidation.NewSchemaValidator(props); err != nil {
		return nil, err
	}
	if props != nil && s.hasStatus() {
		if status, ok := props.Properties["status"]; ok {
			if c.status, _, err = schemavalidation.NewSchemaValidator(&status); err != nil {
				return nil, err
			}
		}
	}
	if shape != nil {
		c.rules = cel.NewValidator(shape, true, celconfig.PerCallLimit)
	}
	return c, nil
}

func (s *served) hasStatus() bool {
	return s.spec.Subresources != nil && s.spec.Subresources.Status != nil
}
