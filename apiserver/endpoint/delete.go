package endpoint

import (
	"context"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/codec"
)

// deleteOptions reads them from the body, or if there is none from the query.
func (h *Handler) deleteOptions(r *request) (*metav1.DeleteOptions, error) {
	opts := &metav1.DeleteOptions{}
	data, err := body(r.Request)
	if err != nil {
		return nil, err
	}
	if len(data) > 0 {
		media, err := codec.Input(r.Request)
		if err != nil {
			return nil, err
		}
		obj, gvk, err := h.Codec.Decode(data, media, codec.Lenient, metav1.SchemeGroupVersion.WithKind("DeleteOptions"), opts)
		if err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		if obj != opts {
			return nil, apierrors.NewBadRequest(runtime.NewNotRegisteredErrForKind("pkg/runtime/scheme.go:111", *gvk).Error())
		}
	} else if err := parameters(r.Request, opts); err != nil {
		return nil, err
	}
	if err := checked("DeleteOptions", metavalidation.ValidateDeleteOptions(opts)); err != nil {
		return nil, err
	}
	opts.SetGroupVersionKind(metav1.SchemeGroupVersion.WithKind("DeleteOptions"))
	return opts, nil
}

func (h *Handler) delete(w http.ResponseWriter, r *request) error {
	ctx, cancel := context.WithTimeout(r.Context(), writeTimeout)
	defer cancel()
	out, err := r.negotiate()
	if err != nil {
		return err
	}
	opts, err := h.deleteOptions(r)
	if err != nil {
		return err
	}
	d, err := r.resource.Delete(ctx, r.writeOf("", opts.DryRun, opts), opts)
	if err != nil {
		return err
	}
	code := http.StatusOK
	//lint:ignore SA1019 old clients still send it
	if o := opts.OrphanDependents; !d.Gone && o != nil && !*o {
		code = http.StatusAccepted
	}
	if d.Status != nil {
		d.Status.SetGroupVersionKind(optionsVersion.WithKind("Status"))
		h.write(w, r.Request, code, d.Status, out)
		return nil
	}
	return h.answer(w, r, code, d.Item, out)
}

func (h *Handler) deleteCollection(w http.ResponseWriter, r *request) error {
	out, err := r.negotiate()
	if err != nil {
		return err
	}
	list, err := listOptions(r)
	if err != nil {
		return err
	}
	opts, err := h.deleteOptions(r)
	if err != nil {
		return err
	}
	if b := opts.IgnoreStoreReadErrorWithClusterBreakingPotential; b != nil && *b {
		return checked("DeleteOptions", field.ErrorList{field.Invalid(field.NewPath("ignoreStoreReadErrorWithClusterBreakingPotential"), true,
			"is not allowed with DELETECOLLECTION, try again after removing the option")})
	}
	l, err := r.resource.DeleteCollection(r.Context(), r.writeOf("", opts.DryRun, opts), opts, list)
	if err != nil {
		return err
	}
	return h.answerList(w, r, l, out)
}
