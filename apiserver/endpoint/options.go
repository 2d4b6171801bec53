package endpoint

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	internalscheme "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme"
	listvalidation "k8s.io/apimachinery/pkg/apis/meta/internalversion/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/warning"

	"github.com/keelson-project/keelson/apiserver/codec"
	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/registry"
)

var optionsVersion = schema.GroupVersion{Version: "v1"}

// parameters decodes the query into options.
func parameters(r *http.Request, into runtime.Object) error {
	if r.URL.RawQuery == "" {
		return nil
	}
	if err := internalscheme.ParameterCodec.DecodeParameters(r.URL.Query(), metav1.SchemeGroupVersion, into); err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	return nil
}

// checked makes an error of what validation found in options.
func checked(kind string, errs field.ErrorList) error {
	if len(errs) == 0 {
		return nil
	}
	return apierrors.NewInvalid(schema.GroupKind{Group: metav1.GroupName, Kind: kind}, "", errs)
}

func createOptions(r *http.Request) (*metav1.CreateOptions, error) {
	o := &metav1.CreateOptions{}
	if err := parameters(r, o); err != nil {
		return nil, err
	}
	o.SetGroupVersionKind(metav1.SchemeGroupVersion.WithKind("CreateOptions"))
	return o, checked("CreateOptions", metavalidation.ValidateCreateOptions(o))
}

func updateOptions(r *http.Request) (*metav1.UpdateOptions, error) {
	o := &metav1.UpdateOptions{}
	if err := parameters(r, o); err != nil {
		return nil, err
	}
	o.SetGroupVersionKind(metav1.SchemeGroupVersion.WithKind("UpdateOptions"))
	return o, checked("UpdateOptions", metavalidation.ValidateUpdateOptions(o))
}

// listOptions decodes and checks those of a list or watch.
func listOptions(r *request) (*internalversion.ListOptions, error) {
	o := &internalversion.ListOptions{}
	if err := parameters(r.Request, o); err != nil {
		return nil, err
	}
	internalversion.SetListOptionsDefaults(o, true)
	if err := checked("ListOptions", listvalidation.ValidateListOptions(o, true)); err != nil {
		return nil, err
	}
	if name := r.info.Name; name != "" {
		if o.FieldSelector != nil && !o.FieldSelector.Empty() {
			if selected, ok := o.FieldSelector.RequiresExactMatch("metadata.name"); !ok || selected != name {
				return nil, apierrors.NewBadRequest("fieldSelector metadata.name doesn't match requested name")
			}
		} else {
			o.FieldSelector = fields.OneTermEqualSelector("metadata.name", name)
		}
	}
	return o, nil
}

// body reads a request's body up to the limit.
func body(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	var data []byte
	var err error
	if n := r.ContentLength; n > 0 && n <= bodyLimit {
		data = make([]byte, n)
		_, err = io.ReadFull(r.Body, data)
	} else {
		data, err = io.ReadAll(io.LimitReader(r.Body, bodyLimit+1))
	}
	if err != nil {
		return nil, apierrors.NewBadRequest("the request's body cannot be read: " + err.Error())
	}
	if len(data) > bodyLimit {
		return nil, apierrors.NewRequestEntityTooLargeError(fmt.Sprintf("limit is %d", bodyLimit))
	}
	return data, nil
}

func strictness(directive string) codec.Strictness {
	if directive == metav1.FieldValidationIgnore {
		return codec.Lenient
	}
	return codec.Strict
}

// decodeObject reads an object of the resource from a request's body, with its
// defaults.
func (h *Handler) decodeObject(ctx context.Context, r *request, fieldValidation string) (kinds.Object, error) {
	media, err := codec.Input(r.Request)
	if err != nil {
		return nil, err
	}
	data, err := body(r.Request)
	if err != nil {
		return nil, err
	}
	into := r.resource.New()
	obj, err := h.decodeBy(ctx, data, media, fieldValidation, r.resource.GVK, into, reading{receive: r.resource.Receive})
	if err != nil {
		return nil, err
	}
	out, ok := obj.(kinds.Object)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("%T cannot be handled as a %s", obj, r.resource.GVK.Kind))
	}
	if _, ok := out.(*unstructured.Unstructured); !ok {
		out.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	}
	r.resource.Default(out)
	settled, err := r.resource.Settle(out)
	if err != nil {
		return nil, decodeError(err, r.resource.GVK, &r.resource.GVK, data)
	}
	return settled, nil
}

// decode reads an object that has to be of a kind; what strict reading finds
// becomes warnings or an error.
func (h *Handler) decode(ctx context.Context, data []byte, media codec.Media, fieldValidation string, want schema.GroupVersionKind, into runtime.Object) (runtime.Object, error) {
	return h.decodeBy(ctx, data, media, fieldValidation, want, into, reading{})
}

// reading are peculiarities of what is read.
type reading struct {
	// accept, if set, makes the wanted kind of other versions of it.
	accept func(schema.GroupVersionKind, runtime.Object) runtime.Object
	// receive, if set, brings the object into shape.
	receive receiver
}

