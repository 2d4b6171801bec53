package networking

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
	declared "github.com/keelson-project/keelson/apiserver/kinds/declarative/networking/v1"
)

func networkPolicy() *kinds.Kind {
	return kinds.Definition[*networkingv1.NetworkPolicy]{
		GVK:        gvk("NetworkPolicy"),
		Names:      kinds.Names{Resource: "networkpolicies", Singular: "networkpolicy", ShortNames: []string{"netpol"}},
		Namespaced: true,
		New:        func() *networkingv1.NetworkPolicy { return &networkingv1.NetworkPolicy{} },
		NewList:    func() runtime.Object { return &networkingv1.NetworkPolicyList{} },

		Default:       defaultNetworkPolicy,
		PrepareCreate: func(_ context.Context, p *networkingv1.NetworkPolicy) { p.Generation = 1 },
		PrepareUpdate: func(_ context.Context, p, old *networkingv1.NetworkPolicy) {
			p.Generation = old.Generation
			if !equality.Semantic.DeepEqual(p.Spec, old.Spec) {
				p.Generation++
			}
		},
		UnconditionalUpdate: true,

		Rules:    declared.Validate_NetworkPolicy,
		Validate: func(_ context.Context, o *networkingv1.NetworkPolicy) field.ErrorList { return validatePolicy(o, nil) },
		ValidateUpdate: func(_ context.Context, o, old *networkingv1.NetworkPolicy) field.ErrorList {
			return validatePolicy(o, old)
		},

		Columns: []metav1.TableColumnDefinition{
			column.Name(), column.Text("Pod-Selector", networkingv1.NetworkPolicySpec{}.SwaggerDoc()["podSelector"]), column.Age(),
		},
		Cells: func(p *networkingv1.NetworkPolicy) []any {
			return []any{p.Name, column.Selector(&p.Spec.PodSelector), column.Since(p.CreationTimestamp)}
		},
	}.Kind()
}

func defaultNetworkPolicy(p *networkingv1.NetworkPolicy) {
	if len(p.Spec.PolicyTypes) == 0 {
		p.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
		if len(p.Spec.Egress) > 0 {
			p.Spec.PolicyTypes = append(p.Spec.PolicyTypes, networkingv1.PolicyTypeEgress)
		}
	}
	ports := func(list []networkingv1.NetworkPolicyPort) {
		for i := range list {
			if list[i].Protocol == nil {
				tcp := corev1.ProtocolTCP
				list[i].Protocol = &tcp
			}
		}
	}
	for i := range p.Spec.Ingress {
		ports(p.Spec.Ingress[i].Ports)
	}
	for i := range p.Spec.Egress {
		ports(p.Spec.Egress[i].Ports)
	}
}
