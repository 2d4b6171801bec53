package aggregation

import (
	"net/http"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"

	"github.com/keelson-project/keelson/apiserver/discovery"
)

// register is what is registered, for readers. It never changes.
type register struct {
	versions   []discovery.Registered // in order of names; nil if not known yet
	remote     map[schema.GroupVersion]bool
	generation int64
}

// publish shows readers a new state, if it is one.
func (k *Keeper) publish(all map[string]*apiregistrationv1.APIService) {
	old := k.register.Load()
	next := &register{versions: make([]discovery.Registered, 0, len(all)), remote: map[schema.GroupVersion]bool{}, generation: old.generation + 1}
	for _, s := range all {
		v := discovery.Registered{
			GroupVersion: schema.GroupVersion{Group: s.Spec.Group, Version: s.Spec.Version},
			Priority:     discovery.Priority{Group: s.Spec.GroupPriorityMinimum, Version: s.Spec.VersionPriority},
			Remote:       s.Spec.Service != nil,
		}
		next.versions = append(next.versions, v)
		if v.Remote {
			next.remote[v.GroupVersion] = true
		}
	}
	slices.SortFunc(next.versions, func(a, b discovery.Registered) int {
		if name(a.GroupVersion) < name(b.GroupVersion) {
			return -1
		}
		return 1
	})
	if old.versions == nil || !slices.Equal(old.versions, next.versions) {
		k.register.Store(next)
	}
}

// Versions returns what is registered; nil until that is known. The generation
// changes with it.
func (k *Keeper) Versions() (versions []discovery.Registered, generation int64) {
	r := k.register.Load()
	return r.versions, r.generation
}

// Remote returns what answers for a version that is registered to another
// server, and nil for others.
func (k *Keeper) Remote(gv schema.GroupVersion) http.Handler {
	if !k.register.Load().remote[gv] {
		return nil
	}
	return http.HandlerFunc(unavailable)
}

// unavailable is the answer in the place of a server that cannot be reached.
func unavailable(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "service unavailable", http.StatusServiceUnavailable)
}
