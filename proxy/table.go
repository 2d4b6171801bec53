package proxy

import (
	"slices"

	"k8s.io/apimachinery/pkg/types"
)

// table is the ports of all services as they are, or are about to be, in the
// backend.
type table struct {
	source source
	ports  map[types.NamespacedName][]ServicePort
	checks map[types.NamespacedName]healthCheck // of services that have one
}

func newTable(from source) *table {
	return &table{source: from, ports: make(map[types.NamespacedName][]ServicePort), checks: make(map[types.NamespacedName]healthCheck)}
}

// update works one service out anew and returns what is different.
func (t *table) update(key types.NamespacedName, node Node) (set []ServicePort, removed []PortName) {
	var now []ServicePort
	delete(t.checks, key)
	if service := t.source.service(key); service != nil {
		endpointSlices := t.source.endpointSlices(key)
		now = ServicePorts(service, endpointSlices, node)
		if check := healthCheckOf(service, endpointSlices, node); check.port != 0 {
			t.checks[key] = check
		}
	}
	before := t.ports[key]
	for i := range now {
		j := slices.IndexFunc(before, func(p ServicePort) bool { return p.Name == now[i].Name })
		if j < 0 || !equal(&before[j], &now[i]) {
			set = append(set, now[i])
		}
	}
	for i := range before {
		if !slices.ContainsFunc(now, func(p ServicePort) bool { return p.Name == before[i].Name }) {
			removed = append(removed, before[i].Name)
		}
	}
	if len(now) == 0 {
		delete(t.ports, key)
	} else {
		t.ports[key] = now
	}
	return set, removed
}

// all are the ports of all services, in no order.
func (t *table) all() []ServicePort {
	var all []ServicePort
	for _, ports := range t.ports {
		all = append(all, ports...)
	}
	return all
}

func equal(a, b *ServicePort) bool {
	return a.Name == b.Name && a.Port == b.Port && a.NodePort == b.NodePort &&
		a.AffinityTimeout == b.AffinityTimeout &&
		a.ExternalLocal == b.ExternalLocal && a.InternalLocal == b.InternalLocal &&
		slices.Equal(a.ClusterIPs, b.ClusterIPs) &&
		slices.Equal(a.ExternalIPs, b.ExternalIPs) &&
		slices.Equal(a.LoadBalancerIPs, b.LoadBalancerIPs) &&
		slices.Equal(a.SourceRanges, b.SourceRanges) &&
		slices.Equal(a.Endpoints, b.Endpoints) &&
		slices.Equal(a.ExternalEndpoints, b.ExternalEndpoints)
}
