package endpointslice

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// plan is what to do to a service's slices. Slices to update are copies.
type plan struct {
	create, update, remove []*discoveryv1.EndpointSlice
}

func (p *plan) add(q plan) {
	p.create = append(p.create, q.create...)
	p.update = append(p.update, q.update...)
	p.remove = append(p.remove, q.remove...)
}

// group is the endpoints that share their ports.
type group struct {
	ports     []discoveryv1.EndpointPort
	endpoints map[identity]discoveryv1.Endpoint
}

// groupsOf sorts a service's pods into groups by their ports. nodeOf returns nil for a
// node that is unknown; its pods are left out until it is known, unless not-ready ones
// are wanted too.
func groupsOf(service *corev1.Service, pods []*corev1.Pod, family discoveryv1.AddressType, nodeOf func(string) *corev1.Node) map[string]*group {
	groups := make(map[string]*group)
	for _, pod := range pods {
		if !Belongs(pod, true) {
			continue
		}
		ports := portsOf(pod, service)
		key := portsKey(ports)
		if groups[key] == nil {
			groups[key] = &group{ports: ports, endpoints: make(map[identity]discoveryv1.Endpoint)}
		}
		node := nodeOf(pod.Spec.NodeName)
		if node == nil && !service.Spec.PublishNotReadyAddresses {
			continue
		}
		if ep := endpointOf(pod, service, node, family); len(ep.Addresses) > 0 {
			groups[key].endpoints[identityOf(&ep)] = ep
		}
	}
	return groups
}

// portsKey is the same for the same ports in whatever order.
func portsKey(ports []discoveryv1.EndpointPort) string {
	parts := make([]string, len(ports))
	for i, p := range ports {
		parts[i] = fmt.Sprintf("%s/%s/%d/%s", ptr.Deref(p.Name, ""), ptr.Deref(p.Protocol, corev1.ProtocolTCP), ptr.Deref(p.Port, -1), ptr.Deref(p.AppProtocol, ""))
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}

// planFamily plans the slices of one address family. existing are this service's
// slices of that family.
func planFamily(service *corev1.Service, family discoveryv1.AddressType, groups map[string]*group, existing []*discoveryv1.EndpointSlice, limit int, controller string) plan {
	var p plan
	byPorts := make(map[string][]*discoveryv1.EndpointSlice)
	for _, slice := range existing {
		key := portsKey(slice.Ports)
		if groups[key] == nil || !isOwnedBy(slice, service) {
			p.remove = append(p.remove, slice)
			continue
		}
		byPorts[key] = append(byPorts[key], slice)
	}
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		p.add(planGroup(service, family, groups[key], byPorts[key], limit, controller))
	}
	// A service always has a slice of each family, so that what reads them knows that
	// there are no endpoints, rather than not to know any yet.
	if len(p.remove) == len(existing) && len(p.create) == 0 {
		placeholder := newSlice(service, family, []discoveryv1.EndpointPort{}, controller)
		if i := slices.IndexFunc(p.remove, func(s *discoveryv1.EndpointSlice) bool {
			return len(s.Endpoints) == 0 && len(s.Ports) == 0 && isOwnedBy(s, service) && maps.Equal(s.Labels, placeholder.Labels)
		}); i >= 0 {
			p.remove = slices.Delete(slices.Clone(p.remove), i, i+1)
		} else {
			p.create = append(p.create, placeholder)
		}
	}
	p.reuse()
	return p
}

