package endpointslice

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/utils/ptr"
)

// hintsOf are the hints that ep gets under the service's traffic distribution. For an
// endpoint that is not ready those it has stay.
func hintsOf(ep *discoveryv1.Endpoint, distribution string) *discoveryv1.EndpointHints {
	zone, node := false, false
	switch distribution {
	case corev1.ServiceTrafficDistributionPreferClose, corev1.ServiceTrafficDistributionPreferSameZone:
		zone = true
	case corev1.ServiceTrafficDistributionPreferSameNode:
		zone, node = true, true
	default:
		return nil
	}
	if !ptr.Deref(ep.Conditions.Ready, false) {
		return ep.Hints
	}
	hints := &discoveryv1.EndpointHints{}
	if zone && ep.Zone != nil {
		hints.ForZones = []discoveryv1.ForZone{{Name: *ep.Zone}}
	}
	if node && ep.NodeName != nil {
		hints.ForNodes = []discoveryv1.ForNode{{Name: *ep.NodeName}}
	}
	if hints.ForZones == nil && hints.ForNodes == nil {
		return nil
	}
	return hints
}

// settleHints gives every endpoint the hints it should have. Slices that change by
// this alone move into the plan.
func (p *plan) settleHints(existing []*discoveryv1.EndpointSlice, distribution string) {
	touched := make(map[string]bool)
	for _, slice := range p.remove {
		touched[slice.Name] = true
	}
	for _, slice := range p.update {
		touched[slice.Name] = true
		hint(slice, distribution)
	}
	for _, slice := range p.create {
		hint(slice, distribution)
	}
	for _, slice := range existing {
		if touched[slice.Name] {
			continue
		}
		if next := slice.DeepCopy(); hint(next, distribution) {
			p.update = append(p.update, next)
		}
	}
}

func hint(slice *discoveryv1.EndpointSlice, distribution string) (changed bool) {
	for i := range slice.Endpoints {
		want := hintsOf(&slice.Endpoints[i], distribution)
		if !equality.Semantic.DeepEqual(slice.Endpoints[i].Hints, want) {
			slice.Endpoints[i].Hints = want
			changed = true
		}
	}
	return changed
}
