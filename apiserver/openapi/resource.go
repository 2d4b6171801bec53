package openapi

import (
	"net/http"
	"reflect"
	"slices"
	"strings"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kube-openapi/pkg/common"

	"github.com/keelson-project/keelson/apiserver/registry"
)

const (
	prettyDoc = "If 'true', then the output is pretty printed. Defaults to 'false' unless the user-agent indicates a browser or command-line HTTP tool (curl and wget)."
	// deprecatedWatch ends the descriptions of the paths below watch/.
	deprecatedWatch = ". deprecated: use the 'watch' parameter with a list operation instead"
)

func mediaTypes() []string {
	return []string{runtime.ContentTypeJSON, runtime.ContentTypeYAML, runtime.ContentTypeProtobuf}
}

func listMediaTypes() []string {
	return append(mediaTypes(), "application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch")
}

func patchTypes() []string {
	return []string{
		string(types.JSONPatchType), string(types.MergePatchType), string(types.StrategicMergePatchType), string(types.ApplyYAMLPatchType),
	}
}

// resource makes the routes of one resource or subresource.
type resource struct {
	gv          schema.GroupVersion
	name        string // in the URL
	subresource string
	namespaced  bool
	kind        string // what routes call it: the kind of the parent
	gvk         schema.GroupVersionKind
	body        *model
	// consumes and produces are what routes do that do not say otherwise.
	consumes, produces []string
	routes             []*route
}

func goModel[T any]() *model { return &model{goType: reflect.TypeFor[T]()} }

func modelOf(obj runtime.Object, gvk schema.GroupVersionKind) *model {
	switch obj.(type) {
	case *unstructured.Unstructured, *unstructured.UnstructuredList:
		return &model{free: gvk}
	}
	return &model{goType: structOf(obj)}
}

// root is the path of a group and version, without its first slash.
func root(gv schema.GroupVersion) string {
	if gv.Group == "" {
		return "api/" + gv.Version
	}
	return "apis/" + gv.Group + "/" + gv.Version
}

// stored returns the routes of a resource of the registry, with its
// subresources.
func stored(r *registry.Resource) []*route {
	if r.IsUnstructured() {
		return custom(r)
	}
	res := &resource{
		gv: r.GVR.GroupVersion(), name: r.Resource, namespaced: r.Namespaced(), kind: r.GVK.Kind, gvk: r.GVK,
		body: modelOf(r.New(), r.GVK),
	}
	listKind := r.GVK.GroupVersion().WithKind(r.GVK.Kind + "List")
	list := modelOf(newList(r), listKind)
	res.read()
	res.list(list, listMediaTypes())
	res.create()
	res.update()
	deleted := goModel[metav1.Status]()
	namespaces := r.GVR.GroupResource() == schema.GroupResource{Resource: "namespaces"}
	if r.Kind.ReturnDeleted && !namespaces { // of which Kubernetes does not tell
		deleted = res.body
	}
	res.remove(deleted)
	if !namespaces {
		res.removeAll()
	}
	res.watch()
	out := res.routes
	parts := []string{}
	if r.Kind.Status != nil {
		parts = append(parts, "status")
	}
	for name := range r.Kind.Subresources {
		parts = append(parts, name)
	}
	slices.Sort(parts)
	for _, name := range parts {
		part := *res
		part.subresource, part.routes = name, nil
		if name == "finalize" {
			part.replace()
		} else {
			part.read()
			part.update()
		}
		out = append(out, part.routes...)
	}
	if r.Kind.Scale != nil {
		scale := *res
		scale.subresource, scale.routes = "scale", nil
		scale.gvk, scale.body = autoscalingv1.SchemeGroupVersion.WithKind("Scale"), goModel[autoscalingv1.Scale]()
		scale.read()
		scale.update()
		out = append(out, scale.routes...)
	}
	return out
}

// newList makes a list in the version shown.
func newList(r *registry.Resource) runtime.Object {
	for i := range r.Kind.Views {
		if v := &r.Kind.Views[i]; v.GroupVersionKind == r.GVK {
			return v.NewList()
		}
	}
	return r.Kind.NewList()
}

// virtual returns the routes of a resource that is computed. The kind of the
// parent of a subresource is what parent returns.
func virtual(v *registry.Virtual, scheme *runtime.Scheme, parent func(schema.GroupVersionResource) string) []*route {
	res := &resource{
		gv: v.Parent, name: v.Resource, subresource: v.Subresource, namespaced: v.Namespaced, kind: v.Kind.Kind, gvk: v.Kind,
	}
	if v.Subresource != "" {
		if kind := parent(v.Parent.WithResource(v.Resource)); kind != "" {
			res.kind = kind
		}
	}
	obj, err := scheme.New(v.Kind)
	if err != nil {
		obj = &unstructured.Unstructured{}
	}
	res.body = modelOf(obj, v.Kind)
	if l, ok := v.Handler.(registry.Lister); ok {
		res.list(modelOf(l.NewList(), v.Kind.GroupVersion().WithKind(v.Kind.Kind+"List")), listMediaTypes())
	}
	if _, ok := v.Handler.(registry.Getter); ok {
		res.read()
	}
	if _, ok := v.Handler.(registry.Creater); ok {
		res.create()
	}
	if c, ok := v.Handler.(registry.Connecter); ok {
		res.connect(c.Methods(), obj)
	}
	return res.routes
}

