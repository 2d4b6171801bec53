package garbage

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// resource is one kind of object, and how to address it.
type resource struct {
	schema.GroupVersionResource
	kind       string
	namespaced bool
}

// catalog is the kinds a server serves.
type catalog struct {
	// watched are those the graph is made of.
	watched []resource
	// byKind finds any kind that may be an owner.
	byKind map[schema.GroupKind]resource
}

// catalogOf reads what discovery found. Events own nothing and nobody waits for them,
// so they are left out.
func catalogOf(lists []*metav1.APIResourceList) catalog {
	c := catalog{byKind: make(map[schema.GroupKind]resource)}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			continue
		}
		for _, r := range list.APIResources {
			found := resource{gv.WithResource(r.Name), r.Kind, r.Namespaced}
			if slices.Contains(r.Verbs, "get") {
				c.byKind[schema.GroupKind{Group: gv.Group, Kind: r.Kind}] = found
			}
			if r.Kind == "Event" && (gv.Group == "" || gv.Group == "events.k8s.io") {
				continue
			}
			if (discovery.SupportsAllVerbs{Verbs: []string{"list", "watch", "delete"}}).Match(list.GroupVersion, &r) {
				c.watched = append(c.watched, found)
			}
		}
	}
	return c
}

// announces reports whether objects of this kind bring new kinds with them.
func announces(gr schema.GroupResource) bool {
	return gr == schema.GroupResource{Group: "apiextensions.k8s.io", Resource: "customresourcedefinitions"} ||
		gr == schema.GroupResource{Group: "apiregistration.k8s.io", Resource: "apiservices"}
}
