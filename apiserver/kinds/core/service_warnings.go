package core

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func serviceWarnings(_ context.Context, o, _ *corev1.Service) []string {
	var out []string
	s, p := &o.Spec, field.NewPath("spec")
	if _, ok := o.Annotations[corev1.DeprecatedAnnotationTopologyAwareHints]; ok {
		out = append(out, fmt.Sprintf("annotation %s is deprecated, please use %s instead", corev1.DeprecatedAnnotationTopologyAwareHints, corev1.AnnotationTopologyMode))
	}
	external := s.Type == corev1.ServiceTypeExternalName
	headless := s.Type == corev1.ServiceTypeClusterIP && s.ClusterIP == corev1.ClusterIPNone
	if !headless && !external {
		for i, ip := range s.ClusterIPs {
			out = append(out, validation.GetWarningsForIP(p.Child("clusterIPs").Index(i), ip)...)
		}
	}
	say := func(ignored bool, text string) {
		if ignored {
			out = append(out, text)
		}
	}
	say(headless && s.LoadBalancerIP != "", "spec.loadBalancerIP is ignored for headless services")
	say(headless && len(s.ExternalIPs) > 0, "spec.externalIPs is ignored for headless services")
	say(headless && s.SessionAffinity != corev1.ServiceAffinityNone, "spec.SessionAffinity is ignored for headless services")
	for i, ip := range s.ExternalIPs {
		out = append(out, validation.GetWarningsForIP(p.Child("externalIPs").Index(i), ip)...)
	}
	say(len(s.ExternalIPs) > 0 && !headless && !external, "spec.externalIPs is deprecated and may no longer be implemented in some clusters")
	if s.LoadBalancerIP != "" {
		out = append(out, validation.GetWarningsForIP(p.Child("loadBalancerIP"), s.LoadBalancerIP)...)
	}
	for i, cidr := range s.LoadBalancerSourceRanges {
		out = append(out, validation.GetWarningsForCIDR(p.Child("loadBalancerSourceRanges").Index(i), cidr)...)
	}
	say(external && len(s.ExternalIPs) > 0, `spec.externalIPs is ignored when spec.type is "ExternalName"`)
	say(!external && s.ExternalName != "", `spec.externalName is ignored when spec.type is not "ExternalName"`)
	say(s.TrafficDistribution != nil && *s.TrafficDistribution == corev1.ServiceTrafficDistributionPreferClose,
		`spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"`)
	return out
}

func serviceStatusWarnings(_ context.Context, s, _ *corev1.Service) (out []string) {
	p := field.NewPath("status", "loadBalancer", "ingress")
	for i, in := range s.Status.LoadBalancer.Ingress {
		if in.IP != "" {
			out = append(out, validation.GetWarningsForIP(p.Index(i), in.IP)...)
		}
	}
	return out
}