// decodeBy is decode with peculiarities.
func (h *Handler) decodeBy(ctx context.Context, data []byte, media codec.Media, fieldValidation string, want schema.GroupVersionKind, into runtime.Object, by reading) (runtime.Object, error) {
	if u, ok := into.(*unstructured.Unstructured); ok {
		u.SetGroupVersionKind(want)
	}
	obj, gvk, err := h.Codec.Decode(data, media, strictness(fieldValidation), want, into)
	err = received(obj, err, strictness(fieldValidation), by.receive)
	if strict, ok := runtime.AsStrictDecodingError(err); ok && obj != nil && fieldValidation != metav1.FieldValidationStrict {
		warnStrict(ctx, strict.Errors())
		err = nil
	}
	if err != nil {
		return nil, decodeError(err, want, gvk, data)
	}
	_, custom := into.(*unstructured.Unstructured)
	if gvk.Kind != want.Kind && !(custom && gvk.GroupVersion() == want.GroupVersion()) { // which validation refuses
		return nil, apierrors.NewBadRequest(fmt.Sprintf("%s in version %q cannot be handled as a %s: %v", gvk.Kind, gvk.Version, want.Kind, noConversion(*gvk, want)))
	}
	if gvk.GroupVersion() != want.GroupVersion() {
		if by.accept != nil {
			if out := by.accept(*gvk, obj); out != nil {
				return out, nil
			}
		}
		return nil, apierrors.NewBadRequest(fmt.Sprintf("the API version in the data (%s) does not match the expected API version (%s)", gvk.GroupVersion(), want.GroupVersion()))
	}
	return obj, nil
}

// A receiver brings an object into shape: see [registry.Resource.Receive].
type receiver func(obj kinds.Object) (unknown []string, err error)

// received has a decoded object brought into shape, if there is a receiver, and
// adds what that has dropped to what strict decoding found.
func received(obj runtime.Object, err error, s codec.Strictness, receive receiver) error {
	strict, isStrict := runtime.AsStrictDecodingError(err)
	o, ok := obj.(kinds.Object)
	if receive == nil || !ok || (err != nil && !isStrict) {
		return err
	}
	unknown, badErr := receive(o)
	if badErr != nil {
		return badErr
	}
	if len(unknown) == 0 || s == codec.Lenient {
		return err
	}
	var all []error
	if isStrict {
		all = strict.Errors()
	}
	for _, path := range unknown {
		all = append(all, fmt.Errorf("unknown field %q", path))
	}
	return runtime.NewStrictDecodingError(all)
}

// noConversion says that an object of one kind is none of another.
func noConversion(from, to schema.GroupVersionKind) error {
	return fmt.Errorf("converting (%s.%s) to (%s.%s): unknown conversion", from.Version, from.Kind, shortGroup(to.Group), to.Kind)
}

// shortGroup is what errors call a group.
func shortGroup(group string) string {
	if group == "" {
		return "core"
	}
	short, _, _ := strings.Cut(group, ".")
	return short
}

func decodeError(err error, want schema.GroupVersionKind, gvk *schema.GroupVersionKind, data []byte) error {
	if gvk != nil && gvk.Kind != "" {
		return apierrors.NewBadRequest(fmt.Sprintf("%s in version %q cannot be handled as a %s: %v", gvk.Kind, gvk.Version, want.Kind, err))
	}
	return apierrors.NewBadRequest(fmt.Sprintf("the object provided is unrecognized (must be of type %s): %v (%s)", want.Kind, err, summary(data)))
}

// summary shows the beginning of data in an error.
func summary(data []byte) string {
	const limit = 30
	if len(data) == 0 {
		return "<empty>"
	}
	show := func(b []byte) string { return hex.EncodeToString(b) }
	if data[0] == '{' {
		show = func(b []byte) string { return string(b) }
	}
	if len(data) > limit {
		return show(data[:limit]) + " ..."
	}
	return show(data)
}

// warnStrict makes warnings of what strict decoding found.
func warnStrict(ctx context.Context, errs []error) {
	for _, err := range errs {
		text := err.Error()
		trimmed := text
		if cut, ok := strings.CutPrefix(text, "error converting YAML to JSON: yaml: unmarshal errors:\n"); ok {
			trimmed = cut
		} else if cut, ok := strings.CutPrefix(text, "yaml: unmarshal errors:\n"); ok {
			trimmed = cut
		}
		for _, line := range strings.Split(trimmed, "\n") {
			warning.AddWarning(ctx, "", strings.TrimSpace(line))
		}
	}
}

// writeOf describes a write of a request.
func (r *request) writeOf(fieldManager string, dryRun []string, options runtime.Object) registry.Write {
	return registry.Write{
		Namespace: r.namespace, Name: r.info.Name, Subresource: r.info.Subresource,
		Manager: registry.ManagerName(fieldManager, r.UserAgent()), DryRun: len(dryRun) > 0, Options: options,
	}
}
