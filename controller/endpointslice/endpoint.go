package endpointslice

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/keelson-project/keelson/controller/owned"
)

// Belongs reports whether the pod has, or will keep, a place among a service's
// endpoints: it has an address and has not ended for good.
func Belongs(pod *corev1.Pod, includeTerminating bool) bool {
	if owned.IsFinished(pod) || pod.Status.PodIP == "" && len(pod.Status.PodIPs) == 0 {
		return false
	}
	return includeTerminating || pod.DeletionTimestamp == nil
}

// HostnameOf returns the pod's name within the service's DNS domain, if it has one.
func HostnameOf(pod *corev1.Pod, service *corev1.Service) string {
	if pod.Spec.Hostname != "" && pod.Spec.Subdomain == service.Name && service.Namespace == pod.Namespace {
		return pod.Spec.Hostname
	}
	return ""
}

// PortOf returns the number of the pod's port that the service port leads to; false if
// it is a name no container of the pod uses.
func PortOf(pod *corev1.Pod, port *corev1.ServicePort) (int32, bool) {
	if port.TargetPort.Type == intstr.Int {
		return port.TargetPort.IntVal, true
	}
	find := func(containers []corev1.Container, sidecarsOnly bool) (int32, bool) {
		for _, c := range containers {
			if sidecarsOnly && ptr.Deref(c.RestartPolicy, "") != corev1.ContainerRestartPolicyAlways {
				continue
			}
			for _, p := range c.Ports {
				if p.Name == port.TargetPort.StrVal && p.Protocol == port.Protocol {
					return p.ContainerPort, true
				}
			}
		}
		return 0, false
	}
	if n, ok := find(pod.Spec.Containers, false); ok {
		return n, true
	}
	return find(pod.Spec.InitContainers, true)
}

// addressTypes are the families that the service has endpoints in.
func addressTypes(service *corev1.Service) []discoveryv1.AddressType {
	var some []discoveryv1.AddressType
	for _, family := range service.Spec.IPFamilies {
		switch family {
		case corev1.IPv4Protocol:
			some = append(some, discoveryv1.AddressTypeIPv4)
		case corev1.IPv6Protocol:
			some = append(some, discoveryv1.AddressTypeIPv6)
		}
	}
	if len(some) > 0 {
		return some
	}
	if hasClusterIP(service) {
		if ip, err := netip.ParseAddr(service.Spec.ClusterIP); err == nil && ip.Is6() {
			return []discoveryv1.AddressType{discoveryv1.AddressTypeIPv6}
		}
		return []discoveryv1.AddressType{discoveryv1.AddressTypeIPv4}
	}
	return []discoveryv1.AddressType{discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6}
}

func hasClusterIP(service *corev1.Service) bool {
	return service.Spec.ClusterIP != "" && service.Spec.ClusterIP != corev1.ClusterIPNone
}

// addressesOf are the pod's addresses of one family, in canonical form.
func addressesOf(pod *corev1.Pod, family discoveryv1.AddressType) []string {
	var some []string
	for _, podIP := range pod.Status.PodIPs {
		ip, err := netip.ParseAddr(podIP.IP)
		if err != nil {
			continue
		}
		ip = ip.Unmap()
		if ip.Is6() == (family == discoveryv1.AddressTypeIPv6) {
			some = append(some, ip.String())
		}
	}
	return some
}

// portsOf are the pod's ports for the service. Pods may differ in them, where the
// service names its target ports.
func portsOf(pod *corev1.Pod, service *corev1.Service) []discoveryv1.EndpointPort {
	ports := []discoveryv1.EndpointPort{}
	for i := range service.Spec.Ports {
		p := &service.Spec.Ports[i]
		number, ok := PortOf(pod, p)
		if !ok {
			continue
		}
		ports = append(ports, discoveryv1.EndpointPort{
			Name:        ptr.To(p.Name),
			Protocol:    ptr.To(p.Protocol),
			Port:        ptr.To(number),
			AppProtocol: p.AppProtocol,
		})
	}
	return ports
}

// endpointOf is the pod as an endpoint of the service; node may be nil. It has no
// addresses if the pod has none of the family.
func endpointOf(pod *corev1.Pod, service *corev1.Service, node *corev1.Node, family discoveryv1.AddressType) discoveryv1.Endpoint {
	serving := owned.IsReady(pod)
	terminating := pod.DeletionTimestamp != nil
	ready := service.Spec.PublishNotReadyAddresses || serving && !terminating
	ep := discoveryv1.Endpoint{
		Addresses: addressesOf(pod, family),
		Conditions: discoveryv1.EndpointConditions{
			Ready:       &ready,
			Serving:     &serving,
			Terminating: &terminating,
		},
		TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
	}
	if pod.Spec.NodeName != "" {
		ep.NodeName = ptr.To(pod.Spec.NodeName)
	}
	if node != nil && node.Labels[corev1.LabelTopologyZone] != "" {
		ep.Zone = ptr.To(node.Labels[corev1.LabelTopologyZone])
	}
	if hostname := HostnameOf(pod, service); hostname != "" {
		ep.Hostname = &hostname
	}
	return ep
}

// identity tells endpoints of a service apart, whatever their state.
type identity struct {
	address string
	pod     types.UID
}

func identityOf(ep *discoveryv1.Endpoint) identity {
	var id identity
	if len(ep.Addresses) > 0 {
		id.address = ep.Addresses[0]
	}
	if ep.TargetRef != nil {
		id.pod = ep.TargetRef.UID
	}
	return id
}
