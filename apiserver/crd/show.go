package crd

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/util/jsonpath"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
)

// selectable is a field that selectors may name.
type selectable struct {
	name string
	path []string
}

func selectables(list []v1.SelectableField) []selectable {
	out := make([]selectable, len(list))
	for i, f := range list {
		path := fieldPath(f.JSONPath)
		out[i] = selectable{strings.Join(path, "."), path}
	}
	return out
}

// fields are the values of the selectable fields; what is not there is empty.
func (s *served) fields(obj kinds.Object) fields.Set {
	set := make(fields.Set, len(s.selectable)+2) // the registry adds name and namespace
	for _, f := range s.selectable {
		set[f.name] = ""
		if v, ok, err := unstructured.NestedFieldNoCopy(obj.(*unstructured.Unstructured).Object, f.path...); ok && err == nil && v != nil {
			set[f.name] = fmt.Sprint(v)
		}
	}
	return set
}

func (s *served) fieldNames() []string {
	out := make([]string, len(s.selectable))
	for i := range s.selectable {
		out[i] = s.selectable[i].name
	}
	return out
}

// scale maps the version to the scale subresource; nil if it has none.
func (s *served) scale() *kinds.Scale {
	if s.spec.Subresources == nil || s.spec.Subresources.Scale == nil {
		return nil
	}
	paths := s.spec.Subresources.Scale
	spec, status := fieldPath(paths.SpecReplicasPath), fieldPath(paths.StatusReplicasPath)
	var selector []string
	if p := paths.LabelSelectorPath; p != nil && *p != "" {
		selector = fieldPath(*p)
	}
	return &kinds.Scale{
		Path: spec,
		Get: func(obj kinds.Object, scale *autoscalingv1.Scale) error {
			content := obj.(*unstructured.Unstructured).Object
			wanted, found, err := unstructured.NestedInt64(content, spec...)
			if err != nil {
				return err
			}
			have, _, err := unstructured.NestedInt64(content, status...)
			if err != nil {
				return err
			}
			scale.Spec.Replicas, scale.Status.Replicas = int32(wanted), int32(have)
			if selector != nil {
				if scale.Status.Selector, _, err = unstructured.NestedString(content, selector...); err != nil {
					return err
				}
			}
			if !found {
				return fmt.Errorf("the spec replicas field %q %w", paths.SpecReplicasPath, kinds.ErrNoReplicas)
			}
			return nil
		},
		Set: func(obj kinds.Object, replicas int32) error {
			return unstructured.SetNestedField(obj.(*unstructured.Unstructured).Object, int64(replicas), spec...)
		},
	}
}

// cell makes one cell of an object's row.
type cell struct {
	path *jsonpath.JSONPath
	kind string
}

// columns are the version's own after the name, or the age if it has none.
func (s *served) columns() ([]metav1.TableColumnDefinition, func(kinds.Object) []any) {
	defs := []metav1.TableColumnDefinition{column.Name()}
	list := s.spec.AdditionalPrinterColumns
	if len(list) == 0 {
		list = []v1.CustomResourceColumnDefinition{{
			Name: "Age", Type: "date", JSONPath: ".metadata.creationTimestamp", Description: metav1.ObjectMeta{}.SwaggerDoc()["creationTimestamp"],
		}}
	}
	var cells []cell
	for _, c := range list {
		path := jsonpath.New(c.Name).AllowMissingKeys(true)
		if path.Parse("{"+c.JSONPath+"}") != nil {
			break // the columns up to the broken one are shown
		}
		if c.Description == "" {
			c.Description = "Custom resource definition column (in JSONPath format): " + c.JSONPath
		}
		cells = append(cells, cell{path, c.Type})
		defs = append(defs, metav1.TableColumnDefinition{Name: c.Name, Type: c.Type, Format: c.Format, Description: c.Description, Priority: c.Priority})
	}
	return defs, func(obj kinds.Object) []any {
		row := make([]any, len(cells)+1)
		row[0] = obj.GetName()
		for i := range cells {
			row[i+1] = cells[i].of(obj.(*unstructured.Unstructured).Object)
		}
		return row
	}
}

// of is the cell of an object; nil if there is nothing to show.
func (c *cell) of(content map[string]any) any {
	found, err := c.path.FindResults(content)
	if err != nil || len(found) == 0 || len(found[0]) == 0 {
		return nil
	}
	value := found[0][0].Interface()
	switch v := value.(type) {
	case string:
		switch c.kind {
		case "string":
			return v
		case "date":
			var t metav1.Time
			if t.UnmarshalQueryParameter(v) != nil {
				return "<invalid>"
			}
			return column.Since(t)
		}
	case int64:
		switch c.kind {
		case "integer":
			return v
		case "number":
			return float64(v)
		}
	case float64:
		switch c.kind {
		case "integer":
			return int64(v)
		case "number":
			return v
		}
	case bool:
		if c.kind == "boolean" {
			return v
		}
	}
	if c.kind != "string" {
		return nil
	}
	var b bytes.Buffer
	if c.path.PrintResults(&b, []reflect.Value{reflect.ValueOf(value)}) != nil {
		return nil
	}
	return b.String()
}
