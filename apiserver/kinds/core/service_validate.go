package core

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

func validateService(s, old *corev1.Service) field.ErrorList {
	e, p, spec := &check.Errors{}, field.NewPath("spec"), &s.Spec
	hints, hinted := s.Annotations[corev1.DeprecatedAnnotationTopologyAwareHints]
	if mode, ok := s.Annotations[corev1.AnnotationTopologyMode]; ok && hinted && mode != hints {
		e.Invalid(field.NewPath("metadata", "annotations").Key(corev1.AnnotationTopologyMode), mode, fmt.Sprintf("must match annotations[%s] when both are specified", corev1.DeprecatedAnnotationTopologyAwareHints))
	}
	if len(spec.Ports) == 0 && !headless(s) && spec.Type != corev1.ServiceTypeExternalName {
		e.Required(p.Child("ports"), "")
	}
	switch spec.Type {
	case corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeNodePort:
		if headless(s) {
			e.Invalid(p.Child("clusterIPs").Index(0), spec.ClusterIPs[0], fmt.Sprintf("may not be set to 'None' for %s services", spec.Type))
		}
	case corev1.ServiceTypeExternalName:
		externalName(e, p, spec)
	}
	servicePortsValid(e, p.Child("ports"), s)
	e.Labels(p.Child("selector"), spec.Selector)
	sessionAffinity(e, p, spec)
	e.Add(ServiceIPs(s, old)...)
	var oldIPs []string
	if old != nil {
		oldIPs = old.Spec.ExternalIPs
	}
	for i, ip := range spec.ExternalIPs {
		at, before := p.Child("externalIPs").Index(i), len(e.List)
		if e.IP(at, ip, oldIPs...); len(e.List) == before {
			e.EndpointIP(at, ip)
		}
	}
	check.RequiredOneOf(e, p.Child("type"), spec.Type, corev1.ServiceTypeClusterIP, corev1.ServiceTypeExternalName, corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeNodePort)
	servicePortNumbers(e, p.Child("ports"), s)
	loadBalancer(e, p, s, old)
	trafficPolicies(e, p, s)
	return e.List
}

func headless(s *corev1.Service) bool {
	return len(s.Spec.ClusterIPs) == 1 && s.Spec.ClusterIPs[0] == corev1.ClusterIPNone
}

func externalName(e *check.Errors, p *field.Path, spec *corev1.ServiceSpec) {
	for _, f := range []struct {
		set  bool
		name string
	}{{len(spec.ClusterIPs) > 0, "clusterIPs"}, {len(spec.IPFamilies) > 0, "ipFamilies"}, {spec.IPFamilyPolicy != nil, "ipFamilyPolicy"}} {
		if f.set {
			e.Forbidden(p.Child(f.name), "may not be set for ExternalName services")
		}
	}
	if name := strings.TrimSuffix(spec.ExternalName, "."); name == "" {
		e.Required(p.Child("externalName"), "")
	} else {
		e.DNSSubdomain(p.Child("externalName"), name)
	}
}

func servicePortsValid(e *check.Errors, p *field.Path, s *corev1.Service) {
	names := map[string]bool{}
	for i := range s.Spec.Ports {
		port, at := &s.Spec.Ports[i], p.Index(i)
		if port.Name != "" {
			e.DNSLabel(at.Child("name"), port.Name)
			if names[port.Name] {
				e.Duplicate(at.Child("name"), port.Name)
			}
			names[port.Name] = true
		} else if len(s.Spec.Ports) > 1 {
			e.Required(at.Child("name"), "")
		}
		e.Port(at.Child("port"), port.Port)
		check.RequiredOneOf(e, at.Child("protocol"), port.Protocol, corev1.ProtocolSCTP, corev1.ProtocolTCP, corev1.ProtocolUDP)
		e.PortOrName(at.Child("targetPort"), port.TargetPort)
		if port.AppProtocol != nil {
			e.QualifiedName(at.Child("appProtocol"), *port.AppProtocol)
		}
	}
}

