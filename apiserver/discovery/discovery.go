package discovery

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Resource is a resource or subresource as discovery tells of it.
type Resource struct {
	metav1.APIResource
	// GV is the group and version in the URL; those in APIResource are the
	// kind's.
	GV schema.GroupVersion
	// First puts a subresource before its parent's others.
	First bool
	// Storage is what the objects are stored as; empty if they are not.
	Storage schema.GroupVersionKind
}

// StorageHash tells clients that objects of two resources are the same ones.
func StorageHash(gvk schema.GroupVersionKind) string {
	sum := sha256.Sum256([]byte(gvk.Group + "/" + gvk.Version + "/" + gvk.Kind))
	return base64.StdEncoding.EncodeToString(sum[:8])
}

// Catalog is everything a server has. It never changes.
type Catalog struct {
	groups  []metav1.APIGroup
	byGroup map[string]*metav1.APIGroup
	lists   map[schema.GroupVersion]*metav1.APIResourceList
	core    *apidiscoveryv2.APIGroupDiscoveryList
	named   *apidiscoveryv2.APIGroupDiscoveryList
}

// New makes a catalog of the resources, which may come in any order. The
// versions that are registered, if there is a register, are what /apis lists
// and by their priorities; those of other servers have no resources here.
func New(all []Resource, register []Registered) *Catalog {
	c := &Catalog{byGroup: map[string]*metav1.APIGroup{}, lists: map[schema.GroupVersion]*metav1.APIResourceList{}}
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b Resource) int { // subresources right behind their parents
		parentA, subA, _ := strings.Cut(a.Name, "/")
		parentB, subB, _ := strings.Cut(b.Name, "/")
		if c := cmp.Compare(parentA, parentB); c != 0 {
			return c
		}
		if a.First != b.First && subA != "" && subB != "" {
			if a.First {
				return -1
			}
			return 1
		}
		return cmp.Compare(subA, subB)
	})
	for _, r := range all {
		l := c.lists[r.GV]
		if l == nil {
			l = &metav1.APIResourceList{
				TypeMeta:     metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"},
				GroupVersion: r.GV.String(), APIResources: []metav1.APIResource{},
			}
			if r.GV.Group == "" {
				l.APIVersion = "" // as it was when there was but one
			}
			c.lists[r.GV] = l
		}
		l.APIResources = append(l.APIResources, r.legacy())
	}
	served, listed := c.versions(register)
	for _, g := range groupsOf(listed) {
		if g.Name != "" {
			c.groups = append(c.groups, g)
		}
	}
	for _, list := range [][]Registered{served, listed} { // a group that is listed as it is listed
		for _, g := range groupsOf(list) {
			g.TypeMeta = metav1.TypeMeta{Kind: "APIGroup", APIVersion: "v1"}
			c.byGroup[g.Name] = &g
		}
	}
	c.core, c.named = aggregated(), aggregated()
	for _, of := range byGroup(served) {
		into := c.named
		if of[0].Group == "" {
			into = c.core
		}
		into.Items = append(into.Items, groupOf(of, all))
	}
	return c
}

// versions are those that are served here or elsewhere, and those to list, both
// in order.
func (c *Catalog) versions(register []Registered) (served, listed []Registered) {
	known := map[schema.GroupVersion]Registered{}
	for _, r := range register {
		known[r.GroupVersion] = r
	}
	defined := Priorities()
	for gv := range c.lists {
		r, registered := known[gv]
		if !registered {
			r = Registered{GroupVersion: gv, Priority: Others()}
			if p, ok := defined[gv]; ok {
				r.Priority = p
			}
		}
		served = append(served, r)
		// Who keeps the register is not in it.
		if registered || register == nil || gv.Group == "apiregistration.k8s.io" {
			listed = append(listed, r)
		}
	}
	for _, r := range register {
		if c.lists[r.GroupVersion] == nil {
			listed = append(listed, r)
			if r.Remote {
				served = append(served, r)
			}
		}
	}
	order(served)
	order(listed)
	return served, listed
}

