package endpoint

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	genericrequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/warning"

	"github.com/keelson-project/keelson/apiserver/admission"
	"github.com/keelson-project/keelson/apiserver/codec"
	"github.com/keelson-project/keelson/apiserver/registry"
)

const (
	// bodyLimit is how large a request's body may be.
	bodyLimit = 3 << 20
	// writeTimeout is how long a write may take.
	writeTimeout = 34 * time.Second
)

// Config is what New needs; all but Authorizer and Admission are required.
type Config struct {
	Registry *registry.Registry
	Codec    *codec.Codec
	// Virtuals are the computed resources.
	Virtuals []registry.Virtual
	// Authorizer is asked whether an update may create; nil allows it.
	Authorizer authorizer.Authorizer
	Admission  admission.Chain
	// Installing reports whether resources are still to come, so that a path
	// that leads nowhere may lead somewhere soon; nil for no.
	Installing func() bool
	// Stopping is closed when watches are to end.
	Stopping <-chan struct{}
	Logger   *slog.Logger
}

// Handler serves resource requests.
type Handler struct {
	Config
	virtuals map[virtualKey]*registry.Virtual
	status   *codec.Type
	listed   []string  // the media types of lists and watches
	gzips    sync.Pool // of *gzip.Writer
	buffers  sync.Pool // of *[]byte, for watches
}

type virtualKey struct {
	gv                    schema.GroupVersion
	resource, subresource string
}

// New makes a handler.
func New(cfg Config) *Handler {
	h := &Handler{Config: cfg, virtuals: map[virtualKey]*registry.Virtual{}, listed: slices.Concat(codec.Names(), codec.StreamNames())}
	h.status = codec.NewType(optionsVersion.WithKind("Status"), codec.Untagged)
	for i := range cfg.Virtuals {
		v := &cfg.Virtuals[i]
		h.virtuals[virtualKey{v.Parent, v.Resource, v.Subresource}] = v
	}
	return h
}

// request is one request on its way.
type request struct {
	*http.Request
	info     *genericrequest.RequestInfo
	resource *registry.Resource
	gvr      schema.GroupVersionResource
	// namespace is that of the URL; empty for cluster-wide resources, the
	// resource "namespaces" among them.
	namespace string
}

// negotiate finds the way to answer.
func (r *request) negotiate() (codec.Output, error) {
	if r.resource.IsUnstructured() {
		return codec.Negotiate(r.Request, codec.CustomTransforms)
	}
	return codec.Negotiate(r.Request, codec.AllTransforms)
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	info, ok := genericrequest.RequestInfoFrom(r.Context())
	if !ok || !info.IsResourceRequest {
		http.NotFound(w, r)
		return
	}
	req := &request{Request: r, info: info, namespace: info.Namespace,
		gvr: schema.GroupVersionResource{Group: info.APIGroup, Version: info.APIVersion, Resource: info.Resource}}
	req.resource = h.Registry.Resource(req.gvr)
	v := h.virtuals[virtualKey{req.gvr.GroupVersion(), info.Resource, info.Subresource}]
	switch {
	case v != nil:
		if !v.Namespaced {
			req.namespace = ""
		}
		h.serveVirtual(w, req, v)
	case req.resource == nil:
		h.notFound(w, r)
	default:
		h.serveResource(w, req)
	}
}

// notFound is the 404 of a path that leads nowhere: a Status in a group that
// is built in, plain text elsewhere.
func (h *Handler) notFound(w http.ResponseWriter, r *http.Request) {
	info, _ := genericrequest.RequestInfoFrom(r.Context())
	if h.Installing != nil && h.Installing() {
		h.Error(w, r, errInstalling())
		return
	}
	if !h.ServesGroup(info.APIGroup) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte("404 page not found\n"))
		return
	}
	h.NotFound(w, r)
}

// NotFound answers that there is no such path.
func (h *Handler) NotFound(w http.ResponseWriter, r *http.Request) {
	if h.Installing != nil && h.Installing() {
		h.Error(w, r, errInstalling())
		return
	}
	h.Error(w, r, errNoPath())
}

func errInstalling() error {
	err := apierrors.NewServiceUnavailable("the request has been made before all known HTTP paths have been installed, please try again")
	err.ErrStatus.Details = &metav1.StatusDetails{RetryAfterSeconds: 1}
	return err
}

func errNoPath() error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound,
		Message: "the server could not find the requested resource", Details: &metav1.StatusDetails{},
	}}
}

// ServesGroup reports whether there is anything in a group but custom kinds.
func (h *Handler) ServesGroup(group string) bool {
	for k := range h.virtuals {
		if k.gv.Group == group {
			return true
		}
	}
	for _, r := range h.Registry.Resources() {
		if r.GVR.Group == group && !r.IsUnstructured() {
			return true
		}
	}
	return false
}

