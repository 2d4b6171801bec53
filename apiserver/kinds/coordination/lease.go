package coordination

import (
	"context"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
)

func lease() *kinds.Kind {
	return kinds.Definition[*coordinationv1.Lease]{
		GVK:          gvk("Lease"),
		Names:        kinds.Names{Resource: "leases", Singular: "lease"},
		Namespaced:   true,
		AnyFinalizer: true,
		New:          func() *coordinationv1.Lease { return &coordinationv1.Lease{} },
		NewList:      func() runtime.Object { return &coordinationv1.LeaseList{} },

		// Elections that a controller decides are a feature that is off: what
		// they need is left out, unless it is there already.
		PrepareCreate: func(_ context.Context, l *coordinationv1.Lease) { l.Spec.Strategy, l.Spec.PreferredHolder = nil, nil },
		PrepareUpdate: func(_ context.Context, l, old *coordinationv1.Lease) {
			if old.Spec.Strategy == nil {
				l.Spec.Strategy = nil
			}
			if old.Spec.PreferredHolder == nil {
				l.Spec.PreferredHolder = nil
			}
		},
		CreateOnUpdate: true,

		Validate:       func(_ context.Context, o *coordinationv1.Lease) field.ErrorList { return validate(o) },
		ValidateUpdate: func(_ context.Context, o, _ *coordinationv1.Lease) field.ErrorList { return validate(o) },

		Columns: []metav1.TableColumnDefinition{
			column.Name(), column.Text("Holder", coordinationv1.LeaseSpec{}.SwaggerDoc()["holderIdentity"]), column.Age(),
		},
		Cells: func(l *coordinationv1.Lease) []any {
			return []any{l.Name, column.Or(l.Spec.HolderIdentity, ""), column.Since(l.CreationTimestamp)}
		},
	}.Kind()
}
