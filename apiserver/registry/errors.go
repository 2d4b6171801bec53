package registry

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keelson-project/keelson/apiserver/admission"
	"github.com/keelson-project/keelson/apiserver/cache"
	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/store"
)

const modified = "the object has been modified; please apply your changes to the latest version and try again"

// apiError turns an error of the store or cache into an API status.
func (r *Resource) apiError(err error, name string) error {
	var status apierrors.APIStatus
	switch {
	case err == nil:
		return nil
	case errors.As(err, &status):
		return err
	case errors.Is(err, store.ErrNotFound):
		return apierrors.NewNotFound(r.GroupResource(), name)
	case errors.Is(err, store.ErrExists):
		return apierrors.NewAlreadyExists(r.GroupResource(), name)
	case errors.Is(err, store.ErrConflict):
		return apierrors.NewConflict(r.GroupResource(), name, errors.New(modified))
	case errors.Is(err, store.ErrCompacted), errors.Is(err, cache.ErrTooOld):
		return apierrors.NewResourceExpired("The resourceVersion for the provided list is too old.")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return apierrors.NewTimeoutError("request did not complete within the allotted timeout", 0)
	case errors.Is(err, store.ErrClosed), errors.Is(err, cache.ErrRemoved):
		return apierrors.NewServiceUnavailable("the server is shutting down")
	}
	return apierrors.NewInternalError(err)
}

// toStored is ToStored with an error that can be answered.
func (r *Resource) toStored(obj kinds.Object) (kinds.Object, error) {
	stored, err := r.ToStored(obj)
	var status apierrors.APIStatus
	if err != nil && !errors.As(err, &status) {
		err = apierrors.NewBadRequest(err.Error())
	}
	return stored, err
}

// tooLarge says that a revision asked for has not happened.
func tooLarge(wanted, current int64) error {
	err := apierrors.NewTimeoutError(fmt.Sprintf("Too large resource version: %d, current: %d", wanted, current), 1)
	err.ErrStatus.Details.Causes = []metav1.StatusCause{{
		Type: metav1.CauseTypeResourceVersionTooLarge, Message: "Too large resource version",
	}}
	return err
}

// refused makes an error of admission into a status.
func refused(err error, a *admission.Attributes) error {
	var status apierrors.APIStatus
	if err == nil || errors.As(err, &status) {
		return err
	}
	return admission.Forbidden(a, err)
}

// errRace says that the state a write was tried on is no longer the newest;
// it is tried again.
var errRace = errors.New("state has changed meanwhile")

// expiredWatch is the 410 of a watch from a revision that is forgotten.
func expiredWatch(after, oldest int64) error {
	return apierrors.NewResourceExpired(fmt.Sprintf("too old resource version: %d (%d)", after, oldest))
}