// serveResource finds the verb of a request for a stored resource.
func (h *Handler) serveResource(w http.ResponseWriter, r *request) {
	if !r.resource.Namespaced() {
		if r.namespace != "" && r.info.Resource != "namespaces" {
			h.notFound(w, r.Request)
			return
		}
		r.namespace = ""
	}
	named := len(r.info.Parts) > 1 // metadata.name in a field selector makes info.Name too
	if len(r.info.Parts) > 3 && !r.resource.IsUnstructured() || (named && r.resource.Namespaced() && r.namespace == "") {
		h.notFound(w, r.Request)
		return
	}
	var verb verb
	switch part := r.info.Subresource; {
	case part == "":
		verb = h.objectVerb(r)
	case part == "scale" && r.resource.Kind.Scale != nil:
		verb = h.partVerb(r, h.getScale, h.putScale, h.patchScale)
	case part == "finalize" && r.resource.Part(part) != nil:
		verb = h.partVerb(r, nil, h.update, nil)
	case r.resource.Part(part) != nil:
		verb = h.partVerb(r, h.get, h.update, h.patch)
	case r.resource.IsUnstructured():
		verb = func(http.ResponseWriter, *request) error {
			return apierrors.NewNotFound(r.gvr.GroupResource(), r.info.Name)
		}
	default:
		h.notFound(w, r.Request)
		return
	}
	if verb == nil && r.resource.IsUnstructured() {
		verb = h.customVerb(r)
	}
	if err := h.do(w, r, verb); err != nil {
		h.Error(w, r.Request, err)
	}
}

// verb does what a request asks for; nil is a method that its path does not
// know.
type verb func(w http.ResponseWriter, r *request) error

// do checks what can be said of a request by its headers alone, and then runs
// the verb.
func (h *Handler) do(w http.ResponseWriter, r *request, run verb) error {
	if run == nil {
		return notAllowed()
	}
	if !r.resource.IsUnstructured() { // those find it out themselves, in words of their own
		if r.Method == http.MethodPatch {
			if err := codec.Readable(r.Request, patchTypes); err != nil {
				return err
			}
		}
		if err := codec.Routable(r.Request, h.written(r)); err != nil {
			return err
		}
	}
	if text := r.resource.Kind.Deprecated; text != "" {
		warning.AddWarning(r.Context(), "", text)
	}
	return run(w, r)
}

// written are the media types that a path writes.
func (h *Handler) written(r *request) []string {
	if r.Method == http.MethodGet && r.info.Subresource == "" && (len(r.info.Parts) == 1 || r.info.Verb == "watch") {
		return h.listed
	}
	return codec.Names()
}

func (h *Handler) objectVerb(r *request) verb {
	named := len(r.info.Parts) > 1
	everywhere := r.resource.Namespaced() && r.namespace == ""
	switch r.Method {
	case http.MethodGet:
		switch {
		case r.info.Verb == "watch":
			return h.watch
		case named:
			return h.get
		}
		return h.list
	case http.MethodPost:
		if !named && !everywhere {
			return h.create
		}
	case http.MethodPut:
		if named {
			return h.update
		}
	case http.MethodPatch:
		if named {
			return h.patch
		}
	case http.MethodDelete:
		if named {
			return h.delete
		}
		if !everywhere && (r.resource.GVR.Resource != "namespaces" || r.resource.GVR.Group != "") {
			return h.deleteCollection
		}
	}
	return nil
}

// customVerb is the verb of a method that the path of a kind with a Go type
// would not know: those of custom kinds are less strict about paths.
func (h *Handler) customVerb(r *request) verb {
	everywhere := r.resource.Namespaced() && r.namespace == ""
	switch {
	case r.Method == http.MethodHead && r.info.Subresource == "scale":
		return h.getScale
	case r.Method == http.MethodHead && len(r.info.Parts) > 1:
		return h.get
	case r.Method == http.MethodHead:
		return h.list
	case everywhere:
		return func(w http.ResponseWriter, r *request) error { h.notFound(w, r.Request); return nil }
	case r.Method == http.MethodPost && r.info.Subresource == "":
		return h.create
	case r.Method == http.MethodPut || r.Method == http.MethodPatch:
		return func(http.ResponseWriter, *request) error { return apierrors.NewBadRequest("name must be provided") }
	}
	return func(_ http.ResponseWriter, r *request) error {
		return apierrors.NewMethodNotSupported(r.gvr.GroupResource(), r.info.Verb)
	}
}

// partVerb is the verb for /status and the like.
func (h *Handler) partVerb(r *request, get, put, patch verb) verb {
	switch r.Method {
	case http.MethodGet:
		return get
	case http.MethodPut:
		return put
	case http.MethodPatch:
		return patch
	}
	return nil
}

// NotAllowed answers that a path does not know the method.
func (h *Handler) NotAllowed(w http.ResponseWriter, r *http.Request) { h.Error(w, r, notAllowed()) }

func notAllowed() error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusMethodNotAllowed, Reason: metav1.StatusReasonMethodNotAllowed,
		Message: "the server does not allow this method on the requested resource", Details: &metav1.StatusDetails{},
	}}
}

// mayCreate asks whether an update may create the object it names.
func (h *Handler) mayCreate(r *request) func(context.Context) error {
	if h.Authorizer == nil {
		return nil
	}
	return func(ctx context.Context) error {
		user, _ := genericrequest.UserFrom(ctx)
		a := authorizer.AttributesRecord{
			User: user, Verb: "create", ResourceRequest: true, Path: r.URL.Path, Namespace: r.namespace, Name: r.info.Name,
			APIGroup: r.gvr.Group, APIVersion: r.gvr.Version, Resource: r.gvr.Resource, Subresource: r.info.Subresource,
		}
		decision, reason, err := h.Authorizer.Authorize(ctx, a)
		if decision == authorizer.DecisionAllow {
			return nil
		}
		if err != nil {
			return apierrors.NewInternalError(err)
		}
		return Forbidden(a, reason)
	}
}
