package openapi

import (
	"net/http"
	"reflect"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"github.com/keelson-project/keelson/apiserver/registry"
)

// Format is a version of OpenAPI.
type Format int

// The versions.
const (
	V2 Format = 2
	V3 Format = 3
)

// Definitions is where references to definitions lead to in a document.
func (f Format) Definitions() string {
	if f == V2 {
		return "#/definitions/"
	}
	return "#/components/schemas/"
}

// Custom describes a kind that has no Go type, or the kind of its lists.
type Custom struct {
	// Key changes whenever what Schema returns does.
	Key string
	// Schema returns the kind's schema in a format. It may refer to the
	// definitions of ObjectMeta and ListMeta, by their OpenAPIModelName.
	Schema func(Format) *spec.Schema
}

// Models returns the schemas of Go types and of all that they refer to, by
// name, as documents of version 3 have them.
func Models(of ...reflect.Type) map[string]*spec.Schema {
	s := newSchemas(func(name string) spec.Ref {
		return spec.MustCreateRef(V3.Definitions() + common.EscapeJsonPointer(friendly(name)))
	})
	for _, t := range of {
		s.add(t)
	}
	out := make(map[string]*spec.Schema, len(s.defs))
	for name, d := range s.defs {
		out[friendly(name)] = &d.Schema
	}
	return out
}

func customMediaTypes() []string {
	return []string{runtime.ContentTypeJSON, runtime.ContentTypeYAML}
}

func customPatchTypes() []string {
	return []string{string(types.JSONPatchType), string(types.MergePatchType), string(types.ApplyYAMLPatchType)}
}

// custom returns the routes of a resource whose objects have no Go type. They
// are told of more briefly than others.
func custom(r *registry.Resource) []*route {
	res := &resource{
		gv: r.GVR.GroupVersion(), name: r.Resource, namespaced: r.Namespaced(), kind: r.GVK.Kind, gvk: r.GVK,
		body: modelOf(r.New(), r.GVK), consumes: customMediaTypes(), produces: customMediaTypes(),
	}
	list := modelOf(newList(r), r.ListType.GVK)
	status := goModel[metav1.Status]()
	res.read(options[metav1.GetOptions]())
	res.list(list, customMediaTypes())
	res.create()
	res.change()
	res.add(route{
		method: http.MethodDelete, path: res.item(), action: "delete", operation: res.operation("delete"), doc: res.about("delete") + article(res.kind) + res.kind,
		reads: goModel[metav1.DeleteOptions](), optionalBody: true, responses: answers(status, http.StatusOK, http.StatusAccepted),
	}, true, options[metav1.DeleteOptions]())
	res.add(route{
		method: http.MethodDelete, path: res.collection(), action: "deletecollection", operation: res.operation("deletecollection"),
		doc: "delete collection of " + res.kind, responses: answers(status, http.StatusOK),
	}, true, options[metav1.ListOptions]())
	out := res.routes
	if r.Kind.Status != nil {
		part := *res
		part.subresource, part.routes = "status", nil
		part.read(options[metav1.GetOptions]())
		part.change()
		out = append(out, part.routes...)
	}
	if r.Kind.Scale != nil {
		part := *res
		part.subresource, part.routes, part.body = "scale", nil, goModel[autoscalingv1.Scale]()
		part.read(options[metav1.GetOptions]())
		part.change()
		out = append(out, part.routes...)
	}
	return out
}

// change adds PUT and PATCH of a kind without a Go type.
func (r *resource) change() {
	r.replace()
	r.add(route{
		method: http.MethodPatch, path: r.item(), action: "patch", operation: r.operation("patch"), doc: r.about("partially update") + " the specified " + r.kind,
		consumes: customPatchTypes(), reads: goModel[metav1.Patch](), responses: answers(r.body, http.StatusOK),
	}, true, options[metav1.PatchOptions]())
}