// servicePortNumbers refuses numbers that the type does not have, and those
// that are there twice for a protocol.
func servicePortNumbers(e *check.Errors, p *field.Path, s *corev1.Service) {
	ports := s.Spec.Ports
	for i := range ports {
		if ports[i].NodePort != 0 && s.Spec.Type == corev1.ServiceTypeClusterIP {
			e.Forbidden(p.Index(i).Child("nodePort"), "may not be used when `type` is 'ClusterIP'")
		}
	}
	for i, x := range ports {
		same := func(y corev1.ServicePort) bool { return x.Protocol == y.Protocol && x.NodePort == y.NodePort }
		if x.NodePort != 0 && slices.ContainsFunc(ports[:i], same) {
			e.Duplicate(p.Index(i).Child("nodePort"), x.NodePort)
		}
	}
	for i, x := range ports {
		same := func(y corev1.ServicePort) bool { return x.Protocol == y.Protocol && x.Port == y.Port }
		if slices.ContainsFunc(ports[:i], same) {
			e.Duplicate(p.Index(i), corev1.ServicePort{Protocol: x.Protocol, Port: x.Port})
		}
	}
}

func sessionAffinity(e *check.Errors, p *field.Path, spec *corev1.ServiceSpec) {
	check.RequiredOneOf(e, p.Child("sessionAffinity"), spec.SessionAffinity, corev1.ServiceAffinityClientIP, corev1.ServiceAffinityNone)
	at, config := p.Child("sessionAffinityConfig"), spec.SessionAffinityConfig
	const missing = "when session affinity type is ClientIP"
	switch spec.SessionAffinity {
	case corev1.ServiceAffinityNone:
		if config != nil {
			e.Forbidden(at, "must not be set when session affinity is None")
		}
	case corev1.ServiceAffinityClientIP:
		switch {
		case config == nil:
			e.Required(at, missing)
		case config.ClientIP == nil:
			e.Required(at.Child("clientIP"), missing)
		case config.ClientIP.TimeoutSeconds == nil:
			e.Required(at.Child("clientIP", "timeoutSeconds"), missing)
		default:
			const most = 86400
			if s := config.ClientIP.TimeoutSeconds; *s <= 0 || *s > most {
				e.Invalid(at.Child("clientIP", "timeoutSeconds"), s, fmt.Sprintf("must be greater than 0 and less than %d", most))
			}
		}
	}
}

// ServiceIPs returns what is wrong with the cluster's addresses of a service
// and their families; old is the service as it was, or nil.
func ServiceIPs(s, old *corev1.Service) field.ErrorList {
	e, spec, p := &check.Errors{}, &s.Spec, field.NewPath("spec")
	if spec.Type == corev1.ServiceTypeExternalName {
		return nil
	}
	at := p.Child("clusterIPs")
	switch {
	case spec.ClusterIP != "" && len(spec.ClusterIPs) == 0:
		e.Required(at, "")
	case spec.ClusterIP != "" && spec.ClusterIPs[0] != spec.ClusterIP:
		e.Invalid(at, spec.ClusterIPs, "first value must match `clusterIP`")
	case spec.ClusterIP == "" && len(spec.ClusterIPs) > 0:
		e.Invalid(at, spec.ClusterIPs, "must be empty when `clusterIP` is not specified")
	}
	for i, family := range spec.IPFamilies {
		check.OneOf(e, p.Child("ipFamilies").Index(i), family, corev1.IPv4Protocol, corev1.IPv6Protocol)
		if slices.Contains(spec.IPFamilies[:i], family) {
			e.Duplicate(p.Child("ipFamilies").Index(i), family)
		}
	}
	check.OptionalOneOf(e, p.Child("ipFamilyPolicy"), spec.IPFamilyPolicy, corev1.IPFamilyPolicyPreferDualStack, corev1.IPFamilyPolicyRequireDualStack, corev1.IPFamilyPolicySingleStack)
	var known []string
	if old != nil {
		known = old.Spec.ClusterIPs
	}
	valid := true
	for i, ip := range spec.ClusterIPs {
		if i == 0 && ip == corev1.ClusterIPNone {
			if len(spec.ClusterIPs) > 1 {
				valid = false
				e.Invalid(at, spec.ClusterIPs, "'None' must be the first and only value")
			}
			continue
		}
		before := len(e.List)
		e.IP(at.Index(i), ip, known...)
		valid = valid && len(e.List) == before
	}
	if len(spec.ClusterIPs) > 2 {
		e.Invalid(at, spec.ClusterIPs, "may only hold up to 2 values")
	}
	if !valid {
		return e.List
	}
	if len(spec.ClusterIPs) > 1 {
		if dual, err := netutils.IsDualStackIPStrings(spec.ClusterIPs); err != nil || !dual {
			e.Invalid(at, spec.ClusterIPs, "may specify no more than one IP for each IP family")
		}
	}
	if headless(s) {
		return e.List
	}
	for i, ip := range spec.ClusterIPs[:min(len(spec.ClusterIPs), len(spec.IPFamilies))] {
		if family := spec.IPFamilies[i]; family == corev1.IPv4Protocol && netutils.IsIPv6String(ip) || family == corev1.IPv6Protocol && !netutils.IsIPv6String(ip) {
			e.Invalid(at.Index(i), ip, fmt.Sprintf("expected an %s value as indicated by `ipFamilies[%d]`", family, i))
		}
	}
	return e.List
}

