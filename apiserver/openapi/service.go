package openapi

import (
	"cmp"
	"crypto/sha512"
	"fmt"
	"hash"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
)

// services are all that a server has, in the order of their roots.
func (h *Handler) services() []*service {
	byGV := map[schema.GroupVersion]*service{}
	of := func(gv schema.GroupVersion) *service {
		if byGV[gv] == nil {
			byGV[gv] = &service{root: root(gv), gv: gv}
		}
		return byGV[gv]
	}
	for _, r := range h.cfg.Registry.Resources() {
		s := of(r.GVR.GroupVersion())
		s.routes = append(s.routes, stored(r)...)
	}
	for i := range h.cfg.Virtuals {
		v := &h.cfg.Virtuals[i]
		s := of(v.Parent)
		s.routes = append(s.routes, virtual(v, h.cfg.Scheme, h.kindOf)...)
	}
	all := []*service{
		{root: "version", routes: []*route{{
			method: http.MethodGet, path: "/version/", operation: "getCodeVersion", doc: "get the version information for this server",
			consumes: []string{"application/json"}, produces: []string{"application/json"}, responses: answers(goModel[version.Info](), http.StatusOK),
		}}},
	}
	for _, of := range openID() {
		if h.cfg.Paths[strings.TrimSuffix(of.path, "/")] != nil {
			all = append(all, &service{root: strings.Trim(of.path, "/"), routes: []*route{of}})
		}
	}
	groups := map[string]bool{}
	for gv, s := range byGV {
		s.routes = append(s.routes, about[metav1.APIResourceList](s.root, "getAPIResources", "get available resources"))
		all = append(all, s)
		groups[gv.Group] = true
	}
	named := false
	for group := range groups {
		if group == "" {
			all = append(all, &service{root: "api", routes: []*route{about[metav1.APIVersions]("api", "getAPIVersions", "get available API versions")}})
			continue
		}
		named = true
		r := "apis/" + group
		all = append(all, &service{root: r, routes: []*route{about[metav1.APIGroup](r, "getAPIGroup", "get information of a group")}})
	}
	if named {
		all = append(all, &service{root: "apis", routes: []*route{about[metav1.APIGroupList]("apis", "getAPIVersions", "get available API versions")}})
	}
	slices.SortFunc(all, func(a, b *service) int { return cmp.Compare(a.root, b.root) })
	for _, s := range all {
		slices.SortFunc(s.routes, func(a, b *route) int {
			return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.method, b.method))
		})
	}
	return all
}

// openID are the routes by which others learn how to check tokens.
func openID() []*route {
	return []*route{{
		method: http.MethodGet, path: "/.well-known/openid-configuration/", operation: "getServiceAccountIssuerOpenIDConfiguration",
		doc:      "get service account issuer OpenID configuration, also known as the 'OIDC discovery doc'",
		produces: []string{"application/json"}, responses: answers(text(), http.StatusOK),
	}, {
		method: http.MethodGet, path: "/openid/v1/jwks/", operation: "getServiceAccountIssuerOpenIDKeyset",
		doc:      "get service account issuer OpenID JSON Web Key Set (contains public token verification keys)",
		produces: []string{"application/jwk-set+json"}, responses: answers(text(), http.StatusOK),
	}}
}

// kindOf is the kind of a resource, stored or computed; empty if there is none.
func (h *Handler) kindOf(gvr schema.GroupVersionResource) string {
	if r := h.cfg.Registry.Resource(gvr); r != nil {
		return r.GVK.Kind
	}
	for i := range h.cfg.Virtuals {
		if v := &h.cfg.Virtuals[i]; v.Parent == gvr.GroupVersion() && v.Resource == gvr.Resource && v.Subresource == "" {
			return v.Kind.Kind
		}
	}
	return ""
}

// about is the route of a document of discovery.
func about[T any](root, operation, doc string) *route {
	return &route{
		method: http.MethodGet, path: "/" + root + "/", operation: operation, doc: doc,
		consumes: mediaTypes(), produces: mediaTypes(), responses: answers(goModel[T](), http.StatusOK),
	}
}

// models are those that the bodies of a service have.
func (s *service) models() []*model {
	var out []*model
	for _, r := range s.routes {
		if r.reads != nil {
			out = append(out, r.reads)
		}
		for _, v := range r.responses {
			if v.model.goType == nil || v.model.goType.Kind() == reflect.Struct {
				out = append(out, v.model)
			}
		}
	}
	return out
}

// key names what a document will say, without building it: two services with
// equal keys have equal documents.
func (h *Handler) key(s *service) string {
	sum := sha512.New()
	fmt.Fprintln(sum, h.cfg.Version, s.root)
	for _, r := range s.routes {
		fmt.Fprintln(sum, r.method, r.path, r.operation, r.action, r.kind, r.consumes, r.produces)
		for _, p := range r.parameters {
			_, _ = io.WriteString(sum, p.name)
		}
	}
	seen := map[reflect.Type]bool{}
	for _, m := range s.models() {
		if m.goType != nil {
			fingerprint(sum, m.goType, seen)
			continue
		}
		fmt.Fprintln(sum, m.free)
		if c := h.custom(m.free); c != nil {
			fmt.Fprintln(sum, c.Key)
		}
	}
	return fmt.Sprintf("%X", sum.Sum(nil))
}

// keyOfAll is the key of the document about services with some keys.
func keyOfAll(keys []string) string {
	return fmt.Sprintf("%X", sha512.Sum512([]byte(strings.Join(keys, " "))))
}

// fingerprint writes what a type and those that it is made of look like.
func fingerprint(sum hash.Hash, t reflect.Type, seen map[reflect.Type]bool) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		fingerprint(sum, t.Elem(), seen)
		return
	case reflect.Struct:
	default:
		return
	}
	if seen[t] {
		return
	}
	seen[t] = true
	_, _ = io.WriteString(sum, t.PkgPath()+"."+t.Name()+"\n")
	for i := range t.NumField() {
		f := t.Field(i)
		_, _ = io.WriteString(sum, f.Name+" "+f.Type.String()+" "+string(f.Tag)+"\n")
		if f.IsExported() {
			fingerprint(sum, f.Type, seen)
		}
	}
}
