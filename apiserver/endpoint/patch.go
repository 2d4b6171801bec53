package endpoint

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/codec"
	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/patch"
	"github.com/keelson-project/keelson/apiserver/registry"
)

// patchTypes are those read, in the order errors name them.
var patchTypes = []string{
	string(types.JSONPatchType), string(types.MergePatchType), string(types.StrategicMergePatchType), string(types.ApplyYAMLPatchType),
}

// patcher is a patch on its way.
type patcher struct {
	h       *Handler
	r       *request
	typ     types.PatchType
	data    []byte
	opts    *metav1.PatchOptions
	strict  patch.Strictness
	manager string
}

// newPatcher reads a request's patch.
func (h *Handler) newPatcher(r *request) (*patcher, error) {
	allowed := patchTypes
	if r.resource.IsUnstructured() {
		allowed = slices.DeleteFunc(slices.Clone(patchTypes), func(t string) bool { return t == string(types.StrategicMergePatchType) })
	}
	contentType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if !slices.Contains(allowed, contentType) {
		return nil, codec.Unsupported(allowed)
	}
	p := &patcher{h: h, r: r, typ: types.PatchType(contentType), opts: &metav1.PatchOptions{}}
	var err error
	if p.data, err = body(r.Request); err != nil {
		return nil, err
	}
	if err := parameters(r.Request, p.opts); err != nil {
		return nil, err
	}
	if err := checked("PatchOptions", metavalidation.ValidatePatchOptions(p.opts, p.typ)); err != nil {
		return nil, err
	}
	p.opts.SetGroupVersionKind(metav1.SchemeGroupVersion.WithKind("PatchOptions"))
	f := patch.JSONFormat
	if p.typ == types.ApplyYAMLPatchType {
		f = patch.YAML
	}
	if err := patch.Check(p.data, f); err != nil {
		return nil, err
	}
	if strictness(p.opts.FieldValidation) == codec.Strict {
		p.strict = patch.Strict
	}
	p.manager = registry.ManagerName(p.opts.FieldManager, r.UserAgent())
	return p, nil
}

func (h *Handler) patch(w http.ResponseWriter, r *request) error {
	ctx, cancel := context.WithTimeout(r.Context(), writeTimeout)
	defer cancel()
	p, err := h.newPatcher(r)
	if err != nil {
		return err
	}
	out, err := r.negotiate()
	if err != nil {
		return err
	}
	write := r.writeOf(p.opts.FieldManager, p.opts.DryRun, asUpdateOptions(p.opts))
	write.MayCreate = h.mayCreate(r)
	apply := p.typ == types.ApplyYAMLPatchType
	it, created, err := r.resource.Change(ctx, write, registry.Creates(apply), func(ctx context.Context, old kinds.Object) (kinds.Object, registry.Tracked, error) {
		obj, err := p.change(ctx, old)
		if err != nil {
			return nil, false, err
		}
		if old == nil && obj.GetUID() != "" {
			return nil, false, apierrors.NewConflict(r.gvr.GroupResource(), r.info.Name, fmt.Errorf("uid mismatch: the provided object specified uid %s, and no existing object was found", obj.GetUID()))
		}
		if err := r.resource.EnsureNamespace(obj, r.namespace); err != nil {
			return nil, false, err
		}
		return obj, registry.Tracked(apply), checkName(obj, r)
	})
	if err != nil {
		return err
	}
	code := http.StatusOK
	if created {
		code = http.StatusCreated
	}
	return h.answer(w, r, code, it, out)
}