const onlyLoadBalancer = "may only be used when `type` is 'LoadBalancer'"

func loadBalancer(e *check.Errors, p *field.Path, s, old *corev1.Service) {
	spec, is := &s.Spec, s.Spec.Type == corev1.ServiceTypeLoadBalancer
	if len(spec.LoadBalancerSourceRanges) > 0 {
		at := p.Child("LoadBalancerSourceRanges")
		if !is {
			e.Forbidden(at, onlyLoadBalancer)
		}
		var known []string
		if old != nil {
			for _, r := range old.Spec.LoadBalancerSourceRanges {
				known = append(known, strings.TrimSpace(r))
			}
		}
		for i, r := range spec.LoadBalancerSourceRanges {
			e.CIDR(at.Index(i), strings.TrimSpace(r), known...)
		}
	} else if value, ok := s.Annotations[corev1.AnnotationLoadBalancerSourceRangesKey]; ok {
		at := field.NewPath("metadata", "annotations").Key(corev1.AnnotationLoadBalancerSourceRangesKey)
		if !is {
			e.Forbidden(at, onlyLoadBalancer)
		}
		if value = strings.TrimSpace(value); value != "" && (old == nil || old.Annotations[corev1.AnnotationLoadBalancerSourceRangesKey] != s.Annotations[corev1.AnnotationLoadBalancerSourceRangesKey]) {
			for r := range strings.SplitSeq(value, ",") {
				e.CIDR(at, strings.TrimSpace(r))
			}
		}
	}
	if spec.AllocateLoadBalancerNodePorts != nil && !is {
		e.Forbidden(p.Child("allocateLoadBalancerNodePorts"), onlyLoadBalancer)
	} else if spec.AllocateLoadBalancerNodePorts == nil && is {
		e.Required(field.NewPath("allocateLoadBalancerNodePorts"), "")
	}
	loadBalancerClass(e, p, s)
}

func loadBalancerClass(e *check.Errors, p *field.Path, s *corev1.Service) {
	switch class := s.Spec.LoadBalancerClass; {
	case class == nil:
	case s.Spec.Type == corev1.ServiceTypeLoadBalancer:
		e.QualifiedName(p.Child("loadBalancerClass"), *class)
	default:
		e.Forbidden(p.Child("loadBalancerClass"), onlyLoadBalancer)
	}
}

func trafficPolicies(e *check.Errors, p *field.Path, s *corev1.Service) {
	spec := &s.Spec
	at := p.Child("externalTrafficPolicy")
	if externallyAccessible(s) {
		check.RequiredOneOf(e, at, spec.ExternalTrafficPolicy, corev1.ServiceExternalTrafficPolicyCluster, corev1.ServiceExternalTrafficPolicyLocal)
	} else if spec.ExternalTrafficPolicy != "" {
		e.Invalid(at, spec.ExternalTrafficPolicy, "may only be set for externally-accessible services")
	}
	switch n, at := spec.HealthCheckNodePort, p.Child("healthCheckNodePort"); {
	case n != 0 && needsHealthPort(s):
		e.Port(at, n)
	case n != 0:
		e.Invalid(at, n, "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'")
	case needsHealthPort(s):
		e.Required(at, "")
	}
	if policy := spec.InternalTrafficPolicy; policy != nil {
		check.OneOf(e, p.Child("internalTrafficPolicy"), *policy, corev1.ServiceInternalTrafficPolicyCluster, corev1.ServiceInternalTrafficPolicyLocal)
	} else if needsNodePort(s) || spec.Type == corev1.ServiceTypeClusterIP {
		e.Required(p.Child("internalTrafficPolicy"), "")
	}
	check.OptionalOneOf(e, p.Child("trafficDistribution"), spec.TrafficDistribution,
		corev1.ServiceTrafficDistributionPreferClose, corev1.ServiceTrafficDistributionPreferSameZone, corev1.ServiceTrafficDistributionPreferSameNode)
}