// byGroup cuts an ordered list where a group ends.
func byGroup(list []Registered) (out [][]Registered) {
	for len(list) > 0 {
		n := slices.IndexFunc(list, func(r Registered) bool { return r.Group != list[0].Group })
		if n < 0 {
			n = len(list)
		}
		out, list = append(out, list[:n]), list[n:]
	}
	return out
}

// groupsOf tells of the groups of an ordered list; the first version of each is
// the one to prefer.
func groupsOf(list []Registered) (out []metav1.APIGroup) {
	for _, of := range byGroup(list) {
		g := metav1.APIGroup{Name: of[0].Group}
		for _, r := range of {
			g.Versions = append(g.Versions, metav1.GroupVersionForDiscovery{GroupVersion: r.GroupVersion.String(), Version: r.Version})
		}
		g.PreferredVersion = g.Versions[0]
		out = append(out, g)
	}
	return out
}

func aggregated() *apidiscoveryv2.APIGroupDiscoveryList {
	return &apidiscoveryv2.APIGroupDiscoveryList{
		TypeMeta: metav1.TypeMeta{Kind: "APIGroupDiscoveryList", APIVersion: apidiscoveryv2.SchemeGroupVersion.String()},
		Items:    []apidiscoveryv2.APIGroupDiscovery{},
	}
}

// legacy is the entry of a list of one group and version.
func (r *Resource) legacy() metav1.APIResource {
	out := r.APIResource
	if out.Group == r.GV.Group && out.Version == r.GV.Version {
		out.Group, out.Version = "", ""
	}
	if !r.Storage.Empty() {
		out.StorageVersionHash = StorageHash(r.Storage)
	}
	return out
}

// groupOf is a group's entry in the document of everything. The resources are
// sorted, so that a subresource follows its parent.
func groupOf(versions []Registered, all []Resource) apidiscoveryv2.APIGroupDiscovery {
	g := apidiscoveryv2.APIGroupDiscovery{ObjectMeta: metav1.ObjectMeta{Name: versions[0].Group}}
	for _, v := range versions {
		out := apidiscoveryv2.APIVersionDiscovery{Version: v.Version, Freshness: apidiscoveryv2.DiscoveryFreshnessCurrent}
		if v.Remote {
			out.Freshness = apidiscoveryv2.DiscoveryFreshnessStale
		}
		for i := range all {
			r := &all[i]
			if r.GV != v.GroupVersion || v.Remote {
				continue
			}
			own := r.legacy() // group and version left out where they are the parent's
			kind := &metav1.GroupVersionKind{Group: own.Group, Version: own.Version, Kind: r.Kind}
			parent, sub, isSub := strings.Cut(r.Name, "/")
			if !isSub {
				out.Resources = append(out.Resources, apidiscoveryv2.APIResourceDiscovery{
					Resource: r.Name, ResponseKind: kind, Scope: scope(r), SingularResource: r.SingularName,
					Verbs: r.Verbs, ShortNames: r.ShortNames, Categories: r.Categories,
				})
				continue
			}
			n := len(out.Resources)
			if n == 0 || out.Resources[n-1].Resource != parent { // a subresource of nothing
				out.Resources = append(out.Resources, apidiscoveryv2.APIResourceDiscovery{
					Resource: parent, ResponseKind: &metav1.GroupVersionKind{}, Scope: scope(r),
				})
				n++
			}
			p := &out.Resources[n-1]
			p.Subresources = append(p.Subresources, apidiscoveryv2.APISubresourceDiscovery{Subresource: sub, ResponseKind: kind, Verbs: r.Verbs})
		}
		g.Versions = append(g.Versions, out)
	}
	return g
}

func scope(r *Resource) apidiscoveryv2.ResourceScope {
	if r.Namespaced {
		return apidiscoveryv2.ScopeNamespace
	}
	return apidiscoveryv2.ScopeCluster
}
