package endpoint

import (
	"context"
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keelson-project/keelson/apiserver/codec"
	"github.com/keelson-project/keelson/apiserver/kinds"
)

func (h *Handler) create(w http.ResponseWriter, r *request) error {
	ctx, cancel := context.WithTimeout(r.Context(), writeTimeout)
	defer cancel()
	out, err := r.negotiate()
	if err != nil {
		return err
	}
	if _, err := codec.Input(r.Request); err != nil {
		return err
	}
	opts, err := createOptions(r.Request)
	if err != nil {
		return err
	}
	obj, err := h.decodeObject(ctx, r, opts.FieldValidation)
	if err != nil {
		return err
	}
	write := r.writeOf(opts.FieldManager, opts.DryRun, opts)
	write.Name = obj.GetName()
	it, err := r.resource.Create(ctx, obj, write)
	if err != nil {
		return err
	}
	return h.answer(w, r, http.StatusCreated, it, out)
}

// update serves PUT of an object or of a part of it.
func (h *Handler) update(w http.ResponseWriter, r *request) error {
	ctx, cancel := context.WithTimeout(r.Context(), writeTimeout)
	defer cancel()
	out, err := r.negotiate()
	if err != nil {
		return err
	}
	opts, err := updateOptions(r.Request)
	if err != nil {
		return err
	}
	obj, err := h.decodeObject(ctx, r, opts.FieldValidation)
	if err != nil {
		return err
	}
	if err := r.resource.EnsureNamespace(obj, r.namespace); err != nil {
		return err
	}
	if err := checkName(obj, r); err != nil {
		return err
	}
	write := r.writeOf(opts.FieldManager, opts.DryRun, opts)
	write.MayCreate = h.mayCreate(r)
	it, created, err := r.resource.Update(ctx, obj, write)
	if err != nil {
		return err
	}
	code := http.StatusOK
	if created {
		code = http.StatusCreated
	}
	return h.answer(w, r, code, it, out)
}

// checkName compares an object's name with the URL's.
func checkName(obj kinds.Object, r *request) error {
	switch obj.GetName() {
	case r.info.Name:
		return nil
	case "":
		return apierrors.NewBadRequest(fmt.Sprintf("the name of the object (%s based on URL) was undeterminable: name must be provided", r.info.Name))
	}
	return apierrors.NewBadRequest(fmt.Sprintf("the name of the object (%s) does not match the name on the URL (%s)", obj.GetName(), r.info.Name))
}

func asUpdateOptions(o *metav1.PatchOptions) *metav1.UpdateOptions {
	u := &metav1.UpdateOptions{DryRun: o.DryRun, FieldManager: o.FieldManager, FieldValidation: o.FieldValidation}
	u.SetGroupVersionKind(metav1.SchemeGroupVersion.WithKind("UpdateOptions"))
	return u
}
