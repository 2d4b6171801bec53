package apiserver

import (
	"encoding/json"
	"fmt"
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

// catalog is what discovery tells of a generation of resources.
type catalog struct {
	generation int64
	*discovery.Catalog
}

func newPaths(s *Server) *paths {
	p := &paths{s: s, exact: map[string]http.Handler{
		"/version": http.HandlerFunc(s.serveVersion),
		"/metrics": s.metrics.handler(),
	}}
	for path, h := range s.plugins.Paths {
		p.exact[path] = h
	}
	return p
}

// ServeHTTP implements http.Handler.
func (p *paths) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if path != "/" {
		path = strings.TrimSuffix(path, "/")
	}
	if h := p.exact[path]; h != nil {
		h.ServeHTTP(w, r)
		return
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch first {
	case "":
		p.serveIndex(w)
	case "api", "apis":
		p.serveDiscovery(w, r, path)
	case "livez", "readyz", "healthz":
		p.s.serveHealth(w, r, first)
	case "openapi":
		if p.s.plugins.OpenAPI != nil {
			p.s.plugins.OpenAPI.ServeHTTP(w, r)
			return
		}
		plainNotFound(w)
	default:
		plainNotFound(w)
	}
}

// serveDiscovery answers below /api and /apis. Lists of resources can only be
// got; the shorter paths do not care for the method.
func (p *paths) serveDiscovery(w http.ResponseWriter, r *http.Request, path string) {
	c := p.current()
	parts := strings.Split(strings.Trim(path, "/"), "/")
	version := (parts[0] == "api" && len(parts) == 2) || (parts[0] == "apis" && len(parts) == 3)
	if version && r.Method != http.MethodGet {
		gv := schema.GroupVersion{Version: parts[len(parts)-1]}
		if len(parts) == 3 {
			gv.Group = parts[1]
		}
		if c.Has(gv) {
			p.s.endpoint.NotAllowed(w, r)
			return
		}
	}
	if !c.Serve(w, r, p.s.codec, p.s.cfg.Advertise.String()) {
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
	all := []string{"/api", "/api/v1", "/apis", "/healthz", "/healthz/ping", "/livez", "/livez/ping", "/readyz", "/readyz/ping"}
	for path := range p.exact {
		all = append(all, path)
	}
	if p.s.plugins.OpenAPI != nil {
		all = append(all, "/openapi/v2", "/openapi/v3")
	}
	for _, r := range p.resources() {
		if r.GV.Group != "" {
			all = append(all, "/apis/"+r.GV.Group, "/apis/"+r.GV.String())
		}
	}
	slices.Sort(all)
	w.Header().Set("Content-Type", "application/json")
	data, err := json.MarshalIndent(map[string][]string{"paths": slices.Compact(all)}, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(data)
}

func (s *Server) serveVersion(w http.ResponseWriter, _ *http.Request) {
	data, err := json.MarshalIndent(s.cfg.Version, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(data)
}

// current is the catalog of what is served now.
func (p *paths) current() *discovery.Catalog {
	generation := p.s.registry.Generation()
	if c := p.catalog.Load(); c != nil && c.generation == generation {
		return c.Catalog
	}
	c := &catalog{generation, discovery.New(p.resources())}
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
	main := entry(gv, r.GVK, r.Resource, r.Namespaced(), verbs...)
	main.SingularName, main.ShortNames, main.Categories = r.Singular, r.ShortNames, r.Categories
	main.Storage = r.Kind.GroupVersionKind
	if !r.Kind.StoredAs.Empty() {
		main.Storage = r.Kind.StoredAs
	}
	out := []discovery.Resource{main}
	if r.Kind.Status != nil {
		out = append(out, entry(gv, r.GVK, r.Resource+"/status", r.Namespaced(), "get", "patch", "update"))
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

// serveHealth answers for /livez, /readyz and /healthz, and for single checks
// below them.
func (s *Server) serveHealth(w http.ResponseWriter, r *http.Request, which string) {
	checks := s.checks(which)
	name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/"+which), "/")
	if name != "" {
		i := slices.IndexFunc(checks, func(c check) bool { return c.name == name })
		if i < 0 {
			plainNotFound(w)
			return
		}
		checks = checks[i : i+1]
	}
	var b strings.Builder
	failed := false
	excluded := r.URL.Query()["exclude"]
	for _, c := range checks {
		if slices.Contains(excluded, c.name) {
			fmt.Fprintf(&b, "[+]%s excluded: ok\n", c.name)
			continue
		}
		if err := c.ask(); err != nil {
			failed = true
			s.log.Debug("health check fails", "check", c.name, "err", err)
			fmt.Fprintf(&b, "[-]%s failed: reason withheld\n", c.name)
			continue
		}
		fmt.Fprintf(&b, "[+]%s ok\n", c.name)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, verbose := r.URL.Query()["verbose"]
	switch {
	case failed:
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintf(&b, "%s check failed\n", which)
	case !verbose || name != "":
		_, _ = w.Write([]byte("ok"))
		return
	default:
		fmt.Fprintf(&b, "%s check passed\n", which)
	}
	_, _ = w.Write([]byte(b.String()))
}

// check is one question of /readyz and its like.
type check struct {
	name string
	ask  func() error
}

func (s *Server) checks(which string) []check {
	checks := []check{{"ping", func() error { return nil }}}
	if which == "livez" {
		return checks
	}
	checks = append(checks, check{"poststarthook/start-system-namespaces-controller", func() error {
		select {
		case <-s.ready:
			return nil
		default:
			return fmt.Errorf("not finished")
		}
	}})
	names := make([]string, 0, len(s.plugins.Checks))
	for name := range s.plugins.Checks {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if ask := s.plugins.Checks[name]; ask != nil {
			checks = append(checks, check{name, ask})
		}
	}
	if which == "readyz" {
		checks = append(checks, check{"shutdown", func() error {
			select {
			case <-s.stopping:
				return fmt.Errorf("shutting down")
			default:
				return nil
			}
		}})
	}
	return checks
}
