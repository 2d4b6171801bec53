package apiserver

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/discovery"
	"github.com/keelson-project/keelson/apiserver/registry"
)

// paths serves everything that is no resource.
type paths struct {
	s       *Server
	exact   map[string]http.Handler
	catalog atomic.Pointer[catalog]
}

// catalog is what discovery tells of a generation of resources and of the
// register.
type catalog struct {
	resources, register int64
	*discovery.Catalog
}

func newPaths(s *Server) *paths {
	p := &paths{s: s, exact: map[string]http.Handler{
		"/metrics":      s.metrics.handler(),
		"/metrics/slis": http.HandlerFunc(s.serveSLIs),
		"/statusz":      http.HandlerFunc(s.serveStatus),
		"/flagz":        http.HandlerFunc(s.serveFlags),
	}}
	for path, h := range s.plugins.Paths {
		p.exact[path] = h
	}
	return p
}

// ServeHTTP implements http.Handler.
func (p *paths) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if h := p.exact[path]; h != nil {
		h.ServeHTTP(w, r)
		return
	}
	first, rest, below := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch {
	case path == "/", path == "/index.html":
		p.serveIndex(w)
	case first == "version" && rest == "":
		p.s.serveVersion(w, r)
	case first == "api", first == "apis":
		p.serveDiscovery(w, r, path)
	case first == "livez", first == "readyz", first == "healthz":
		p.s.serveHealth(w, r, first, rest, below)
	case first == "openapi" && p.s.plugins.OpenAPI != nil:
		p.s.plugins.OpenAPI.ServeHTTP(w, r)
	case path == "/debug/pprof":
		http.Redirect(w, r, path+"/", http.StatusFound)
	case strings.HasPrefix(path, "/debug/pprof/"):
		serveProfile(w, r, strings.TrimPrefix(path, "/debug/pprof/"))
	case path == "/debug/flags/v":
		serveVerbosity(w, r)
	default:
		plainNotFound(w)
	}
}

// serveDiscovery answers below /api and /apis. Lists of resources can only be
// got; the shorter paths do not care for the method.
func (p *paths) serveDiscovery(w http.ResponseWriter, r *http.Request, path string) {
	c := p.current()
	parts := strings.Split(strings.Trim(path, "/"), "/")
	gv := schema.GroupVersion{Version: parts[len(parts)-1]}
	version := parts[0] == "api" && len(parts) == 2
	if parts[0] == "apis" && len(parts) > 1 {
		gv.Group = parts[1]
		version = len(parts) == 3
	}
	if version && r.Method != http.MethodGet && c.Has(gv) && p.s.endpoint.ServesGroup(gv.Group) {
		p.s.endpoint.NotAllowed(w, r)
		return
	}
	found, err := false, error(nil)
	if !strings.Contains(path, "//") {
		found, err = c.Serve(w, r, p.s.codec, p.s.cfg.Advertise.String())
	}
	switch {
	case err != nil:
		p.s.endpoint.Error(w, r, err)
	case found:
	case parts[0] == "api", p.s.endpoint.ServesGroup(gv.Group):
		p.s.endpoint.NotFound(w, r)
	default:
		plainNotFound(w)
	}
}

func plainNotFound(w http.ResponseWriter) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write([]byte("404 page not found\n"))
}

// serveIndex lists the paths there are.
func (p *paths) serveIndex(w http.ResponseWriter) {
	all := []string{"/api", "/api/v1", "/apis", "/apis/", "/version"}
	for path := range p.exact {
		all = append(all, path)
	}
	for _, which := range []string{"healthz", "livez", "readyz"} {
		all = append(all, "/"+which)
		for _, c := range p.s.checks(which) {
			all = append(all, "/"+which+"/"+c.name)
		}
	}
	if p.s.plugins.OpenAPI != nil {
		all = append(all, "/openapi/v2", "/openapi/v3", "/openapi/v3/")
	}
	for _, r := range p.resources() {
		if r.GV.Group != "" {
			all = append(all, "/apis/"+r.GV.Group, "/apis/"+r.GV.String())
		}
	}
	slices.Sort(all)
	writeJSON(w, http.StatusOK, metav1.RootPaths{Paths: slices.Compact(all)})
}

