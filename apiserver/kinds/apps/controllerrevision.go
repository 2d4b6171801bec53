package apps

import (
	"context"

	"strings"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
)

func controllerRevision() *kinds.Kind {
	return kinds.Definition[*appsv1.ControllerRevision]{
		GVK:        gvk("ControllerRevision"),
		Names:      kinds.Names{Resource: "controllerrevisions", Singular: "controllerrevision"},
		Namespaced: true,
		New:        func() *appsv1.ControllerRevision { return &appsv1.ControllerRevision{} },
		NewList:    func() runtime.Object { return &appsv1.ControllerRevisionList{} },

		UnconditionalUpdate: true,
		RecheckName:         true,

		Validate: func(_ context.Context, o *appsv1.ControllerRevision) field.ErrorList {
			return validateControllerRevision(o)
		},
		ValidateUpdate: func(_ context.Context, o, old *appsv1.ControllerRevision) field.ErrorList {
			return validateControllerRevisionUpdate(o, old)
		},

		Columns: []metav1.TableColumnDefinition{
			column.Name(),
			column.Text("Controller", "Controller of the object"),
			column.Text("Revision", appsv1.ControllerRevision{}.SwaggerDoc()["revision"]),
			column.Age(),
		},
		Cells: func(r *appsv1.ControllerRevision) []any {
			owner := column.None
			if c := metav1.GetControllerOf(r); c != nil {
				owner = c.Name
				if gv, err := schema.ParseGroupVersion(c.APIVersion); err == nil {
					owner = strings.ToLower(gv.WithKind(c.Kind).GroupKind().String()) + "/" + c.Name
				}
			}
			return []any{r.Name, owner, r.Revision, column.Since(r.CreationTimestamp)}
		},
	}.Kind()
}