// change makes the new state of an object.
func (p *patcher) change(ctx context.Context, old kinds.Object) (kinds.Object, error) {
	if p.typ == types.ApplyYAMLPatchType {
		return p.apply(ctx, old)
	}
	if old == nil {
		return nil, apierrors.NewNotFound(p.r.gvr.GroupResource(), p.r.info.Name)
	}
	into := p.r.resource.New()
	var patched []byte
	if p.typ == types.StrategicMergePatchType {
		if err := p.strategic(ctx, old, into, into); err != nil {
			return nil, err
		}
	} else {
		doc, err := codec.Body(old, codec.JSON)
		if err != nil {
			return nil, apierrors.NewInternalError(err)
		}
		doc = p.r.resource.Type.Object(codec.JSON, doc).Bytes()
		if patched, err = p.document(ctx, doc, p.r.resource.GVK, into, p.r.resource.Receive); err != nil {
			return nil, err
		}
	}
	if _, ok := into.(*unstructured.Unstructured); !ok {
		into.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	}
	p.r.resource.Default(into)
	settled, err := p.r.resource.Settle(into)
	if err != nil {
		if p.typ == types.StrategicMergePatchType {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		return nil, p.invalid(string(patched), err)
	}
	return settled, nil
}

// document applies a JSON or merge patch to a document and decodes the result,
// which is also returned as text.
func (p *patcher) document(ctx context.Context, doc []byte, gvk schema.GroupVersionKind, into runtime.Object, receive receiver) ([]byte, error) {
	do := patch.Merge
	if p.typ == types.JSONPatchType {
		do = patch.JSON
	}
	patched, strict, err := do(doc, p.data, p.strict)
	if err != nil {
		return nil, err
	}
	obj, got, err := p.h.Codec.Decode(patched, codec.JSON, strictness(p.opts.FieldValidation), gvk, into)
	err = received(obj, err, strictness(p.opts.FieldValidation), receive)
	if err != nil {
		found, ok := runtime.AsStrictDecodingError(err)
		if !ok {
			return nil, p.invalid(string(patched), err)
		}
		strict = append(strict, found.Errors()...)
	}
	if _, custom := into.(*unstructured.Unstructured); obj != into || *got != gvk && !custom { // which validation refuses
		return nil, p.invalid(string(patched), noConversion(*got, gvk))
	}
	return patched, p.report(ctx, string(patched), strict)
}

// strategic applies a strategic merge patch.
func (p *patcher) strategic(ctx context.Context, old, into runtime.Object, like any) error {
	doc, err := runtime.DefaultUnstructuredConverter.ToUnstructured(old)
	if err != nil {
		return apierrors.NewInternalError(err)
	}
	doc["kind"], doc["apiVersion"] = p.r.resource.GVK.Kind, p.r.resource.GVK.GroupVersion().String()
	patched, parsed, strict, err := patch.Strategic(doc, p.data, like, p.strict)
	if err != nil {
		return err
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(patched, into, p.strict == patch.Strict); err != nil {
		found, ok := runtime.AsStrictDecodingError(err)
		if !ok {
			return p.invalid(fmt.Sprintf("%+v", parsed), err)
		}
		strict = append(strict, found.Errors()...)
	}
	return p.report(ctx, fmt.Sprintf("%+v", parsed), strict)
}

// report makes warnings or an error of what strict reading found.
func (p *patcher) report(ctx context.Context, value string, strict []error) error {
	if len(strict) == 0 {
		return nil
	}
	if p.opts.FieldValidation != metav1.FieldValidationStrict {
		warnStrict(ctx, strict)
		return nil
	}
	return p.invalid(value, runtime.NewStrictDecodingError(strict))
}

func (p *patcher) invalid(value string, err error) error {
	return apierrors.NewInvalid(schema.GroupKind{}, "", field.ErrorList{field.Invalid(field.NewPath("patch"), value, err.Error())})
}

// apply merges an applied configuration.
func (p *patcher) apply(ctx context.Context, old kinds.Object) (kinds.Object, error) {
	content, strict, err := patch.Configuration(p.data, p.strict)
	if err != nil {
		return nil, err
	}
	force := p.opts.Force != nil && *p.opts.Force
	obj, err := p.r.resource.Apply(old, &unstructured.Unstructured{Object: content}, p.r.info.Subresource, p.opts.FieldManager, registry.Force(force))
	if err != nil {
		return nil, badApply(err)
	}
	if strict != nil {
		if p.opts.FieldValidation == metav1.FieldValidationStrict {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("error strict decoding patch: %v", strict))
		}
		warnStrict(ctx, []error{strict})
	}
	return obj, nil
}

// applyScale is apply for /scale.
func (p *patcher) applyScale(ctx context.Context, old *autoscalingv1.Scale) (*autoscalingv1.Scale, error) {
	content, strict, err := patch.Configuration(p.data, p.strict)
	if err != nil {
		return nil, err
	}
	if strict != nil {
		if p.opts.FieldValidation == metav1.FieldValidationStrict {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("error strict decoding patch: %v", strict))
		}
		warnStrict(ctx, []error{strict})
	}
	force := p.opts.Force != nil && *p.opts.Force
	out, err := p.r.resource.ApplyScale(old, &unstructured.Unstructured{Object: content}, p.opts.FieldManager, registry.Force(force))
	if err != nil {
		return nil, badApply(err)
	}
	return out, p.h.checkScale(out, p.r)
}

// badApply makes a 400 of an error that is no API status: such a configuration
// does not fit the schema.
func badApply(err error) error {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return err
	}
	return apierrors.NewBadRequest(err.Error())
}
