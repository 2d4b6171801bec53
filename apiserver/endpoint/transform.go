package endpoint

import (
	"net/http"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/codec"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
	"github.com/keelson-project/keelson/apiserver/registry"
)

// tabled is a kind of computed objects, with the value that may make Tables of
// them.
type tabled struct {
	schema.GroupVersionKind
	maker any
}

// transforms are the forms that the objects can be answered in.
func (t tabled) transforms() codec.Transforms {
	if _, ok := t.maker.(registry.Tabler); ok {
		return codec.AllTransforms
	}
	return codec.NoTransforms
}

// typeName is what Kubernetes' errors call the Go type.
func (t tabled) typeName() string { return "*" + shortGroup(t.Group) + "." + t.Kind }

// transformed answers with a Table of computed objects or with their metadata;
// whole is the only one of them or their list.
func (h *Handler) transformed(w http.ResponseWriter, r *request, t tabled, whole runtime.Object, items []runtime.Object, out codec.Output) error {
	gv := schema.GroupVersion{Group: out.As.Group, Version: out.As.Version}
	var partials []metav1.PartialObjectMetadata
	for _, item := range items {
		m, err := meta.Accessor(item)
		if err != nil {
			return apierrors.NewInternalError(err)
		}
		p := meta.AsPartialObjectMetadata(m)
		p.SetGroupVersionKind(gv.WithKind("PartialObjectMetadata"))
		partials = append(partials, *p)
	}
	isList := meta.IsListType(whole)
	var answer runtime.Object
	switch {
	case out.IsTable():
		made, err := t.table(r, items, partials)
		if err != nil {
			return err
		}
		if !isList {
			made.ResourceVersion = partials[0].ResourceVersion
		}
		answer = made
	case isList && out.As.Kind == "PartialObjectMetadataList":
		answer = &metav1.PartialObjectMetadataList{Items: partials}
	case !isList && out.As.Kind == "PartialObjectMetadata":
		answer = &partials[0]
	case isList:
		return conversionError("you requested PartialObjectMetadata, but the requested object is a list (" + t.typeName() + "List)")
	default:
		return conversionError("you requested PartialObjectMetadataList, but the requested object is not a list (" + t.typeName() + ")")
	}
	answer.GetObjectKind().SetGroupVersionKind(gv.WithKind(out.As.Kind))
	h.write(w, r.Request, http.StatusOK, answer, out)
	return nil
}

func (t tabled) table(r *request, items []runtime.Object, partials []metav1.PartialObjectMetadata) (*metav1.Table, error) {
	opts, err := tableOptions(r)
	if err != nil {
		return nil, err
	}
	maker := t.maker.(registry.Tabler)
	out := &metav1.Table{ColumnDefinitions: maker.Columns(), Rows: []metav1.TableRow{}}
	for i, item := range items {
		row := metav1.TableRow{Cells: maker.Cells(item)}
		switch opts.IncludeObject {
		case metav1.IncludeNone:
		case metav1.IncludeObject:
			item.GetObjectKind().SetGroupVersionKind(t.GroupVersionKind)
			row.Object.Object = item
		default:
			row.Object.Object = &partials[i]
		}
		out.Rows = append(out.Rows, row)
	}
	return out, nil
}

// scaleTables makes Tables of scales; those of custom kinds have a wording of
// their own.
type scaleTables struct{ custom bool }

// Columns implements registry.Tabler.
func (t scaleTables) Columns() []metav1.TableColumnDefinition {
	if t.custom {
		age := column.Age()
		age.Type = "date"
		return []metav1.TableColumnDefinition{
			column.Name(), column.Integer("Desired", "Number of desired replicas"), column.Integer("Available", "Number of actual replicas"), age,
		}
	}
	name := column.Name()
	name.Format = ""
	return []metav1.TableColumnDefinition{
		name,
		column.Integer("Desired", autoscalingv1.ScaleSpec{}.SwaggerDoc()["replicas"]),
		column.Integer("Available", autoscalingv1.ScaleStatus{}.SwaggerDoc()["replicas"]),
		column.Age(),
	}
}

// Cells implements registry.Tabler.
func (scaleTables) Cells(obj runtime.Object) []any {
	s := obj.(*autoscalingv1.Scale)
	return []any{s.Name, int64(s.Spec.Replicas), int64(s.Status.Replicas), column.Since(s.CreationTimestamp)}
}
