package endpoint

import (
	"context"
	"net/http"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	genericrequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/warning"

	"github.com/keelson-project/keelson/apiserver/admission"
	"github.com/keelson-project/keelson/apiserver/codec"
	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/registry"
)

// serveVirtual answers for a resource that is computed.
func (h *Handler) serveVirtual(w http.ResponseWriter, r *request, v *registry.Virtual) {
	if err := h.virtual(w, r, v); err != nil {
		h.Error(w, r.Request, err)
	}
}

func (h *Handler) virtual(w http.ResponseWriter, r *request, v *registry.Virtual) error {
	named := len(r.info.Parts) > 1
	if c, ok := v.Handler.(registry.Connecter); ok && slices.Contains(c.Methods(), r.Method) {
		return h.connect(w, r, c, v)
	}
	get, canGet := v.Handler.(registry.Getter)
	list, canList := v.Handler.(registry.Lister)
	create, canCreate := v.Handler.(registry.Creater)
	exists := canList || canCreate // the path, that is
	if v.Subresource != "" {
		exists = true
	} else if named {
		exists = canGet
	}
	if !exists || len(r.info.Parts) > 3 || (v.Namespaced && r.namespace == "" && (named || !canList)) {
		h.notFound(w, r.Request)
		return nil
	}
	var run func() error
	switch {
	case r.Method == http.MethodGet && named && canGet:
		run = func() error { return h.virtualGet(w, r, v, get) }
	case r.Method == http.MethodGet && !named && canList:
		run = func() error { return h.virtualList(w, r, v, list) }
	case r.Method == http.MethodPost && canCreate:
		run = func() error { return h.virtualCreate(w, r, v, create) }
	default:
		return notAllowed()
	}
	written := codec.Names()
	if r.Method == http.MethodGet && !named {
		written = h.listed
	}
	if err := codec.Routable(r.Request, written); err != nil {
		return err
	}
	if v.Deprecated != "" {
		warning.AddWarning(r.Context(), "", v.Deprecated)
	}
	return run()
}

func (h *Handler) virtualGet(w http.ResponseWriter, r *request, v *registry.Virtual, g registry.Getter) error {
	out, err := codec.Negotiate(r.Request, tabled{v.Kind, v.Handler}.transforms())
	if err != nil {
		return err
	}
	opts := &metav1.GetOptions{}
	if err := parameters(r.Request, opts); err != nil {
		return err
	}
	obj, err := g.Get(r.Context(), r.namespace, r.info.Name, opts)
	if err != nil {
		return err
	}
	if out.As != nil {
		return h.transformed(w, r, tabled{v.Kind, v.Handler}, obj, []runtime.Object{obj}, out)
	}
	h.writeVirtual(w, r, http.StatusOK, obj, v, out)
	return nil
}

func (h *Handler) virtualList(w http.ResponseWriter, r *request, v *registry.Virtual, l registry.Lister) error {
	out, err := codec.Negotiate(r.Request, tabled{v.Kind, v.Handler}.transforms())
	if err != nil {
		return err
	}
	opts, err := listOptions(r)
	if err != nil {
		return err
	}
	if opts.Watch || r.info.Verb == "watch" {
		return apierrors.NewMethodNotSupported(r.gvr.GroupResource(), "watch")
	}
	obj, err := l.List(r.Context(), r.namespace, opts)
	if err != nil {
		return err
	}
	if out.As != nil {
		items, err := meta.ExtractList(obj)
		if err != nil {
			return apierrors.NewInternalError(err)
		}
		return h.transformed(w, r, tabled{v.Kind, v.Handler}, obj, items, out)
	}
	obj.GetObjectKind().SetGroupVersionKind(v.Kind.GroupVersion().WithKind(v.Kind.Kind + "List"))
	h.write(w, r.Request, http.StatusOK, obj, out)
	return nil
}

