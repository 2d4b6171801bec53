package proxy

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Node is what the rules of a node depend on.
type Node struct {
	// Name is the node's name in the API.
	Name string
	// Zone is its topology.kubernetes.io/zone label, or empty.
	Zone string
}

// ServicePorts works out the ports of a service from the service itself, its
// EndpointSlices, and the node the rules are for. A service that has no
// address, or leaves the proxying to others, has no ports.
func ServicePorts(service *corev1.Service, endpointSlices []*discoveryv1.EndpointSlice, node Node) []ServicePort {
	if !proxied(service) {
		return nil
	}
	base := addressesOf(service)
	var ports []ServicePort
	for i := range service.Spec.Ports {
		spec := &service.Spec.Ports[i]
		p := base
		p.Name = PortName{
			Service: types.NamespacedName{Namespace: service.Namespace, Name: service.Name},
			Port:    spec.Name, Protocol: protocolOf(&spec.Protocol),
		}
		p.Port, p.NodePort = uint16(spec.Port), uint16(spec.NodePort)
		for _, family := range []discoveryv1.AddressType{discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6} {
			addEndpoints(&p, service, gather(endpointSlices, family, p.Name, node.Name), node)
		}
		ports = append(ports, p)
	}
	return ports
}

// protocolOf is a protocol with the API's default.
func protocolOf(p *corev1.Protocol) corev1.Protocol {
	if p == nil || *p == "" {
		return corev1.ProtocolTCP
	}
	return *p
}

// proxied tells whether the service has addresses for this proxy to serve.
func proxied(service *corev1.Service) bool {
	if _, others := service.Labels[labelServiceProxyName]; others {
		return false
	}
	return service.Spec.Type != corev1.ServiceTypeExternalName &&
		service.Spec.ClusterIP != "" && service.Spec.ClusterIP != corev1.ClusterIPNone
}

// addressesOf fills in what all ports of a service have in common.
func addressesOf(service *corev1.Service) ServicePort {
	var p ServicePort
	spec := &service.Spec
	if len(spec.ClusterIPs) > 0 {
		p.ClusterIPs = parseAddrs(spec.ClusterIPs)
	} else {
		p.ClusterIPs = parseAddrs([]string{spec.ClusterIP})
	}
	p.ExternalIPs = parseAddrs(spec.ExternalIPs)
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		// A load balancer in proxy mode must get its packets itself.
		if ingress.IPMode == nil || *ingress.IPMode == corev1.LoadBalancerIPModeVIP {
			p.LoadBalancerIPs = append(p.LoadBalancerIPs, parseAddrs([]string{ingress.IP})...)
		}
	}
	p.SourceRanges = parseRanges(spec.LoadBalancerSourceRanges)
	if spec.SessionAffinity == corev1.ServiceAffinityClientIP {
		seconds := int32(corev1.DefaultClientIPServiceAffinitySeconds)
		if c := spec.SessionAffinityConfig; c != nil && c.ClientIP != nil && c.ClientIP.TimeoutSeconds != nil {
			seconds = *c.ClientIP.TimeoutSeconds
		}
		p.AffinityTimeout = time.Duration(seconds) * time.Second
	}
	return p
}

func (p *ServicePort) external() bool {
	return p.NodePort != 0 || len(p.ExternalIPs) > 0 || len(p.LoadBalancerIPs) > 0
}

// addEndpoints adds the candidates of one IP family that traffic is to go to.
func addEndpoints(p *ServicePort, service *corev1.Service, all []candidate, node Node) {
	external := p.external()
	internalLocal := service.Spec.InternalTrafficPolicy != nil && *service.Spec.InternalTrafficPolicy == corev1.ServiceInternalTrafficPolicyLocal
	externalLocal := external && service.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal

	var cluster, local []Endpoint
	if !internalLocal || external {
		cluster = usable(all, topology(all, node), everywhere)
	}
	if internalLocal || externalLocal {
		local = usable(all, here, here)
		anywhere := len(usable(all, everywhere, everywhere)) > 0
		p.InternalLocal = p.InternalLocal || internalLocal && anywhere
		p.ExternalLocal = p.ExternalLocal || externalLocal && anywhere
	}
	pick := func(isLocal bool) []Endpoint {
		if isLocal {
			return local
		}
		return cluster
	}
	p.Endpoints = append(p.Endpoints, pick(internalLocal)...)
	if external {
		p.ExternalEndpoints = append(p.ExternalEndpoints, pick(externalLocal)...)
	}
}

// usable are the ready candidates that match preferred. If there are none, those
// among fallback that still serve while they terminate will do, so that a
// service whose pods are all being replaced does not lose connections.
func usable(all []candidate, preferred, fallback func(*candidate) bool) []Endpoint {
	var ready, leaving []Endpoint
	for i := range all {
		c := &all[i]
		switch {
		case c.ready && preferred(c):
			ready = append(ready, c.Endpoint)
		case !c.ready && c.serving && c.terminating && fallback(c):
			leaving = append(leaving, c.Endpoint)
		}
	}
	if len(ready) > 0 {
		return ready
	}
	return leaving
}

func parseAddrs(texts []string) []netip.Addr {
	var addrs []netip.Addr
	for _, text := range texts {
		if a, err := netip.ParseAddr(text); err == nil {
			addrs = append(addrs, a.Unmap())
		}
	}
	return addrs
}

// parseRanges drops all ranges of a family that has one for everybody.
func parseRanges(texts []string) []netip.Prefix {
	var ranges []netip.Prefix
	open := make(map[bool]bool)
	for _, text := range texts {
		if r, err := netip.ParsePrefix(strings.TrimSpace(text)); err == nil {
			ranges = append(ranges, r.Masked())
			open[r.Addr().Is4()] = open[r.Addr().Is4()] || r.Bits() == 0
		}
	}
	return slices.DeleteFunc(ranges, func(r netip.Prefix) bool { return open[r.Addr().Is4()] })
}
