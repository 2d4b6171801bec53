package openapi

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kube-openapi/pkg/builder"
	"k8s.io/kube-openapi/pkg/builder3"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/spec3"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

const (
	extensionGVK = "x-kubernetes-group-version-kind"
	bearer       = "BearerToken"
	bearerDoc    = "Bearer Token authentication"
	metaPackage  = "k8s.io/apimachinery/pkg/apis/meta/v1"
	unauthorized = "Unauthorized"
)

// schemas makes the definitions of all models of some services.
func (h *Handler) schemas(f Format, services ...*service) *schemas {
	s := newSchemas(func(name string) spec.Ref {
		return spec.MustCreateRef(f.Definitions() + common.EscapeJsonPointer(friendly(name)))
	})
	for _, service := range services {
		for _, m := range service.models() {
			if m.goType != nil {
				s.add(m.goType)
			} else {
				s.addFree(m.free, h.custom(m.free), f)
			}
		}
	}
	return s
}

// namer names definitions and tells of which kinds they are. Types that every
// group and version has, such as DeleteOptions, are told to be of those that
// only picks.
func (h *Handler) namer(s *schemas, only func(schema.GroupVersion) bool) func(string) (string, spec.Extensions) {
	kinds := make(map[string]spec.Extensions, len(s.types))
	for name, t := range s.types {
		if k := h.kinds(t, only); len(k) > 0 {
			kinds[name] = spec.Extensions{extensionGVK: k}
		}
	}
	return func(name string) (string, spec.Extensions) { return friendly(name), kinds[name] }
}

// kinds are what a Go type is called in the API.
func (h *Handler) kinds(t reflect.Type, only func(schema.GroupVersion) bool) []any {
	obj, ok := reflect.New(t).Interface().(runtime.Object)
	if !ok {
		return nil
	}
	gvks, _, err := h.cfg.Scheme.ObjectKinds(obj)
	if err != nil {
		return nil
	}
	gvks = slices.DeleteFunc(slices.Clone(gvks), func(k schema.GroupVersionKind) bool {
		return k.Version == runtime.APIVersionInternal || t.PkgPath() == metaPackage && !only(k.GroupVersion())
	})
	slices.SortFunc(gvks, func(a, b schema.GroupVersionKind) int {
		return strings.Compare(a.Group+"\x00"+a.Version+"\x00"+a.Kind, b.Group+"\x00"+b.Version+"\x00"+b.Kind)
	})
	out := make([]any, len(gvks))
	for i, k := range gvks {
		out[i] = gvkMap(k)
	}
	return out
}

func gvkMap(k schema.GroupVersionKind) map[string]any {
	return map[string]any{"group": k.Group, "version": k.Version, "kind": k.Kind}
}

func identify(r common.Route) (string, []string, error) {
	id, tags := operationID(r.OperationName(), r.Path())
	return id, tags, nil
}

func (h *Handler) info() *spec.Info {
	return &spec.Info{InfoProps: spec.InfoProps{Title: "Kubernetes", Version: h.cfg.Version}}
}

// build3 builds the document of version 3 about one service, in JSON.
func (h *Handler) build3(s *service) ([]byte, error) {
	schemas := h.schemas(V3, s)
	doc, err := builder3.BuildOpenAPISpecFromRoutes([]common.RouteContainer{s}, &common.OpenAPIV3Config{
		Info:                           h.info(),
		CommonResponses:                map[int]*spec3.Response{http.StatusUnauthorized: {ResponseProps: spec3.ResponseProps{Description: unauthorized}}},
		Definitions:                    schemas.defs,
		GetDefinitionName:              h.namer(schemas, func(gv schema.GroupVersion) bool { return gv == s.gv || gv == schema.GroupVersion{Version: "v1"} }),
		GetOperationIDAndTagsFromRoute: identify,
		SecuritySchemes: spec3.SecuritySchemes{bearer: {SecuritySchemeProps: spec3.SecuritySchemeProps{
			Type: "apiKey", Name: "authorization", In: "header", Description: bearerDoc,
		}}},
	})
	if err != nil {
		return nil, fmt.Errorf("openapi: describing %s: %w", s.root, err)
	}
	return doc.MarshalJSON()
}

// build2 builds the document of version 2 about everything, in JSON.
func (h *Handler) build2(services []*service) ([]byte, error) {
	containers := make([]common.RouteContainer, len(services))
	for i, s := range services {
		containers[i] = s
	}
	schemas := h.schemas(V2, services...)
	doc, err := builder.BuildOpenAPISpecFromRoutes(containers, &common.Config{
		ProtocolList:    []string{"https"},
		Info:            h.info(),
		CommonResponses: map[int]spec.Response{http.StatusUnauthorized: {ResponseProps: spec.ResponseProps{Description: unauthorized}}},
		GetDefinitions: func(common.ReferenceCallback) map[string]common.OpenAPIDefinition {
			return pruned(schemas.defs)
		},
		GetDefinitionName:              h.namer(schemas, func(schema.GroupVersion) bool { return true }),
		GetOperationIDAndTagsFromRoute: identify,
		SecurityDefinitions: &spec.SecurityDefinitions{bearer: {SecuritySchemeProps: spec.SecuritySchemeProps{
			Type: "apiKey", Name: "authorization", In: "header", Description: bearerDoc,
		}}},
		DefaultSecurity: []map[string][]string{{bearer: {}}},
	})
	if err != nil {
		return nil, fmt.Errorf("openapi: describing the server: %w", err)
	}
	return doc.MarshalJSON()
}

// pruned takes defaults out of definitions: version 2 cannot have them beside
// references, and clients of it do not expect them.
func pruned(defs map[string]common.OpenAPIDefinition) map[string]common.OpenAPIDefinition {
	for _, d := range defs {
		for name, p := range d.Schema.Properties {
			if p.Default != nil {
				p.Default = nil
				d.Schema.Properties[name] = p
			}
		}
	}
	return defs
}