func (h *Handler) virtualCreate(w http.ResponseWriter, r *request, v *registry.Virtual, c registry.Creater) error {
	ctx, cancel := context.WithTimeout(r.Context(), writeTimeout)
	defer cancel()
	out, err := codec.Negotiate(r.Request, codec.NoTransforms)
	if err != nil {
		return err
	}
	media, err := codec.Input(r.Request)
	if err != nil {
		return err
	}
	opts, err := createOptions(r.Request)
	if err != nil {
		return err
	}
	data, err := body(r.Request)
	if err != nil {
		return err
	}
	var accept func(schema.GroupVersionKind, runtime.Object) runtime.Object
	if a, ok := c.(registry.Accepter); ok {
		accept = a.Accept
	}
	obj, err := h.decodeBy(ctx, data, media, opts.FieldValidation, v.Kind, c.New(), reading{accept: accept})
	if err != nil {
		return err
	}
	if d, ok := c.(registry.Defaulter); ok {
		d.Default(obj)
	}
	if m, err := meta.Accessor(obj); err == nil && v.Namespaced {
		if ns := m.GetNamespace(); ns != "" && ns != r.namespace {
			return apierrors.NewBadRequest("the namespace of the provided object does not match the namespace sent on the request")
		}
		m.SetNamespace(r.namespace)
	}
	if o, ok := obj.(kinds.Object); ok {
		o.SetManagedFields(nil)
		h.Registry.TrackNew(v.Kind, v.Subresource, o, registry.ManagerName(opts.FieldManager, r.UserAgent()))
	}
	if err := h.mutate(ctx, r, v, admission.Create, obj, opts, len(opts.DryRun) > 0); err != nil {
		return err
	}
	admit := func(ctx context.Context, obj runtime.Object) error {
		return h.validate(ctx, r, v, admission.Create, obj, opts, len(opts.DryRun) > 0)
	}
	got, err := c.Create(ctx, r.namespace, r.info.Name, obj, opts, admit)
	if err != nil {
		return err
	}
	code := http.StatusCreated
	if s, ok := got.(*metav1.Status); ok && s.Code == 0 {
		s.Code = int32(code)
	}
	h.writeVirtual(w, r, code, got, v, out)
	return nil
}

// mutate asks the first half of admission about a computed resource, validate
// the second.
func (h *Handler) mutate(ctx context.Context, r *request, v *registry.Virtual, op admission.Operation, obj, opts runtime.Object, dryRun bool) error {
	if len(h.Admission) == 0 {
		return nil
	}
	a := attributesOf(ctx, r, v, op, obj, opts, dryRun)
	return refused(h.Admission.Admit(ctx, a), a)
}

func (h *Handler) validate(ctx context.Context, r *request, v *registry.Virtual, op admission.Operation, obj, opts runtime.Object, dryRun bool) error {
	if len(h.Admission) == 0 {
		return nil
	}
	a := attributesOf(ctx, r, v, op, obj, opts, dryRun)
	return refused(h.Admission.Validate(ctx, a), a)
}

func attributesOf(ctx context.Context, r *request, v *registry.Virtual, op admission.Operation, obj, opts runtime.Object, dryRun bool) *admission.Attributes {
	a := &admission.Attributes{
		Operation: op, Resource: r.gvr, Kind: v.Kind, Subresource: r.info.Subresource, Namespace: r.namespace, Name: r.info.Name,
		Object: obj, Options: opts, DryRun: dryRun,
	}
	if m, err := meta.Accessor(obj); a.Name == "" && obj != nil && err == nil {
		a.Name = m.GetName()
	}
	a.User, _ = genericrequest.UserFrom(ctx)
	return a
}

// refused makes an error of admission into a status.
func refused(err error, a *admission.Attributes) error {
	if err == nil || apierrors.ReasonForError(err) != metav1.StatusReasonUnknown {
		return err
	}
	return admission.Forbidden(a, err)
}

func (h *Handler) connect(w http.ResponseWriter, r *request, c registry.Connecter, v *registry.Virtual) error {
	path := ""
	if len(r.info.Parts) > 3 {
		path = "/" + strings.Join(r.info.Parts[3:], "/")
	}
	if strings.HasSuffix(r.URL.Path, "/") {
		path += "/"
	}
	if a, ok := c.(registry.Admitted); ok {
		options := a.Options(path, r.Request)
		options.GetObjectKind().SetGroupVersionKind(v.Kind)
		if err := h.mutate(r.Context(), r, v, admission.Connect, options, nil, false); err != nil {
			return err
		}
		if err := h.validate(r.Context(), r, v, admission.Connect, options, nil, false); err != nil {
			return err
		}
	}
	handler, err := c.Connect(r.Context(), r.namespace, r.info.Name, path, r.Request)
	if err != nil {
		return err
	}
	handler.ServeHTTP(w, r.Request)
	return nil
}

// writeVirtual answers with a computed object.
func (h *Handler) writeVirtual(w http.ResponseWriter, r *request, code int, obj runtime.Object, v *registry.Virtual, out codec.Output) {
	if _, ok := obj.(*metav1.Status); ok {
		obj.GetObjectKind().SetGroupVersionKind(optionsVersion.WithKind("Status"))
	} else if gvks, _, err := h.Codec.Scheme().ObjectKinds(obj); err == nil && len(gvks) > 0 && !slices.Contains(gvks, v.Kind) {
		obj.GetObjectKind().SetGroupVersionKind(gvks[0])
	} else {
		obj.GetObjectKind().SetGroupVersionKind(v.Kind)
	}
	h.write(w, r.Request, code, obj, out)
}