// planGroup plans the slices of one group: endpoints stay in the slice they are in;
// new ones fill slices that change anyway, then one that has room for all that is
// left, then new slices.
func planGroup(service *corev1.Service, family discoveryv1.AddressType, g *group, existing []*discoveryv1.EndpointSlice, limit int, controller string) plan {
	var p plan
	todo := maps.Clone(g.endpoints)
	var kept []*discoveryv1.EndpointSlice
	existing = slices.SortedFunc(slices.Values(existing), func(a, b *discoveryv1.EndpointSlice) int { return strings.Compare(a.Name, b.Name) })
	for _, slice := range existing {
		next := slice.DeepCopy()
		next.Endpoints = nil
		for i := range slice.Endpoints {
			id := identityOf(&slice.Endpoints[i])
			want, ok := todo[id]
			if !ok {
				continue
			}
			delete(todo, id)
			want.Hints = slice.Endpoints[i].Hints // hints are settled afterwards
			next.Endpoints = append(next.Endpoints, want)
		}
		next.Labels = labelsOf(service, controller)
		switch {
		case len(next.Endpoints) == 0:
			p.remove = append(p.remove, slice)
		case !equality.Semantic.DeepEqual(slice.Endpoints, next.Endpoints) || !maps.Equal(slice.Labels, next.Labels):
			p.update = append(p.update, next)
		default:
			kept = append(kept, slice)
		}
	}

	fresh := slices.SortedFunc(maps.Values(todo), func(a, b discoveryv1.Endpoint) int {
		return cmp.Compare(a.Addresses[0], b.Addresses[0])
	})
	// The fullest first, so that slices get full.
	slices.SortStableFunc(p.update, func(a, b *discoveryv1.EndpointSlice) int { return len(b.Endpoints) - len(a.Endpoints) })
	for _, slice := range p.update {
		n := min(len(fresh), max(0, limit-len(slice.Endpoints)))
		slice.Endpoints = append(slice.Endpoints, fresh[:n]...)
		fresh = fresh[n:]
	}
	for len(fresh) > 0 {
		n := min(len(fresh), limit)
		if i := tightest(kept, limit-n); i >= 0 && n < limit {
			slice := kept[i].DeepCopy()
			kept = slices.Delete(kept, i, i+1)
			slice.Endpoints = append(slice.Endpoints, fresh[:n]...)
			p.update = append(p.update, slice)
		} else {
			slice := newSlice(service, family, g.ports, controller)
			slice.Endpoints = fresh[:n:n]
			p.create = append(p.create, slice)
		}
		fresh = fresh[n:]
	}
	return p
}

// tightest returns the index of the slice with the most endpoints that are no more
// than most, -1 if all have more.
func tightest(some []*discoveryv1.EndpointSlice, most int) int {
	best := -1
	for i, slice := range some {
		if n := len(slice.Endpoints); n <= most && (best < 0 || n > len(some[best].Endpoints)) {
			best = i
		}
	}
	return best
}

// reuse turns a removal and a creation into an update of one object.
func (p *plan) reuse() {
	for len(p.create) > 0 && len(p.remove) > 0 {
		i := slices.IndexFunc(p.remove, func(s *discoveryv1.EndpointSlice) bool { return s.DeletionTimestamp == nil })
		if i < 0 {
			return
		}
		next := p.remove[i].DeepCopy()
		from := p.create[0]
		next.Labels, next.OwnerReferences = from.Labels, from.OwnerReferences
		next.Ports, next.Endpoints = from.Ports, from.Endpoints
		p.update = append(p.update, next)
		p.create = p.create[1:]
		p.remove = slices.Delete(slices.Clone(p.remove), i, i+1)
	}
}

func isOwnedBy(slice *discoveryv1.EndpointSlice, service *corev1.Service) bool {
	return slices.ContainsFunc(slice.OwnerReferences, func(ref metav1.OwnerReference) bool {
		return ref.UID == service.UID && ref.Kind == "Service" && ref.APIVersion == "v1"
	})
}

func newSlice(service *corev1.Service, family discoveryv1.AddressType, ports []discoveryv1.EndpointPort, controller string) *discoveryv1.EndpointSlice {
	prefix := service.Name + "-"
	if len(validation.NameIsDNSSubdomain(prefix, true)) > 0 {
		prefix = service.Name
	}
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			GenerateName:    prefix,
			Namespace:       service.Namespace,
			Labels:          labelsOf(service, controller),
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(service, corev1.SchemeGroupVersion.WithKind("Service"))},
		},
		AddressType: family,
		Ports:       ports,
		Endpoints:   []discoveryv1.Endpoint{},
	}
}

// labelsOf are the service's own labels and those that lead from a slice to it.
func labelsOf(service *corev1.Service, controller string) map[string]string {
	out := make(map[string]string, len(service.Labels)+3)
	maps.Copy(out, service.Labels)
	delete(out, corev1.IsHeadlessService)
	if !hasClusterIP(service) {
		out[corev1.IsHeadlessService] = ""
	}
	out[discoveryv1.LabelServiceName] = service.Name
	out[discoveryv1.LabelManagedBy] = controller
	return out
}
