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
	"k8s.io/apimachinery/pkg/version"
)

// Resource is a resource or subresource as discovery tells of it.
type Resource struct {
	metav1.APIResource
	// GV is the group and version in the URL; those in APIResource are the
	// kind's.
	GV schema.GroupVersion
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

// priority orders the groups that Kubernetes defines; others follow by name.
func priority(group string) int {
	order := [...]string{
		"storagemigration.k8s.io", "internal.apiserver.k8s.io", "flowcontrol.apiserver.k8s.io", "resource.k8s.io", "discovery.k8s.io",
		"node.k8s.io", "coordination.k8s.io", "scheduling.k8s.io", "apiextensions.k8s.io", "admissionregistration.k8s.io",
		"storage.k8s.io", "rbac.authorization.k8s.io", "policy", "networking.k8s.io", "certificates.k8s.io", "batch", "autoscaling",
		"authorization.k8s.io", "authentication.k8s.io", "events.k8s.io", "apps", "", "apiregistration.k8s.io",
	}
	return slices.Index(order[:], group)
}

// New makes a catalog. The resources may come in any order.
func New(all []Resource) *Catalog {
	c := &Catalog{byGroup: map[string]*metav1.APIGroup{}, lists: map[schema.GroupVersion]*metav1.APIResourceList{}}
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b Resource) int { // subresources right behind their parents
		return cmp.Compare(strings.ReplaceAll(a.Name, "/", "\x00"), strings.ReplaceAll(b.Name, "/", "\x00"))
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
	versions := map[string][]string{}
	for gv := range c.lists {
		versions[gv.Group] = append(versions[gv.Group], gv.Version)
	}
	names := make([]string, 0, len(versions))
	for name := range versions {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(priority(b), priority(a)), cmp.Compare(a, b))
	})
	c.core, c.named = aggregated(), aggregated()
	for _, name := range names {
		vs := versions[name]
		slices.SortFunc(vs, func(a, b string) int { return -version.CompareKubeAwareVersionStrings(a, b) })
		g := metav1.APIGroup{TypeMeta: metav1.TypeMeta{Kind: "APIGroup", APIVersion: "v1"}, Name: name}
		for _, v := range vs {
			gv := schema.GroupVersion{Group: name, Version: v}
			g.Versions = append(g.Versions, metav1.GroupVersionForDiscovery{GroupVersion: gv.String(), Version: v})
		}
		g.PreferredVersion = g.Versions[0]
		c.byGroup[name] = &g
		into := c.named
		if name == "" {
			into = c.core
		} else {
			c.groups = append(c.groups, metav1.APIGroup{Name: g.Name, Versions: g.Versions, PreferredVersion: g.PreferredVersion})
		}
		into.Items = append(into.Items, groupOf(name, vs, all))
	}
	return c
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
func groupOf(name string, versions []string, all []Resource) apidiscoveryv2.APIGroupDiscovery {
	g := apidiscoveryv2.APIGroupDiscovery{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, v := range versions {
		out := apidiscoveryv2.APIVersionDiscovery{Version: v, Freshness: apidiscoveryv2.DiscoveryFreshnessCurrent}
		for i := range all {
			r := &all[i]
			if r.GV.Group != name || r.GV.Version != v {
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
