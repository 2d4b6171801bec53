package policy

import (
	"context"

	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/validation/path"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
)

func podDisruptionBudget() *kinds.Kind {
	return kinds.Definition[*policyv1.PodDisruptionBudget]{
		GVK:        gvk("PodDisruptionBudget"),
		Names:      kinds.Names{Resource: "poddisruptionbudgets", Singular: "poddisruptionbudget", ShortNames: []string{"pdb"}},
		Namespaced: true,
		ValidName:  path.ValidatePathSegmentName,
		New:        func() *policyv1.PodDisruptionBudget { return &policyv1.PodDisruptionBudget{} },
		NewList:    func() runtime.Object { return &policyv1.PodDisruptionBudgetList{} },

		PrepareCreate: func(_ context.Context, b *policyv1.PodDisruptionBudget) {
			b.Status = policyv1.PodDisruptionBudgetStatus{}
			b.Generation = 1
		},
		PrepareUpdate: func(_ context.Context, b, old *policyv1.PodDisruptionBudget) {
			b.Status = old.Status
			b.Generation = old.Generation
			if !equality.Semantic.DeepEqual(b.Spec, old.Spec) {
				b.Generation++
			}
		},

		HasStatus:           true,
		PrepareStatusUpdate: func(_ context.Context, b, old *policyv1.PodDisruptionBudget) { b.Spec = old.Spec },

		Validate:             func(_ context.Context, o *policyv1.PodDisruptionBudget) field.ErrorList { return validate(o) },
		ValidateUpdate:       func(_ context.Context, o, _ *policyv1.PodDisruptionBudget) field.ErrorList { return validate(o) },
		ValidateStatusUpdate: func(_ context.Context, o, _ *policyv1.PodDisruptionBudget) field.ErrorList { return validateStatus(o) },

		Columns: []metav1.TableColumnDefinition{
			column.Name(),
			column.Text("Min Available", "The minimum number of pods that must be available."),
			column.Text("Max Unavailable", "The maximum number of pods that may be unavailable."),
			column.Integer("Allowed Disruptions", "Calculated number of pods that may be disrupted at this time."),
			column.Age(),
		},
		Cells: func(b *policyv1.PodDisruptionBudget) []any {
			least, most := "N/A", "N/A"
			if n := b.Spec.MinAvailable; n != nil {
				least = n.String()
			}
			if n := b.Spec.MaxUnavailable; n != nil {
				most = n.String()
			}
			return []any{b.Name, least, most, int64(b.Status.DisruptionsAllowed), column.Since(b.CreationTimestamp)}
		},
	}.Kind()
}
