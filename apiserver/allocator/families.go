package allocator

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// keep puts into svc what old was given and a client that replaces a service
// by what it once applied does not name.
func keep(svc, old *corev1.Service) {
	if needsIP(old) && needsIP(svc) {
		if svc.Spec.ClusterIP == "" && len(svc.Spec.ClusterIPs) == 0 {
			svc.Spec.ClusterIP, svc.Spec.ClusterIPs = old.Spec.ClusterIP, slices.Clone(old.Spec.ClusterIPs)
		}
	}
	if needsPorts(old) && needsPorts(svc) {
		type key struct {
			protocol corev1.Protocol
			port     int32
		}
		given := map[key]int32{}
		for _, p := range old.Spec.Ports {
			given[key{p.Protocol, p.Port}] = p.NodePort
		}
		used := portsOf(svc)
		for i := range svc.Spec.Ports {
			p := &svc.Spec.Ports[i]
			if had := given[key{p.Protocol, p.Port}]; p.NodePort == 0 && had != 0 && !slices.Contains(used, had) {
				p.NodePort = had
			}
		}
	}
	if needsHealthPort(old) && needsHealthPort(svc) && svc.Spec.HealthCheckNodePort == 0 {
		svc.Spec.HealthCheckNodePort = old.Spec.HealthCheckNodePort
	}
}

// setFamilies completes ipFamilyPolicy and ipFamilies from each other, from
// the addresses named and from what the cluster has.
func (a *Allocator) setFamilies(svc, old *corev1.Service) field.ErrorList {
	spec := &svc.Spec
	if spec.Type == corev1.ServiceTypeExternalName {
		return nil
	}
	if len(spec.ClusterIPs) == 0 && spec.ClusterIP != "" {
		spec.ClusterIPs = []string{spec.ClusterIP}
	}
	path := field.NewPath("spec")
	if old != nil && spec.IPFamilyPolicy != nil && *spec.IPFamilyPolicy == corev1.IPFamilyPolicySingleStack {
		// Going back to one family may leave the second of each list behind.
		if len(spec.IPFamilies) == 2 && slices.Equal(spec.IPFamilies, old.Spec.IPFamilies) {
			spec.IPFamilies = spec.IPFamilies[:1]
		}
		if len(spec.ClusterIPs) == 2 && slices.Equal(spec.ClusterIPs, old.Spec.ClusterIPs) {
			spec.ClusterIPs = spec.ClusterIPs[:1]
		}
	}
	dual := len(spec.ClusterIPs) == 2 || len(spec.IPFamilies) == 2
	if dual && spec.IPFamilyPolicy == nil {
		policy := corev1.IPFamilyPolicyRequireDualStack
		if old == nil {
			return field.ErrorList{field.Invalid(path.Child("ipFamilyPolicy"), spec.IPFamilyPolicy, "must be RequireDualStack or PreferDualStack when multiple clusterIPs or ipFamilies are specified")}
		}
		spec.IPFamilyPolicy = &policy
	}
	for i, text := range spec.ClusterIPs {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			break // "None", or for validation to refuse
		}
		if i >= len(spec.IPFamilies) {
			spec.IPFamilies = append(spec.IPFamilies, familyOf(ip))
		} else if spec.IPFamilies[i] != familyOf(ip) {
			return field.ErrorList{field.Invalid(path.Child("ipFamilies").Index(i), spec.IPFamilies, fmt.Sprintf("expected to match spec.clusterIPs[%d] (%s)", i, text))}
		}
	}
	selectorless := headless(svc) && len(svc.Spec.Selector) == 0
	if spec.IPFamilyPolicy == nil {
		policy := corev1.IPFamilyPolicySingleStack
		if selectorless {
			policy = corev1.IPFamilyPolicyRequireDualStack
		}
		spec.IPFamilyPolicy = &policy
	}
	if len(spec.IPFamilies) == 0 {
		spec.IPFamilies = []corev1.IPFamily{a.families[0]}
	}
	if !selectorless {
		for i, f := range spec.IPFamilies {
			if !slices.Contains(a.families, f) {
				return field.ErrorList{field.Invalid(path.Child("ipFamilies").Index(i), f, "not configured on this cluster")}
			}
		}
		if *spec.IPFamilyPolicy == corev1.IPFamilyPolicyRequireDualStack && len(a.families) < 2 {
			return field.ErrorList{field.Invalid(path.Child("ipFamilyPolicy"), spec.IPFamilyPolicy, "this cluster is not configured for dual-stack services")}
		}
	}
	if len(spec.IPFamilies) == 1 && *spec.IPFamilyPolicy != corev1.IPFamilyPolicySingleStack && (selectorless || len(a.families) == 2) {
		other := corev1.IPv6Protocol
		if spec.IPFamilies[0] == corev1.IPv6Protocol {
			other = corev1.IPv4Protocol
		}
		spec.IPFamilies = append(spec.IPFamilies, other)
	}
	return nil
}

func without(list, remove []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(list), func(ip netip.Addr) bool { return slices.Contains(remove, ip) })
}

func withoutPorts(list, remove []int32) []int32 {
	return slices.DeleteFunc(slices.Clone(list), func(p int32) bool { return slices.Contains(remove, p) })
}
