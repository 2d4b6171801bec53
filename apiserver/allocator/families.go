package allocator

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"

	"github.com/keelson-project/keelson/apiserver/kinds/core"
)

// settled reports whether a service that prefers two families keeps what it
// has: it is not to gain or lose an address because the cluster changed.
func settled(svc, old *corev1.Service) bool {
	prefers := func(s *corev1.Service) bool {
		return s.Spec.IPFamilyPolicy != nil && *s.Spec.IPFamilyPolicy == corev1.IPFamilyPolicyPreferDualStack
	}
	return old != nil && prefers(svc) && (old.Spec.IPFamilyPolicy == nil || prefers(old)) &&
		svc.Spec.Type == old.Spec.Type && svc.Spec.Type != corev1.ServiceTypeExternalName &&
		slices.Equal(svc.Spec.ClusterIPs, old.Spec.ClusterIPs) && slices.Equal(svc.Spec.IPFamilies, old.Spec.IPFamilies)
}

// setFamilies completes ipFamilyPolicy and ipFamilies from each other, from
// the addresses named and from what the cluster has.
func (a *Allocator) setFamilies(svc, old *corev1.Service) field.ErrorList {
	spec := &svc.Spec
	if spec.Type == corev1.ServiceTypeExternalName || settled(svc, old) {
		return nil
	}
	selectorless := spec.ClusterIP == corev1.ClusterIPNone && len(spec.Selector) == 0
	if spec.IPFamilyPolicy == nil {
		policy := corev1.IPFamilyPolicySingleStack
		if old != nil && old.Spec.IPFamilyPolicy != nil {
			policy = *old.Spec.IPFamilyPolicy
		} else if selectorless {
			policy = corev1.IPFamilyPolicyRequireDualStack
		}
		spec.IPFamilyPolicy = &policy
	}
	if errs := core.ServiceIPs(svc, old); len(errs) > 0 {
		return errs
	}
	if errs := a.agree(svc, old); len(errs) > 0 {
		return errs
	}
	path := field.NewPath("spec")
	if !selectorless {
		// Without a selector, endpoints may be of families that the cluster's
		// own services do not have.
		var errs field.ErrorList
		if *spec.IPFamilyPolicy == corev1.IPFamilyPolicyRequireDualStack && len(a.families) < 2 {
			errs = append(errs, field.Invalid(path.Child("ipFamilyPolicy"), spec.IPFamilyPolicy, "this cluster is not configured for dual-stack services"))
		}
		for i, f := range spec.IPFamilies {
			if !slices.Contains(a.families, f) {
				errs = append(errs, field.Invalid(path.Child("ipFamilies").Index(i), f, "not configured on this cluster"))
			}
		}
		if len(errs) > 0 {
			return errs
		}
	}
	if len(spec.IPFamilies) == 0 {
		spec.IPFamilies = []corev1.IPFamily{a.families[0]}
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

// agree makes the policy and the two lists agree, and completes the families
// by those of the addresses.
func (a *Allocator) agree(svc, old *corev1.Service) (errs field.ErrorList) {
	spec, path := &svc.Spec, field.NewPath("spec")
	policy := path.Child("ipFamilyPolicy")
	refuse := func(what bool, text string) {
		if what {
			errs = append(errs, field.Invalid(policy, spec.IPFamilyPolicy, text))
		}
	}
	single := *spec.IPFamilyPolicy == corev1.IPFamilyPolicySingleStack
	if old != nil && single {
		// Going back to one family may leave the second of each list behind.
		if slices.Equal(spec.ClusterIPs, old.Spec.ClusterIPs) && len(spec.ClusterIPs) > 1 {
			spec.ClusterIPs = spec.ClusterIPs[:1]
		}
		if slices.Equal(spec.IPFamilies, old.Spec.IPFamilies) && len(spec.IPFamilies) > 1 {
			spec.IPFamilies = spec.IPFamilies[:1]
		}
	} else if old != nil {
		refuse(len(spec.ClusterIPs) > 0 && len(spec.ClusterIPs) < len(old.Spec.ClusterIPs), "must be 'SingleStack' to release the secondary cluster IP")
		refuse(len(spec.IPFamilies) > 0 && len(spec.IPFamilies) < len(old.Spec.IPFamilies), "must be 'SingleStack' to release the secondary IP family")
	}
	const both = "must be 'RequireDualStack' or 'PreferDualStack' when multiple "
	refuse(single && len(spec.ClusterIPs) == 2, both+"cluster IPs are specified")
	refuse(single && len(spec.IPFamilies) == 2, both+"IP families are specified")
	for i, ip := range spec.ClusterIPs {
		if ip == corev1.ClusterIPNone {
			break
		}
		if i < len(spec.IPFamilies) {
			continue
		}
		family := corev1.IPv4Protocol
		if netutils.IsIPv6String(ip) {
			family = corev1.IPv6Protocol
		}
		if slices.Contains(a.families, family) {
			spec.IPFamilies = append(spec.IPFamilies, family)
		} else {
			errs = append(errs, field.Invalid(path.Child("clusterIPs").Index(i), spec.ClusterIPs, fmt.Sprintf("%s is not configured on this cluster", family)))
		}
	}
	return errs
}
