package discovery

import (
	"context"
	"maps"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
	declared "github.com/keelson-project/keelson/apiserver/kinds/declarative/discovery/v1"
)

func endpointSlice() *kinds.Kind {
	doc := discoveryv1.EndpointSlice{}.SwaggerDoc()
	return kinds.Definition[*discoveryv1.EndpointSlice]{
		GVK:        gvk("EndpointSlice"),
		Names:      kinds.Names{Resource: "endpointslices", Singular: "endpointslice"},
		Namespaced: true,
		New:        func() *discoveryv1.EndpointSlice { return &discoveryv1.EndpointSlice{} },
		NewList:    func() runtime.Object { return &discoveryv1.EndpointSliceList{} },

		Default: func(s *discoveryv1.EndpointSlice) {
			for i := range s.Ports {
				p := &s.Ports[i]
				if p.Name == nil {
					p.Name = new(string)
				}
				if p.Protocol == nil {
					tcp := corev1.ProtocolTCP
					p.Protocol = &tcp
				}
			}
		},
		PrepareCreate: func(_ context.Context, s *discoveryv1.EndpointSlice) {
			s.Generation = 1
			dropTopology(s)
		},
		PrepareUpdate: func(_ context.Context, s, old *discoveryv1.EndpointSlice) {
			s.Generation = old.Generation
			if s.AddressType != old.AddressType || !maps.Equal(s.Labels, old.Labels) ||
				!equality.Semantic.DeepEqual(s.Endpoints, old.Endpoints) || !equality.Semantic.DeepEqual(s.Ports, old.Ports) {
				s.Generation++
			}
			dropTopology(s)
		},
		UnconditionalUpdate: true,
		Warnings: func(_ context.Context, s, old *discoveryv1.EndpointSlice) []string {
			if old == nil && s.AddressType == discoveryv1.AddressTypeFQDN {
				return []string{"spec.addressType: FQDN endpoints are deprecated"}
			}
			return nil
		},

		Rules:          declared.Validate_EndpointSlice,
		Validate:       func(_ context.Context, o *discoveryv1.EndpointSlice) field.ErrorList { return validate(o, nil) },
		ValidateUpdate: func(_ context.Context, o, old *discoveryv1.EndpointSlice) field.ErrorList { return validate(o, old) },

		Columns: []metav1.TableColumnDefinition{
			column.Name(),
			column.Text("AddressType", doc["addressType"]),
			column.Text("Ports", doc["ports"]),
			column.Text("Endpoints", doc["endpoints"]),
			column.Age(),
		},
		Cells: func(s *discoveryv1.EndpointSlice) []any {
			var ports, addresses []string
			for _, p := range s.Ports {
				switch {
				case p.Port != nil:
					ports = append(ports, strconv.Itoa(int(*p.Port)))
				case p.Name != nil:
					ports = append(ports, *p.Name)
				default:
					ports = append(ports, "*")
				}
			}
			for _, e := range s.Endpoints {
				addresses = append(addresses, e.Addresses...)
			}
			return []any{s.Name, string(s.AddressType), firstThree(ports), firstThree(addresses), column.Since(s.CreationTimestamp)}
		},
	}.Kind()
}

// dropTopology removes the free-form topology, which only the version before
// this one had for writing.
func dropTopology(s *discoveryv1.EndpointSlice) {
	for i := range s.Endpoints {
		s.Endpoints[i].DeprecatedTopology = nil
	}
}

func firstThree(list []string) string {
	if s := column.First(3, list); s != "" {
		return s
	}
	return column.Unset
}
