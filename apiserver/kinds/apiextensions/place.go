package apiextensions

import (
	"errors"

	internal "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	apiservercel "k8s.io/apiserver/pkg/cel"
)

// place is where in a schema expressions stand: how many values there can be,
// and of what type. A nil place has none.
type place struct {
	parent *place
	schema *internal.JSONSchemaProps // may be nil
	most   *uint64                   // nil if the schema sets no limit
	// find gets the type from that of the parent, which is cheaper than to
	// make it; nil if the parent's does not tell.
	find func(*typeInfo) *typeInfo
	// scope says that expressions here or further out see the value, so that
	// the parent's type may be made anyway.
	scope bool

	known *typeInfo
	err   error
}

// typeInfo is what expressions know of a value.
type typeInfo struct {
	schema *structuralschema.Structural
	decl   *apiservercel.DeclType
}

// rootPlace is that of the whole schema; nil if expressions are not looked at.
func (w *walk) rootPlace(s *internal.JSONSchemaProps) *place {
	if !w.expressions {
		return nil
	}
	one := uint64(1)
	return &place{schema: s, most: &one, scope: len(s.XValidations) > 0}
}

func (c *place) property(name string, s *internal.JSONSchemaProps) *place {
	return c.child(s, func(t *typeInfo) *typeInfo {
		of, ok := t.schema.Properties[name]
		if !ok {
			return nil
		}
		escaped, ok := apiservercel.Escape(name)
		if !ok {
			return nil
		}
		f, ok := t.decl.Fields[escaped]
		if !ok { // of no type that expressions know
			return nil
		}
		return &typeInfo{&of, f.Type}
	})
}

func (c *place) items(s *internal.JSONSchemaProps) *place {
	return c.child(s, func(t *typeInfo) *typeInfo {
		if t.schema.Items == nil {
			return nil
		}
		return &typeInfo{t.schema.Items, t.decl.ElemType}
	})
}

func (c *place) values(s *internal.JSONSchemaProps) *place {
	return c.child(s, func(t *typeInfo) *typeInfo {
		if t.schema.AdditionalProperties == nil {
			return nil
		}
		return &typeInfo{t.schema.AdditionalProperties.Structural, t.decl.ElemType}
	})
}

func (c *place) child(s *internal.JSONSchemaProps, find func(*typeInfo) *typeInfo) *place {
	if c == nil {
		return nil
	}
	out := &place{parent: c, schema: s, find: find, scope: c.scope || (s != nil && len(s.XValidations) > 0)}
	if c.schema == nil || c.most == nil {
		return out
	}
	if n := elements(c.schema); n != nil {
		most := multiply(*c.most, *n)
		out.most = &most
	}
	return out
}

// elements is how many values a schema allows for each of those in it; nil if
// it sets no limit.
func elements(s *internal.JSONSchemaProps) *uint64 {
	one := uint64(1)
	limit := &one
	switch {
	case s.Type == "object" && s.AdditionalProperties != nil:
		limit = count64(s.MaxProperties)
	case s.Type == "array":
		limit = count64(s.MaxItems)
	}
	return limit
}

func count64(n *int64) *uint64 {
	if n == nil {
		return nil
	}
	out := uint64(max(*n, 0))
	return &out
}

var errUntyped = errors.New("unable to convert structural schema to CEL declarations")

// typed returns what expressions know of the value. It is shared.
func (c *place) typed() (*typeInfo, error) {
	if c.known != nil || c.err != nil {
		return c.known, c.err
	}
	if c.parent != nil && c.parent.scope {
		above, err := c.parent.typed()
		if err != nil {
			c.err = err
			return nil, err
		}
		if above.decl == nil { // of no type that expressions know
			c.err = errUntyped
			return nil, c.err
		}
		if c.known = c.find(above); c.known != nil {
			return c.known, nil
		}
	}
	ss, err := structuralschema.NewStructural(c.schema)
	if err != nil {
		c.err = err
		return nil, err
	}
	decl := model.SchemaDeclType(ss, c.parent == nil || c.schema.XEmbeddedResource)
	if decl == nil {
		c.err = errUntyped
		return nil, c.err
	}
	c.known = &typeInfo{ss, decl}
	return c.known, nil
}
