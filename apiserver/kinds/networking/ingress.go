package networking

import (
	"context"
	"slices"
	"strconv"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
)

func ingress() *kinds.Kind {
	return kinds.Definition[*networkingv1.Ingress]{
		GVK:        gvk("Ingress"),
		Names:      kinds.Names{Resource: "ingresses", Singular: "ingress", ShortNames: []string{"ing"}},
		Namespaced: true,
		StorageKey: "ingress",
		New:        func() *networkingv1.Ingress { return &networkingv1.Ingress{} },
		NewList:    func() runtime.Object { return &networkingv1.IngressList{} },

		PrepareCreate: func(_ context.Context, in *networkingv1.Ingress) {
			in.Status = networkingv1.IngressStatus{}
			in.Generation = 1
		},
		PrepareUpdate: func(_ context.Context, in, old *networkingv1.Ingress) {
			in.Status = old.Status
			in.Generation = old.Generation
			if !equality.Semantic.DeepEqual(in.Spec, old.Spec) {
				in.Generation++
			}
		},
		UnconditionalUpdate: true,

		HasStatus:           true,
		PrepareStatusUpdate: func(_ context.Context, in, old *networkingv1.Ingress) { in.Spec = old.Spec },

		Validate:       func(_ context.Context, o *networkingv1.Ingress) field.ErrorList { return validateIngress(o) },
		ValidateUpdate: func(_ context.Context, o, _ *networkingv1.Ingress) field.ErrorList { return validateIngressSpec(o) },
		ValidateStatusUpdate: func(_ context.Context, o, old *networkingv1.Ingress) field.ErrorList {
			return validateIngressStatus(o, old)
		},

		Columns: []metav1.TableColumnDefinition{
			column.Name(),
			column.Text("Class", "The name of the IngressClass resource that should be used for additional configuration"),
			column.Text("Hosts", "Hosts that incoming requests are matched against before the ingress rule"),
			column.Text("Address", "Address is a list containing ingress points for the load-balancer"),
			column.Text("Ports", "Ports of TLS configurations that open"),
			column.Age(),
		},
		Cells: func(in *networkingv1.Ingress) []any {
			ports := "80"
			if len(in.Spec.TLS) > 0 {
				ports = "80, 443"
			}
			return []any{
				in.Name, column.Or(in.Spec.IngressClassName, column.None), ingressHosts(in), ingressAddress(in), ports,
				column.Since(in.CreationTimestamp),
			}
		},
	}.Kind()
}

// ingressHosts names the hosts among the first three rules.
func ingressHosts(in *networkingv1.Ingress) string {
	const most = 3
	var hosts []string
	for _, r := range in.Spec.Rules[:min(most, len(in.Spec.Rules))] {
		if r.Host != "" {
			hosts = append(hosts, r.Host)
		}
	}
	if len(hosts) == 0 {
		return "*"
	}
	out := strings.Join(hosts, ",")
	if more := len(in.Spec.Rules) - most; more > 0 && len(hosts) == most {
		out += " + " + strconv.Itoa(more) + " more..."
	}
	return out
}

func ingressAddress(in *networkingv1.Ingress) string {
	var all []string
	for _, i := range in.Status.LoadBalancer.Ingress {
		if i.IP != "" {
			all = append(all, i.IP)
		} else if i.Hostname != "" {
			all = append(all, i.Hostname)
		}
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ",")
}
