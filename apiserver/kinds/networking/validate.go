package networking

import (
	"net"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

func validatePolicy(n, old *networkingv1.NetworkPolicy) field.ErrorList {
	e, p, s := &check.Errors{}, field.NewPath("spec"), &n.Spec
	var cidrs []string
	if old != nil {
		cidrs = blocks(old)
	}
	e.Selector(p.Child("podSelector"), &s.PodSelector)
	for i, rule := range s.Ingress {
		p := p.Child("ingress").Index(i)
		policyPorts(e, p.Child("ports"), rule.Ports)
		peers(e, p.Child("from"), rule.From, cidrs)
	}
	for i, rule := range s.Egress {
		p := p.Child("egress").Index(i)
		policyPorts(e, p.Child("ports"), rule.Ports)
		peers(e, p.Child("to"), rule.To, cidrs)
	}
	p = p.Child("policyTypes")
	if len(s.PolicyTypes) > 2 {
		e.Invalid(p, &s.PolicyTypes, "may not specify more than two policyTypes")
		return e.List
	}
	for i, t := range s.PolicyTypes {
		check.OneOf(e, p.Index(i), t, networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress)
	}
	return e.List
}

// blocks are the address ranges in a policy.
func blocks(n *networkingv1.NetworkPolicy) (cidrs []string) {
	add := func(peers []networkingv1.NetworkPolicyPeer) {
		for _, peer := range peers {
			if b := peer.IPBlock; b != nil {
				cidrs = append(append(cidrs, b.CIDR), b.Except...)
			}
		}
	}
	for _, r := range n.Spec.Ingress {
		add(r.From)
	}
	for _, r := range n.Spec.Egress {
		add(r.To)
	}
	return cidrs
}

func policyPorts(e *check.Errors, p *field.Path, list []networkingv1.NetworkPolicyPort) {
	for i, port := range list {
		p := p.Index(i)
		check.OptionalOneOf(e, p.Child("protocol"), port.Protocol, corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP)
		end, endPath := port.EndPort, p.Child("endPort")
		if port.Port != nil && port.Port.Type == intstr.Int {
			e.Port(p.Child("port"), port.Port.IntVal)
			if end != nil {
				if *end < port.Port.IntVal {
					e.Invalid(endPath, *end, "must be greater than or equal to `port`")
				}
				e.Port(endPath, *end)
			}
			continue
		}
		if port.Port != nil {
			e.PortOrName(p.Child("port"), *port.Port)
		}
		if end != nil && port.Port != nil {
			e.Invalid(endPath, *end, "may not be specified when `port` is non-numeric")
		} else if end != nil {
			e.Invalid(endPath, *end, "may not be specified when `port` is not specified")
		}
	}
}

func peers(e *check.Errors, p *field.Path, list []networkingv1.NetworkPolicyPeer, old []string) {
	for i, peer := range list {
		p := p.Index(i)
		if peer.PodSelector != nil {
			e.Selector(p.Child("podSelector"), peer.PodSelector)
		}
		if peer.NamespaceSelector != nil {
			e.Selector(p.Child("namespaceSelector"), peer.NamespaceSelector)
		}
		selects := peer.PodSelector != nil || peer.NamespaceSelector != nil
		switch {
		case peer.IPBlock != nil:
			ipBlock(e, p.Child("ipBlock"), peer.IPBlock, old)
			if selects {
				e.Forbidden(p, "may not specify both ipBlock and another peer")
			}
		case !selects:
			e.Required(p, "must specify a peer")
		}
	}
}

func ipBlock(e *check.Errors, p *field.Path, b *networkingv1.IPBlock, old []string) {
	if b.CIDR == "" {
		return
	}
	e.CIDR(p.Child("cidr"), b.CIDR, old...)
	_, whole, err := netutils.ParseCIDRSloppy(b.CIDR)
	if err != nil {
		return
	}
	for i, except := range b.Except {
		at := p.Child("except").Index(i)
		e.CIDR(at, except, old...)
		if _, part, err := netutils.ParseCIDRSloppy(except); err == nil && !within(part, whole) {
			e.Invalid(at, except, "must be a strict subset of `cidr`")
		}
	}
}

// within reports whether a range is a true part of another one.
func within(part, whole *net.IPNet) bool {
	n, _ := part.Mask.Size()
	m, _ := whole.Mask.Size()
	return whole.Contains(part.IP) && n > m
}

func validateAddress(a *networkingv1.IPAddress) field.ErrorList {
	e, p, ref := &check.Errors{}, field.NewPath("spec", "parentRef"), a.Spec.ParentRef
	if ref == nil {
		return nil
	}
	if ref.Group != "" {
		e.DNSSubdomain(p.Child("group"), ref.Group)
	}
	e.Messages(p.Child("resource"), ref.Resource, content.IsPathSegmentName(ref.Resource))
	e.Messages(p.Child("name"), ref.Name, content.IsPathSegmentName(ref.Name))
	e.Messages(p.Child("namespace"), ref.Namespace, content.IsPathSegmentName(ref.Namespace))
	return e.List
}

func validateAddressUpdate(a, old *networkingv1.IPAddress) field.ErrorList {
	e, ref := &check.Errors{List: validateAddress(a)}, a.Spec.ParentRef
	if ref != nil && !equality.Semantic.DeepEqual(ref, old.Spec.ParentRef) {
		// The rules below are not asked where the whole is found changed.
		e.NotEmpty(field.NewPath("spec", "parentRef", "resource"), ref.Resource)
		e.NotEmpty(field.NewPath("spec", "parentRef", "name"), ref.Name)
	}
	return e.List
}

func cidrsPath() *field.Path { return field.NewPath("spec", "cidrs") }

func validateServiceCIDR(c *networkingv1.ServiceCIDR) field.ErrorList {
	e, p, cidrs := &check.Errors{}, cidrsPath(), c.Spec.CIDRs
	switch {
	case len(cidrs) == 0:
		e.Required(p, "at least one CIDR required")
		return e.List
	case len(cidrs) > 2:
		e.Invalid(p, &c.Spec, "may only hold up to 2 values")
		return e.List
	}
	var families []bool
	for i, cidr := range cidrs {
		e.Add(validation.IsValidCIDR(p.Index(i), cidr)...)
		if x, err := netip.ParsePrefix(cidr); err == nil {
			families = append(families, x.Addr().Is4())
		}
	}
	if len(families) == 2 && families[0] == families[1] {
		e.Invalid(p, cidrs, "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64")
	}
	return e.List
}

// validateServiceCIDRUpdate lets ranges of one family be joined by one of the
// other.
func validateServiceCIDRUpdate(c, old *networkingv1.ServiceCIDR) field.ErrorList {
	e, now, was := &check.Errors{}, c.Spec.CIDRs, old.Spec.CIDRs
	joined := len(was) == 1 && len(now) == 2
	if len(now) != len(was) && !joined {
		e.Invalid(cidrsPath(), now, check.Immutable)
		return e.List
	}
	for i, cidr := range was {
		if now[i] != cidr {
			e.Invalid(cidrsPath().Index(i), now[i], check.Immutable)
		}
	}
	if joined {
		e.Add(validateServiceCIDR(c)...)
	}
	return e.List
}
