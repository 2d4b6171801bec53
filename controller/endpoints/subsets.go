package endpoints

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/keelson-project/keelson/controller/endpointslice"
	"github.com/keelson-project/keelson/controller/owned"
)

// capacity is the most addresses in one object; the rest is cut off and an annotation
// tells so.
const capacity = 1000

// desired is the Endpoints object of the service.
func desired(service *corev1.Service, pods []*corev1.Pod, trigger time.Time) *corev1.Endpoints {
	e := &corev1.Endpoints{
		ObjectMeta: metav1.ObjectMeta{
			Name:        service.Name,
			Namespace:   service.Namespace,
			Labels:      make(map[string]string, len(service.Labels)+2),
			Annotations: make(map[string]string),
		},
		Subsets: subsets(service, pods),
	}
	maps.Copy(e.Labels, service.Labels)
	delete(e.Labels, corev1.IsHeadlessService)
	if service.Spec.ClusterIP == "" || service.Spec.ClusterIP == corev1.ClusterIPNone {
		e.Labels[corev1.IsHeadlessService] = ""
	}
	e.Labels[managedByLabel] = managedBy
	if !trigger.IsZero() {
		e.Annotations[corev1.EndpointsLastChangeTriggerTime] = trigger.UTC().Format(time.RFC3339Nano)
	}
	if truncate(e.Subsets) {
		e.Annotations[corev1.EndpointsOverCapacity] = "truncated"
		e.Subsets = slices.DeleteFunc(e.Subsets, func(s corev1.EndpointSubset) bool { return len(s.Addresses)+len(s.NotReadyAddresses) == 0 })
	}
	return e
}

// subsets groups the addresses of the pods by their ports.
func subsets(service *corev1.Service, pods []*corev1.Pod) []corev1.EndpointSubset {
	byPorts := make(map[string]*corev1.EndpointSubset)
	for _, pod := range pods {
		if !endpointslice.Belongs(pod, service.Spec.PublishNotReadyAddresses) {
			continue
		}
		address, ok := addressOf(service, pod)
		if !ok {
			continue
		}
		ports := portsOf(service, pod)
		if len(ports) == 0 && (len(service.Spec.Ports) > 0 || service.Spec.ClusterIP != corev1.ClusterIPNone) {
			continue
		}
		key := portsKey(ports)
		if byPorts[key] == nil {
			byPorts[key] = &corev1.EndpointSubset{Ports: ports}
		}
		if subset := byPorts[key]; service.Spec.PublishNotReadyAddresses || owned.IsReady(pod) {
			subset.Addresses = append(subset.Addresses, address)
		} else {
			subset.NotReadyAddresses = append(subset.NotReadyAddresses, address)
		}
	}
	out := []corev1.EndpointSubset{}
	for _, key := range slices.Sorted(maps.Keys(byPorts)) {
		subset := byPorts[key]
		slices.SortFunc(subset.Addresses, byAddress)
		slices.SortFunc(subset.NotReadyAddresses, byAddress)
		out = append(out, *subset)
	}
	return out
}

func byAddress(a, b corev1.EndpointAddress) int {
	return cmp.Or(strings.Compare(a.IP, b.IP), cmp.Compare(a.TargetRef.UID, b.TargetRef.UID))
}

// addressOf is the pod's address in the service's first family.
func addressOf(service *corev1.Service, pod *corev1.Pod) (corev1.EndpointAddress, bool) {
	family := corev1.IPFamily("")
	if len(service.Spec.IPFamilies) > 0 {
		family = service.Spec.IPFamilies[0]
	} else if ip, err := netip.ParseAddr(service.Spec.ClusterIP); err == nil {
		family = familyOf(ip)
	}
	ips := []string{pod.Status.PodIP}
	for _, podIP := range pod.Status.PodIPs {
		ips = append(ips, podIP.IP)
	}
	for _, text := range ips {
		ip, err := netip.ParseAddr(text)
		if err != nil || family != "" && familyOf(ip) != family {
			continue
		}
		address := corev1.EndpointAddress{
			IP:        text,
			TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
			Hostname:  endpointslice.HostnameOf(pod, service),
		}
		if pod.Spec.NodeName != "" {
			address.NodeName = ptr.To(pod.Spec.NodeName)
		}
		return address, true
	}
	return corev1.EndpointAddress{}, false
}

func familyOf(ip netip.Addr) corev1.IPFamily {
	if ip.Unmap().Is6() {
		return corev1.IPv6Protocol
	}
	return corev1.IPv4Protocol
}

func portsOf(service *corev1.Service, pod *corev1.Pod) []corev1.EndpointPort {
	var ports []corev1.EndpointPort
	for i := range service.Spec.Ports {
		p := &service.Spec.Ports[i]
		if number, ok := endpointslice.PortOf(pod, p); ok {
			ports = append(ports, corev1.EndpointPort{Name: p.Name, Port: number, Protocol: p.Protocol, AppProtocol: p.AppProtocol})
		}
	}
	slices.SortFunc(ports, func(a, b corev1.EndpointPort) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol))
	})
	return ports
}

// truncate cuts off what is over capacity, addresses that are not ready first, and
// reports whether there was any.
func truncate(all []corev1.EndpointSubset) bool {
	ready, notReady := 0, 0
	for _, s := range all {
		ready += len(s.Addresses)
		notReady += len(s.NotReadyAddresses)
	}
	if ready+notReady <= capacity {
		return false
	}
	readyRoom := min(ready, capacity)
	notReadyRoom := capacity - readyRoom
	for i := range all {
		n := min(len(all[i].Addresses), readyRoom)
		all[i].Addresses = all[i].Addresses[:n]
		readyRoom -= n
		n = min(len(all[i].NotReadyAddresses), notReadyRoom)
		all[i].NotReadyAddresses = all[i].NotReadyAddresses[:n]
		notReadyRoom -= n
	}
	return true
}

// portsKey is the same for the same ports, in an order fit to sort subsets by.
func portsKey(ports []corev1.EndpointPort) string {
	var b strings.Builder
	for _, p := range ports {
		fmt.Fprintf(&b, "%s/%05d/%s/%s,", p.Name, p.Port, p.Protocol, ptr.Deref(p.AppProtocol, ""))
	}
	return b.String()
}
