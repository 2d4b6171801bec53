package networking

import (
	"context"

	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
	declared "github.com/keelson-project/keelson/apiserver/kinds/declarative/networking/v1"
)

func ipAddress() *kinds.Kind {
	return kinds.Definition[*networkingv1.IPAddress]{
		GVK:     gvk("IPAddress"),
		Names:   kinds.Names{Resource: "ipaddresses", Singular: "ipaddress", ShortNames: []string{"ip"}},
		New:     func() *networkingv1.IPAddress { return &networkingv1.IPAddress{} },
		NewList: func() runtime.Object { return &networkingv1.IPAddressList{} },

		UnconditionalUpdate: true,

		ValidName: func(name string, _ bool) (wrong []string) {
			for _, err := range validation.IsValidIP(nil, name) {
				wrong = append(wrong, err.Detail)
			}
			return wrong
		},

		Rules:    declared.Validate_IPAddress,
		Validate: func(_ context.Context, o *networkingv1.IPAddress) field.ErrorList { return validateAddress(o) },
		ValidateUpdate: func(_ context.Context, o, old *networkingv1.IPAddress) field.ErrorList {
			return validateAddressUpdate(o, old)
		},

		Columns: []metav1.TableColumnDefinition{
			column.Name(), column.Text("ParentRef", networkingv1.IPAddressSpec{}.SwaggerDoc()["parentRef"]),
		},
		Cells: func(ip *networkingv1.IPAddress) []any {
			parent := column.None
			if p := ip.Spec.ParentRef; p != nil {
				parts := []string{strings.ToLower(schema.GroupResource{Group: p.Group, Resource: p.Resource}.String())}
				if p.Namespace != "" {
					parts = append(parts, p.Namespace)
				}
				parent = strings.Join(append(parts, p.Name), "/")
			}
			// Kubernetes shows the age too, in a column that it does not name.
			return []any{ip.Name, parent, column.Since(ip.CreationTimestamp)}
		},
	}.Kind()
}