// item is the path of one object, and collection that of all in a namespace;
// for a subresource both are that of the subresource.
func (r *resource) item() string {
	p := "/" + root(r.gv) + "/"
	if r.namespaced {
		p += "namespaces/{namespace}/"
	}
	p += r.name + "/{name}"
	if r.subresource != "" {
		p += "/" + r.subresource
	}
	return p
}

func (r *resource) collection() string {
	if r.subresource != "" {
		return r.item()
	}
	return strings.TrimSuffix(r.item(), "/{name}")
}

// everywhere is the path of all objects in all namespaces.
func (r *resource) everywhere() string { return "/" + root(r.gv) + "/" + r.name }

// operation is what an operation is called but for its group and version.
func (r *resource) operation(verb string) string {
	name := verb
	if r.namespaced {
		name += "Namespaced"
	}
	return name + r.kind + title(r.subresource)
}

func title(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// about is the beginning of a description: what it is done to.
func (r *resource) about(verb string) string {
	if r.subresource != "" {
		verb += " " + r.subresource + " of"
	}
	return verb
}

// article is "a" or "an" with spaces, where a noun takes one.
func article(noun string) string {
	switch {
	case strings.HasSuffix(noun, "s") && !strings.HasSuffix(noun, "ss"):
		return " "
	case noun != "" && strings.ContainsRune("aeiouAEIOU", rune(noun[0])):
		return " an "
	}
	return " a "
}

// place are the parameters in a path.
func (r *resource) place(path string) []parameter {
	var out []parameter
	in := func(name, doc string) {
		if strings.Contains(path, "{"+name+"}") {
			out = append(out, parameter{name: name, doc: doc, kind: "string", in: common.PathParameterKind})
		}
	}
	in("namespace", "object name and auth scope, such as for teams and projects")
	in("name", "name of the "+r.gvk.Kind)
	in("path", "path to the resource")
	return out
}

// add adds a route; options are structs whose fields are parameters.
func (r *resource) add(rt route, pretty prettily, options ...[]parameter) {
	rt.kind = r.gvk
	if rt.consumes == nil {
		rt.consumes = r.consumes
	}
	if rt.consumes == nil {
		rt.consumes = []string{"*/*"}
	}
	if rt.produces == nil {
		rt.produces = r.produces
	}
	if rt.produces == nil {
		rt.produces = mediaTypes()
	}
	rt.parameters = r.place(rt.path)
	if pretty {
		rt.parameters = append(rt.parameters, parameter{name: "pretty", doc: prettyDoc, kind: "string", in: common.QueryParameterKind})
	}
	for _, o := range options {
		rt.parameters = append(rt.parameters, o...)
	}
	r.routes = append(r.routes, &rt)
}

// prettily says whether an answer can be made easier to read.
type prettily bool

func (r *resource) read(options ...[]parameter) {
	r.add(route{
		method: http.MethodGet, path: r.item(), action: "get", operation: r.operation("read"), doc: r.about("read") + " the specified " + r.kind,
		responses: answers(r.body, http.StatusOK),
	}, true, options...)
}

func (r *resource) list(list *model, produces []string) {
	rt := route{
		method: http.MethodGet, path: r.collection(), action: "list", operation: r.operation("list"), doc: "list or watch objects of kind " + r.kind,
		produces: produces, responses: answers(list, http.StatusOK),
	}
	r.add(rt, true, options[metav1.ListOptions]())
	if r.namespaced {
		rt.path, rt.operation = r.everywhere(), "list"+r.kind+"ForAllNamespaces"
		r.add(rt, true, options[metav1.ListOptions]())
	}
}

func (r *resource) create() {
	r.add(route{
		method: http.MethodPost, path: r.collection(), action: "post", operation: r.operation("create"), doc: r.about("create") + article(r.kind) + r.kind,
		reads: r.body, responses: answers(r.body, http.StatusOK, http.StatusCreated, http.StatusAccepted),
	}, true, options[metav1.CreateOptions]())
}

func (r *resource) replace() {
	r.add(route{
		method: http.MethodPut, path: r.item(), action: "put", operation: r.operation("replace"), doc: r.about("replace") + " the specified " + r.kind,
		reads: r.body, responses: answers(r.body, http.StatusOK, http.StatusCreated),
	}, true, options[metav1.UpdateOptions]())
}

// update adds PUT and PATCH.
func (r *resource) update() {
	r.replace()
	r.add(route{
		method: http.MethodPatch, path: r.item(), action: "patch", operation: r.operation("patch"), doc: r.about("partially update") + " the specified " + r.kind,
		consumes: patchTypes(), reads: goModel[metav1.Patch](), responses: answers(r.body, http.StatusOK, http.StatusCreated),
	}, true, options[metav1.PatchOptions]())
}

func (r *resource) remove(deleted *model) {
	r.add(route{
		method: http.MethodDelete, path: r.item(), action: "delete", operation: r.operation("delete"), doc: r.about("delete") + article(r.kind) + r.kind,
		reads: goModel[metav1.DeleteOptions](), optionalBody: true, responses: answers(deleted, http.StatusOK, http.StatusAccepted),
	}, true, options[metav1.DeleteOptions]())
}

func (r *resource) removeAll() {
	some := slices.DeleteFunc(options[metav1.ListOptions](), func(p parameter) bool { return p.name == "watch" || p.name == "allowWatchBookmarks" })
	r.add(route{
		method: http.MethodDelete, path: r.collection(), action: "deletecollection", operation: r.operation("deletecollection"), doc: "delete collection of " + r.kind,
		reads: goModel[metav1.DeleteOptions](), optionalBody: true, responses: answers(goModel[metav1.Status](), http.StatusOK),
	}, true, without(options[metav1.DeleteOptions](), some), some)
}

// without leaves out the parameters that others have too.
func without(all, others []parameter) []parameter {
	return slices.DeleteFunc(all, func(p parameter) bool {
		return slices.ContainsFunc(others, func(o parameter) bool { return o.name == p.name })
	})
}

// watch adds the paths that begin with watch/.
func (r *resource) watch() {
	at := func(path string) string {
		prefix := "/" + root(r.gv) + "/"
		return prefix + "watch/" + strings.TrimPrefix(path, prefix)
	}
	rt := route{
		method: http.MethodGet, path: at(r.collection()), action: "watchlist", operation: r.operation("watch") + "List",
		doc:      "watch individual changes to a list of " + r.kind + deprecatedWatch + ".",
		produces: listMediaTypes(), responses: answers(goModel[metav1.WatchEvent](), http.StatusOK),
	}
	r.add(rt, true, options[metav1.ListOptions]())
	if r.namespaced {
		rt.path, rt.operation = at(r.everywhere()), "watch"+r.kind+"ListForAllNamespaces"
		r.add(rt, true, options[metav1.ListOptions]())
	}
	rt.path, rt.action, rt.operation = at(r.item()), "watch", r.operation("watch")
	rt.doc = "watch changes to an object of kind " + r.kind + deprecatedWatch + ", filtered to a single item with the 'fieldSelector' parameter."
	r.add(rt, true, options[metav1.ListOptions]())
}

// connect adds what answers with streams. The fields of its kind are the
// parameters; with one for a path, paths below are served, too. A pod's log has
// no kind of its own and is told of as something to read.
func (r *resource) connect(methods []string, obj runtime.Object) {
	if r.gv == corev1.SchemeGroupVersion && r.name == "pods" && r.subresource == "log" {
		r.add(route{
			method: http.MethodGet, path: r.item(), action: "get", operation: r.operation("read"), doc: r.about("read") + " the specified " + r.kind,
			produces: append([]string{"text/plain"}, mediaTypes()...), responses: answers(text(), http.StatusOK),
		}, true, options[corev1.PodLogOptions]())
		return
	}
	params := parametersOf(structOf(obj))
	below := slices.ContainsFunc(params, func(p parameter) bool { return p.name == "path" })
	for _, suffix := range []string{"", "/{path}"} {
		if suffix != "" && !below {
			break
		}
		for _, m := range methods {
			operation := r.operation("connect" + title(strings.ToLower(m)))
			if suffix != "" {
				operation += "WithPath"
			}
			r.add(route{
				method: m, path: r.item() + suffix, action: "connect", operation: operation, doc: r.about("connect "+m+" requests to") + " " + r.kind,
				produces: []string{"*/*"}, responses: answers(text(), http.StatusOK),
			}, false, params)
		}
	}
}

// answers are responses with one model.
func answers(m *model, codes ...int) []response {
	out := make([]response, len(codes))
	for i, c := range codes {
		out[i] = response{c, m}
	}
	return out
}

// options are the query parameters that the fields of a struct are.
func options[T any]() []parameter { return parametersOf(reflect.TypeFor[T]()) }

func parametersOf(t reflect.Type) []parameter {
	var out []parameter
	docs := map[string]string{}
	if v, ok := reflect.New(t).Interface().(documented); ok {
		docs = v.SwaggerDoc()
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		kind := queryKind(f.Type)
		if name == "" || kind == "" {
			continue
		}
		out = append(out, parameter{name: name, doc: docs[name], kind: kind, in: common.QueryParameterKind})
	}
	return out
}

// queryKind is what kind of data a query parameter holds; empty for a type that
// is none.
func queryKind(t reflect.Type) string {
	t = indirect(t)
	if t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint8, reflect.Uint32, reflect.Uint64:
		return "integer"
	case reflect.Float32, reflect.Float64:
		return "number"
	}
	return ""
}
