package core

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

func validateEndpoints(ep, old *corev1.Endpoints) field.ErrorList {
	if old != nil && equality.Semantic.DeepEqual(ep.Subsets, old.Subsets) {
		return nil
	}
	e := &check.Errors{}
	for i := range ep.Subsets {
		s, p := &ep.Subsets[i], field.NewPath("subsets").Index(i)
		if len(s.Addresses)+len(s.NotReadyAddresses) == 0 {
			e.Required(p, "must specify `addresses` or `notReadyAddresses`")
		}
		for j := range s.Addresses {
			endpointAddress(e, p.Child("addresses").Index(j), &s.Addresses[j])
		}
		for j := range s.NotReadyAddresses {
			endpointAddress(e, p.Child("notReadyAddresses").Index(j), &s.NotReadyAddresses[j])
		}
		for j, port := range s.Ports {
			at := p.Child("ports").Index(j)
			if port.Name != "" {
				e.DNSLabel(at.Child("name"), port.Name)
			} else if len(s.Ports) > 1 {
				e.Required(at.Child("name"), "")
			}
			e.Port(at.Child("port"), port.Port)
			check.RequiredOneOf(e, at.Child("protocol"), port.Protocol, corev1.ProtocolSCTP, corev1.ProtocolTCP, corev1.ProtocolUDP)
			if port.AppProtocol != nil {
				e.QualifiedName(at.Child("appProtocol"), *port.AppProtocol)
			}
		}
	}
	return e.List
}

func endpointAddress(e *check.Errors, p *field.Path, a *corev1.EndpointAddress) {
	e.IP(p.Child("ip"), a.IP)
	if a.Hostname != "" {
		e.DNSLabel(p.Child("hostname"), a.Hostname)
	}
	if a.NodeName != nil {
		e.Messages(p.Child("nodeName"), *a.NodeName, apivalidation.NameIsDNSSubdomain(*a.NodeName, false))
	}
	e.EndpointIP(p.Child("ip"), a.IP)
}
