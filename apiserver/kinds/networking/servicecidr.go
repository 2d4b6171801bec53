package networking

import (
	"context"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
)

func serviceCIDR() *kinds.Kind {
	return kinds.Definition[*networkingv1.ServiceCIDR]{
		GVK:     gvk("ServiceCIDR"),
		Names:   kinds.Names{Resource: "servicecidrs", Singular: "servicecidr"},
		New:     func() *networkingv1.ServiceCIDR { return &networkingv1.ServiceCIDR{} },
		NewList: func() runtime.Object { return &networkingv1.ServiceCIDRList{} },

		PrepareCreate:       func(_ context.Context, c *networkingv1.ServiceCIDR) { c.Status = networkingv1.ServiceCIDRStatus{} },
		PrepareUpdate:       func(_ context.Context, c, old *networkingv1.ServiceCIDR) { c.Status = old.Status },
		UnconditionalUpdate: true,

		Resets:    map[string][]string{"status": {"metadata"}},
		HasStatus: true,
		PrepareStatusUpdate: func(_ context.Context, c, old *networkingv1.ServiceCIDR) {
			c.Spec = old.Spec
			metav1.ResetObjectMetaForStatus(c, old)
		},

		Validate: func(_ context.Context, o *networkingv1.ServiceCIDR) field.ErrorList { return validateServiceCIDR(o) },
		ValidateUpdate: func(_ context.Context, o, old *networkingv1.ServiceCIDR) field.ErrorList {
			return validateServiceCIDRUpdate(o, old)
		},

		Columns: []metav1.TableColumnDefinition{
			column.Name(), column.Text("CIDRs", networkingv1.ServiceCIDRSpec{}.SwaggerDoc()["cidrs"]), column.Age(),
		},
		Cells: func(c *networkingv1.ServiceCIDR) []any {
			return []any{c.Name, strings.Join(c.Spec.CIDRs, ","), column.Since(c.CreationTimestamp)}
		},
	}.Kind()
}
