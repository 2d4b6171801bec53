package discovery

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

// The most there may be of each.
const (
	mostEndpoints = 1000
	mostPorts     = 20000
	mostHints     = 8
)

// validate checks a slice; old is nil for a new one.
func validate(s, old *discoveryv1.EndpointSlice) field.ErrorList {
	e := &check.Errors{}
	if old != nil && s.AddressType != old.AddressType && s.AddressType != "" {
		// The type's own rule is not asked where it is found changed.
		check.OneOf(e, field.NewPath("addressType"), s.AddressType, discoveryv1.AddressTypeFQDN, discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6)
	}
	ports(e, field.NewPath("ports"), s.Ports)
	if old == nil || !equality.Semantic.DeepEqual(s.Endpoints, old.Endpoints) {
		endpoints(e, field.NewPath("endpoints"), s)
	}
	return e.List
}

func ports(e *check.Errors, p *field.Path, list []discoveryv1.EndpointPort) {
	if len(list) > mostPorts {
		e.Add(field.TooMany(p, len(list), mostPorts))
		return
	}
	seen := map[string]bool{}
	for i, port := range list {
		at, name := p.Index(i), ""
		if port.Name != nil {
			name = *port.Name
		}
		if name != "" {
			e.DNSLabel(at.Child("name"), name)
		}
		if seen[name] {
			e.Duplicate(at.Child("name"), name)
		}
		seen[name] = true
		if port.Protocol == nil {
			e.Required(at.Child("protocol"), "")
		} else {
			check.OneOf(e, at.Child("protocol"), *port.Protocol, corev1.ProtocolSCTP, corev1.ProtocolTCP, corev1.ProtocolUDP)
		}
		if port.AppProtocol != nil {
			e.QualifiedName(at.Child("appProtocol"), *port.AppProtocol)
		}
	}
}

func endpoints(e *check.Errors, p *field.Path, s *discoveryv1.EndpointSlice) {
	if len(s.Endpoints) > mostEndpoints {
		e.Add(field.TooMany(p, len(s.Endpoints), mostEndpoints))
		return
	}
	for i := range s.Endpoints {
		ep, at := &s.Endpoints[i], p.Index(i)
		addresses := at.Child("addresses")
		for j, a := range ep.Addresses {
			address(e, addresses, addresses.Index(j), s.AddressType, a)
		}
		if ep.NodeName != nil {
			e.Messages(at.Child("nodeName"), *ep.NodeName, apivalidation.NameIsDNSSubdomain(*ep.NodeName, false))
		}
		if ep.Hostname != nil {
			e.DNSLabel(at.Child("hostname"), *ep.Hostname)
		}
		if ep.Hints != nil {
			hints(e, at.Child("hints"), ep.Hints)
		}
	}
}

func address(e *check.Errors, all, p *field.Path, t discoveryv1.AddressType, a string) {
	before := len(e.List)
	switch t {
	case discoveryv1.AddressTypeIPv4:
		if e.IP(p, a); len(e.List) > before {
			return
		}
		if !netutils.IsIPv4String(a) {
			e.Invalid(all, a, "must be an IPv4 address")
		}
	case discoveryv1.AddressTypeIPv6:
		if e.Add(validation.IsValidIP(p, a)...); len(e.List) > before {
			return
		}
		if !netutils.IsIPv6String(a) {
			e.Invalid(all, a, "must be an IPv6 address")
		}
	case discoveryv1.AddressTypeFQDN:
		e.Add(validation.IsFullyQualifiedDomainName(p, a)...)
		return
	default:
		return
	}
	e.EndpointIP(p, a)
}

func hints(e *check.Errors, p *field.Path, h *discoveryv1.EndpointHints) {
	list := func(at *field.Path, names []string, valid func(string) []string) bool {
		if len(names) > mostHints {
			e.Add(field.TooMany(at, len(names), mostHints))
			return false
		}
		for i, name := range names {
			if slices.Contains(names[:i], name) {
				e.Duplicate(at.Index(i).Child("name"), name)
			}
			e.Messages(at.Index(i).Child("name"), name, valid(name))
		}
		return true
	}
	var zones, nodes []string
	for _, z := range h.ForZones {
		zones = append(zones, z.Name)
	}
	for _, n := range h.ForNodes {
		nodes = append(nodes, n.Name)
	}
	if list(p.Child("forZones"), zones, validation.IsValidLabelValue) {
		list(p.Child("forNodes"), nodes, func(s string) []string { return apivalidation.NameIsDNSSubdomain(s, false) })
	}
}
