package proxy

import (
	"net/netip"
	"slices"

	discoveryv1 "k8s.io/api/discovery/v1"
)

// candidate is an endpoint of a slice, with what decides whether it is used.
type candidate struct {
	Endpoint
	ready, serving, terminating bool
	zones                       []discoveryv1.ForZone
	nodes                       []discoveryv1.ForNode
}

// gather collects the endpoints of one family that serve the port, ordered by
// address. An endpoint named by several slices counts once; the slice that
// calls it ready is believed, since the other is older.
func gather(endpointSlices []*discoveryv1.EndpointSlice, family discoveryv1.AddressType, name PortName, nodeName string) []candidate {
	var all []candidate
	for _, slice := range endpointSlices {
		if slice.AddressType != family {
			continue
		}
		port, ok := portOf(slice, name)
		if !ok {
			continue
		}
		for i := range slice.Endpoints {
			if c, ok := newCandidate(&slice.Endpoints[i], port, nodeName); ok {
				all = append(all, c)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int {
		if c := a.Addr.Compare(b.Addr); c != 0 {
			return c
		}
		switch {
		case a.ready == b.ready:
			return 0
		case a.ready:
			return -1
		default:
			return 1
		}
	})
	return slices.CompactFunc(all, func(a, b candidate) bool { return a.Addr == b.Addr })
}

func newCandidate(e *discoveryv1.Endpoint, port uint16, nodeName string) (candidate, bool) {
	if len(e.Addresses) == 0 {
		return candidate{}, false
	}
	// Further addresses stand for the same endpoint and are not used.
	ip, err := netip.ParseAddr(e.Addresses[0])
	if err != nil {
		return candidate{}, false
	}
	is := func(condition *bool, unknown bool) bool {
		if condition == nil {
			return unknown
		}
		return *condition
	}
	c := candidate{
		Endpoint: Endpoint{
			Addr:  netip.AddrPortFrom(ip.Unmap(), port),
			Local: e.NodeName != nil && *e.NodeName == nodeName,
		},
		ready:       is(e.Conditions.Ready, true),
		serving:     is(e.Conditions.Serving, true),
		terminating: is(e.Conditions.Terminating, false),
	}
	if e.Hints != nil {
		c.zones, c.nodes = e.Hints.ForZones, e.Hints.ForNodes
	}
	return c, true
}

// portOf finds the target port of a service port in a slice.
func portOf(slice *discoveryv1.EndpointSlice, name PortName) (uint16, bool) {
	for _, p := range slice.Ports {
		portName := ""
		if p.Name != nil {
			portName = *p.Name
		}
		if portName == name.Port && protocolOf(p.Protocol) == name.Protocol && p.Port != nil {
			return uint16(*p.Port), true
		}
	}
	return 0, false
}

func everywhere(*candidate) bool { return true }

func here(c *candidate) bool { return c.Local }

// topology follows the hints that spread traffic over nodes or zones, as long
// as every ready endpoint has one and they leave this node something.
func topology(all []candidate, node Node) func(*candidate) bool {
	forNode := func(c *candidate) bool {
		return slices.ContainsFunc(c.nodes, func(n discoveryv1.ForNode) bool { return n.Name == node.Name })
	}
	forZone := func(c *candidate) bool {
		return node.Zone != "" && slices.ContainsFunc(c.zones, func(z discoveryv1.ForZone) bool { return z.Name == node.Zone })
	}
	nodesHinted, zonesHinted, anyForNode, anyForZone := true, true, false, false
	for i := range all {
		c := &all[i]
		if !c.ready {
			continue
		}
		nodesHinted = nodesHinted && len(c.nodes) > 0
		zonesHinted = zonesHinted && len(c.zones) > 0
		anyForNode = anyForNode || forNode(c)
		anyForZone = anyForZone || forZone(c)
	}
	switch {
	case nodesHinted && anyForNode:
		return forNode
	case zonesHinted && anyForZone:
		return forZone
	default:
		return everywhere
	}
}
