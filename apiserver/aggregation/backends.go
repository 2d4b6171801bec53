package aggregation

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"

	"github.com/keelson-project/keelson/apiserver/cache"
	"github.com/keelson-project/keelson/apiserver/registry"
)

// backends are the services and endpoints behind APIServices of other servers.
// While there are none, nothing is watched.
type backends struct {
	registry         *registry.Registry
	behind           map[string]bool // keys of services
	services, slices *cache.Follower
}

// follow begins or ends to watch, as there are APIServices of other servers or not.
func (b *backends) follow(all map[string]*apiregistrationv1.APIService) {
	b.behind = map[string]bool{}
	for _, s := range all {
		if to := s.Spec.Service; to != nil {
			b.behind[cache.Key(to.Namespace, to.Name)] = true
		}
	}
	switch {
	case len(b.behind) == 0:
		b.close()
	case b.services == nil:
		if r := b.registry.Resource(corev1.SchemeGroupVersion.WithResource("services")); r != nil {
			b.services = r.Cached().Follow(cache.Interest{})
		}
		if r := b.registry.Resource(discoveryv1.SchemeGroupVersion.WithResource("endpointslices")); r != nil {
			b.slices = r.Cached().Follow(cache.Interest{})
		}
	}
}

func (b *backends) close() {
	b.services.Close()
	b.slices.Close()
	b.services, b.slices = nil, nil
}

func (b *backends) serviceWoken() <-chan struct{} { return b.services.Woken() }
func (b *backends) sliceWoken() <-chan struct{}   { return b.slices.Woken() }

// servicesChanged reports whether one of those behind an APIService has.
func (b *backends) servicesChanged() bool {
	return changed(b.services, func(e *cache.Event) bool { return b.behind[e.Item.Key] })
}

// slicesChanged is servicesChanged for their endpoints.
func (b *backends) slicesChanged() bool {
	of := func(it *cache.Item) bool {
		return it != nil && b.behind[cache.Key(it.Object.GetNamespace(), it.Object.GetLabels()[discoveryv1.LabelServiceName])]
	}
	return changed(b.slices, func(e *cache.Event) bool { return of(e.Item) || of(e.Prev) })
}

// service returns a service, or nil.
func (b *backends) service(namespace, name string) *corev1.Service {
	snapshot := b.services.Snapshot()
	if it := snapshot.Get(cache.Key(namespace, name)); it != nil {
		if s, ok := it.Object.(*corev1.Service); ok {
			return s
		}
	}
	return nil
}

// slicesOf returns the slices of a service.
func (b *backends) slicesOf(namespace, name string) (out []*discoveryv1.EndpointSlice) {
	if b.slices == nil {
		return nil
	}
	snapshot := b.slices.Snapshot()
	snapshot.Ascend(namespace, "", func(it *cache.Item) bool {
		if s, ok := it.Object.(*discoveryv1.EndpointSlice); ok && s.Labels[discoveryv1.LabelServiceName] == name {
			out = append(out, s)
		}
		return true
	})
	return out
}

// changed reports whether something that matters has happened. A resource that is
// not kept any more does.
func changed(f *cache.Follower, matters func(*cache.Event) bool) bool {
	any, err := f.CatchUp(matters)
	return any || err != nil
}
