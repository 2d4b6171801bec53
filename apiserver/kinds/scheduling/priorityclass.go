package scheduling

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
)

func priorityClass() *kinds.Kind {
	doc := schedulingv1.PriorityClass{}.SwaggerDoc()
	return kinds.Definition[*schedulingv1.PriorityClass]{
		GVK:     gvk("PriorityClass"),
		Names:   kinds.Names{Resource: "priorityclasses", Singular: "priorityclass", ShortNames: []string{"pc"}},
		New:     func() *schedulingv1.PriorityClass { return &schedulingv1.PriorityClass{} },
		NewList: func() runtime.Object { return &schedulingv1.PriorityClassList{} },

		Default: func(pc *schedulingv1.PriorityClass) {
			if pc.PreemptionPolicy == nil {
				policy := corev1.PreemptLowerPriority
				pc.PreemptionPolicy = &policy
			}
		},
		PrepareCreate:       func(_ context.Context, pc *schedulingv1.PriorityClass) { pc.Generation = 1 },
		UnconditionalUpdate: true,

		Validate: func(_ context.Context, o *schedulingv1.PriorityClass) field.ErrorList { return validate(o) },
		ValidateUpdate: func(_ context.Context, o, old *schedulingv1.PriorityClass) field.ErrorList {
			return validateUpdate(o, old)
		},

		Columns: []metav1.TableColumnDefinition{
			column.Name(),
			column.Integer("Value", doc["value"]),
			column.Boolean("Global-Default", doc["globalDefault"]),
			column.Age(),
			column.Text("PreemptionPolicy", doc["preemptionPolicy"]),
		},
		Cells: func(pc *schedulingv1.PriorityClass) []any {
			return []any{pc.Name, int64(pc.Value), pc.GlobalDefault, column.Since(pc.CreationTimestamp), column.Or(pc.PreemptionPolicy, "")}
		},
	}.Kind()
}
