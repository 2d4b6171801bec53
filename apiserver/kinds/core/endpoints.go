package core

import (
	"context"

	"net"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
)

func endpoints() *kinds.Kind {
	return kinds.Definition[*corev1.Endpoints]{
		GVK:        gvk("Endpoints"),
		Names:      kinds.Names{Resource: "endpoints", Singular: "endpoints", ShortNames: []string{"ep"}},
		Namespaced: true,
		StorageKey: "services/endpoints",
		New:        func() *corev1.Endpoints { return &corev1.Endpoints{} },
		NewList:    func() runtime.Object { return &corev1.EndpointsList{} },
		Deprecated: "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",

		Default: func(e *corev1.Endpoints) {
			for i := range e.Subsets {
				for j := range e.Subsets[i].Ports {
					if p := &e.Subsets[i].Ports[j]; p.Protocol == "" {
						p.Protocol = corev1.ProtocolTCP
					}
				}
			}
		},
		CreateOnUpdate:      true,
		UnconditionalUpdate: true,
		RecheckName:         true,

		Validate:       func(_ context.Context, o *corev1.Endpoints) field.ErrorList { return validateEndpoints(o, nil) },
		ValidateUpdate: func(_ context.Context, o, old *corev1.Endpoints) field.ErrorList { return validateEndpoints(o, old) },

		Columns: []metav1.TableColumnDefinition{column.Name(), column.Text("Endpoints", corev1.Endpoints{}.SwaggerDoc()["subsets"]), column.Age()},
		Cells: func(e *corev1.Endpoints) []any {
			return []any{e.Name, endpointsCell(e), column.Since(e.CreationTimestamp)}
		},
	}.Kind()
}

func endpointsCell(e *corev1.Endpoints) string {
	if len(e.Subsets) == 0 {
		return column.None
	}
	var all []string
	for _, s := range e.Subsets {
		if len(s.Ports) == 0 {
			for _, a := range s.Addresses {
				all = append(all, a.IP)
			}
		}
		for _, p := range s.Ports {
			for _, a := range s.Addresses {
				all = append(all, net.JoinHostPort(a.IP, strconv.Itoa(int(p.Port))))
			}
		}
	}
	return column.First(3, all)
}
