package networking

import (
	"context"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
	declared "github.com/keelson-project/keelson/apiserver/kinds/declarative/networking/v1"
)

func ingressClass() *kinds.Kind {
	return kinds.Definition[*networkingv1.IngressClass]{
		GVK:     gvk("IngressClass"),
		Names:   kinds.Names{Resource: "ingressclasses", Singular: "ingressclass"},
		New:     func() *networkingv1.IngressClass { return &networkingv1.IngressClass{} },
		NewList: func() runtime.Object { return &networkingv1.IngressClassList{} },

		Default: func(c *networkingv1.IngressClass) {
			if p := c.Spec.Parameters; p != nil && p.Scope == nil {
				scope := networkingv1.IngressClassParametersReferenceScopeCluster
				p.Scope = &scope
			}
		},
		PrepareCreate: func(_ context.Context, c *networkingv1.IngressClass) { c.Generation = 1 },
		PrepareUpdate: func(_ context.Context, c, old *networkingv1.IngressClass) {
			c.Generation = old.Generation
			if !equality.Semantic.DeepEqual(c.Spec, old.Spec) {
				c.Generation++
			}
		},
		UnconditionalUpdate: true,

		Rules:    declared.Validate_IngressClass,
		Validate: func(_ context.Context, o *networkingv1.IngressClass) field.ErrorList { return validateClass(o) },
		ValidateUpdate: func(_ context.Context, o, old *networkingv1.IngressClass) field.ErrorList {
			return validateClassUpdate(o, old)
		},

		Columns: []metav1.TableColumnDefinition{
			column.Name(),
			column.Text("Controller", "Controller that is responsible for handling this class"),
			column.Text("Parameters", "A reference to a resource with additional parameters"),
			column.Age(),
		},
		Cells: func(c *networkingv1.IngressClass) []any {
			name, parameters := c.Name, column.None
			if c.Annotations[networkingv1.AnnotationIsDefaultIngressClass] == "true" {
				name += " (default)"
			}
			if p := c.Spec.Parameters; p != nil {
				parameters = p.Kind
				if p.APIGroup != nil {
					parameters += "." + *p.APIGroup
				}
				parameters += "/" + p.Name
			}
			return []any{name, c.Spec.Controller, parameters, column.Since(c.CreationTimestamp)}
		},
	}.Kind()
}