// writeJSON answers with indented JSON of something that is no API object.
func writeJSON(w http.ResponseWriter, code int, v any) {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(data)
}

// current is the catalog of what is served now.
func (p *paths) current() *discovery.Catalog {
	resources, register := p.s.registry.Generation(), int64(0)
	var versions []discovery.Registered
	if p.s.plugins.Register != nil {
		versions, register = p.s.plugins.Register.Versions()
	}
	if c := p.catalog.Load(); c != nil && c.resources == resources && c.register == register {
		return c.Catalog
	}
	c := &catalog{resources, register, discovery.New(p.resources(), versions)}
	p.catalog.Store(c)
	return c.Catalog
}

// resources are all that are served, as discovery tells of them.
func (p *paths) resources() []discovery.Resource {
	var out []discovery.Resource
	for _, r := range p.s.registry.Resources() {
		out = append(out, stored(r)...)
	}
	for i := range p.s.plugins.Virtuals {
		out = append(out, virtual(&p.s.plugins.Virtuals[i]))
	}
	return out
}

func entry(gv schema.GroupVersion, gvk schema.GroupVersionKind, name string, namespaced bool, verbs ...string) discovery.Resource {
	return discovery.Resource{GV: gv, APIResource: metav1.APIResource{
		Name: name, Namespaced: namespaced, Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind, Verbs: verbs,
	}}
}

func stored(r *registry.Resource) []discovery.Resource {
	gv := r.GVR.GroupVersion()
	verbs := []string{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
	if gv.Group == "" && r.Resource == "namespaces" {
		verbs = slices.DeleteFunc(verbs, func(v string) bool { return v == "deletecollection" })
	}
	if f := r.Kind.Verbs; f != nil {
		verbs = f()
	}
	main := entry(gv, r.GVK, r.Resource, r.Namespaced(), verbs...)
	main.SingularName, main.ShortNames, main.Categories = r.Singular, r.ShortNames, r.Categories
	if !r.IsUnstructured() || r.IsServed(r.StoredAs().Version) {
		main.Storage = r.StoredAs()
	}
	out := []discovery.Resource{main}
	if r.Kind.Status != nil {
		status := entry(gv, r.GVK, r.Resource+"/status", r.Namespaced(), "get", "patch", "update")
		status.First = r.IsUnstructured()
		out = append(out, status)
	}
	for name := range r.Kind.Subresources {
		verbs := []string{"get", "patch", "update"}
		if name == "finalize" {
			verbs = []string{"update"}
		}
		out = append(out, entry(gv, r.GVK, r.Resource+"/"+name, r.Namespaced(), verbs...))
	}
	if r.Kind.Scale != nil {
		out = append(out, entry(gv, autoscalingv1.SchemeGroupVersion.WithKind("Scale"), r.Resource+"/scale", r.Namespaced(), "get", "patch", "update"))
	}
	return out
}

func virtual(v *registry.Virtual) discovery.Resource {
	name := v.Resource
	if v.Subresource != "" {
		name += "/" + v.Subresource
	}
	var verbs []string
	if _, ok := v.Handler.(registry.Creater); ok {
		verbs = append(verbs, "create")
	}
	if _, ok := v.Handler.(registry.Getter); ok {
		verbs = append(verbs, "get")
	}
	if _, ok := v.Handler.(registry.Lister); ok {
		verbs = append(verbs, "list")
	}
	if c, ok := v.Handler.(registry.Connecter); ok {
		for _, m := range c.Methods() {
			if verb := map[string]string{
				http.MethodGet: "get", http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete",
			}[m]; verb != "" && !slices.Contains(verbs, verb) {
				verbs = append(verbs, verb)
			}
		}
	}
	slices.Sort(verbs)
	out := entry(v.Parent, v.Kind, name, v.Namespaced, verbs...)
	if v.Subresource == "" {
		out.SingularName, out.ShortNames, out.Categories = v.Singular, v.ShortNames, v.Categories
	}
	return out
}