func validateServiceUpdate(s, old *corev1.Service) field.ErrorList {
	e, p := &check.Errors{}, field.NewPath("spec")
	if needsClusterIP(s) && needsClusterIP(old) {
		if !headless(s) || !headless(old) {
			keptIPs(e, p, s, old)
		}
		if !headless(s) && !headless(old) {
			keptFamilies(e, p, s, old)
		}
	}
	if s.Spec.Type == corev1.ServiceTypeLoadBalancer && old.Spec.Type == corev1.ServiceTypeLoadBalancer && !equal(s.Spec.LoadBalancerClass, old.Spec.LoadBalancerClass) {
		e.Invalid(p.Child("loadBalancerClass"), s.Spec.LoadBalancerClass, "may not change once set")
	}
	loadBalancerClass(e, p, s)
	if needsHealthPort(s) && needsHealthPort(old) && s.Spec.HealthCheckNodePort != old.Spec.HealthCheckNodePort {
		e.Forbidden(p.Child("healthCheckNodePort"), "field is immutable")
	}
	return append(e.List, validateService(s, old)...)
}

func singleStack(s *corev1.Service) bool {
	return s.Spec.IPFamilyPolicy != nil && *s.Spec.IPFamilyPolicy == corev1.IPFamilyPolicySingleStack
}

// keptIPs refuses to change addresses; a second may come and go.
func keptIPs(e *check.Errors, p *field.Path, s, old *corev1.Service) {
	at, ips, was := p.Child("clusterIPs"), s.Spec.ClusterIPs, old.Spec.ClusterIPs
	if len(ips) == len(was) {
		for i := range ips {
			if ips[i] != was[i] {
				e.Invalid(at.Index(i), ips, "may not change once set")
			}
		}
		return
	}
	if len(ips) == 0 {
		e.Invalid(at.Index(0), ips, "primary clusterIP can not be unset")
	} else if len(was) > 0 && ips[0] != was[0] {
		e.Invalid(at.Index(0), ips, "may not change once set")
	}
	if len(ips) == 1 && len(was) > 1 && !singleStack(s) {
		e.Invalid(p.Child("ipFamilyPolicy"), s.Spec.IPFamilyPolicy, "must be set to 'SingleStack' when releasing the secondary clusterIP")
	}
}

// keptFamilies refuses to change the first family; a second may come and go.
func keptFamilies(e *check.Errors, p *field.Path, s, old *corev1.Service) {
	at, now, was := p.Child("ipFamilies").Index(0), s.Spec.IPFamilies, old.Spec.IPFamilies
	if len(now) == len(was) {
		for i := range now {
			if now[i] != was[i] {
				e.Invalid(at, now, "may not change once set")
			}
		}
		return
	}
	if len(now) < len(was) && len(s.Spec.ClusterIPs) == 0 {
		e.Invalid(at, now, "primary ipFamily can not be unset")
	}
	if len(was) > 0 && len(now) > 0 && now[0] != was[0] {
		e.Invalid(at, s.Spec.ClusterIPs, "may not change once set")
	}
	if len(now) == 1 && len(was) > 1 && !singleStack(s) {
		e.Invalid(p.Child("ipFamilyPolicy"), s.Spec.IPFamilyPolicy, "must be set to 'SingleStack' when releasing the secondary ipFamily")
	}
}

func validateServiceStatus(s, old *corev1.Service) field.ErrorList {
	e, at := &check.Errors{}, field.NewPath("status", "loadBalancer", "ingress")
	ingress := s.Status.LoadBalancer.Ingress
	if s.Spec.Type != corev1.ServiceTypeLoadBalancer && len(ingress) > 0 {
		e.Forbidden(at, "may only be used when `spec.type` is 'LoadBalancer'")
		return e.List
	}
	known := sets.New[string]()
	for _, in := range old.Status.LoadBalancer.Ingress {
		known.Insert(in.IP)
	}
	for i, in := range ingress {
		p := at.Index(i)
		if in.IP != "" {
			e.IP(p.Child("ip"), in.IP, sets.List(known)...)
		}
		switch {
		case in.IPMode == nil && in.IP != "":
			e.Required(p.Child("ipMode"), "must be specified when `ip` is set")
		case in.IPMode != nil && in.IP == "":
			e.Forbidden(p.Child("ipMode"), "may not be specified when `ip` is not set")
		default:
			check.OptionalOneOf(e, p.Child("ipMode"), in.IPMode, corev1.LoadBalancerIPModeProxy, corev1.LoadBalancerIPModeVIP)
		}
		if in.Hostname != "" {
			e.DNSSubdomain(p.Child("hostname"), in.Hostname)
			if netutils.ParseIPSloppy(in.Hostname) != nil {
				e.Invalid(p.Child("hostname"), in.Hostname, "must be a DNS name, not an IP address")
			}
		}
	}
	return e.List
}
