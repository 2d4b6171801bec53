package webhooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	admissionv1 "k8s.io/api/admission/v1"
	v1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apiserver/pkg/warning"

	"github.com/keelson-project/keelson/apiserver/admission"
	"github.com/keelson-project/keelson/apiserver/admission/view"
)

// unanswered says why a webhook has given no answer that counts.
type unanswered struct {
	webhook string
	reason  error
}

// Error implements error.
func (e *unanswered) Error() string {
	return fmt.Sprintf("failed calling webhook %q: %v", e.webhook, e.reason)
}

// Unwrap is for errors.Is.
func (e *unanswered) Unwrap() error { return e.reason }

func (h *hook) failed(format string, args ...any) error {
	return &unanswered{webhook: h.Name, reason: fmt.Errorf(format, args...)}
}

// question is what a webhook is sent.
type question struct {
	*hook
	uid     types.UID
	version schema.GroupVersion // of the review
	body    []byte
}

// ask makes the question about a write. The versions of reviews differ in
// nothing but their name.
func (h *hook) ask(r *view.Request, seen *view.View) (*question, error) {
	if r.DryRun {
		switch {
		case h.SideEffects == nil:
			return nil, h.failed("Webhook SideEffects is nil")
		case *h.SideEffects != v1.SideEffectClassNone && *h.SideEffects != v1.SideEffectClassNoneOnDryRun:
			return nil, apierrors.NewBadRequest(fmt.Sprintf("admission webhook %q does not support dry run", h.Name))
		}
	}
	q := &question{hook: h, uid: uuid.NewUUID()}
	for _, version := range h.AdmissionReviewVersions {
		if version == "v1" || version == "v1beta1" {
			q.version = schema.GroupVersion{Group: admissionv1.GroupName, Version: version}
			break
		}
	}
	if q.version.Empty() {
		return nil, h.failed("could not create admission objects: webhook does not accept known AdmissionReview versions (v1, v1beta1)")
	}
	if h.unreachable != nil {
		return nil, h.failed("could not get REST client: %w", h.unreachable)
	}
	review := &admissionv1.AdmissionReview{Request: r.Review(seen)}
	review.SetGroupVersionKind(q.version.WithKind("AdmissionReview"))
	review.Request.UID = q.uid
	review.Request.Object, review.Request.OldObject = runtime.RawExtension{Object: seen.Object}, runtime.RawExtension{Object: seen.Old}
	var err error
	if q.body, err = json.Marshal(review); err != nil {
		return nil, h.failed("could not create admission objects: %w", err)
	}
	return q, nil
}

// answer asks the webhook.
func (q *question) answer(ctx context.Context, mutating bool) (*admissionv1.AdmissionResponse, error) {
	data, err := q.client.Post(ctx, q.body)
	review := &admissionv1.AdmissionReview{}
	if err == nil {
		err = json.Unmarshal(data, review)
	}
	if err != nil {
		return nil, q.failed("failed to call webhook: %w", err)
	}
	if err := q.verify(review, mutating); err != nil {
		return nil, q.failed("received invalid webhook response: %w", err)
	}
	return review.Response, nil
}

// verify requires that an answer is one to the question. The older version of
// reviews did not ask for much.
func (q *question) verify(review *admissionv1.AdmissionReview, mutating bool) error {
	a := review.Response
	if a == nil {
		return errors.New("webhook response was absent")
	}
	if q.version != admissionv1.SchemeGroupVersion {
		if a.PatchType = nil; len(a.Patch) > 0 && mutating {
			a.PatchType = new(admissionv1.PatchTypeJSONPatch)
		}
		return nil
	}
	want := q.version.WithKind("AdmissionReview")
	switch got := review.GroupVersionKind(); {
	case a.UID != q.uid:
		return fmt.Errorf("expected response.uid=%q, got %q", q.uid, a.UID)
	case got != want:
		return fmt.Errorf("expected webhook response of %v, got %v", want, got)
	case !mutating && len(a.Patch) > 0:
		return errors.New("validating webhook may not return response.patch")
	case !mutating && a.PatchType != nil:
		return errors.New("validating webhook may not return response.patchType")
	case len(a.Patch) > 0 && a.PatchType == nil:
		return errors.New("webhook returned response.patch but not response.patchType")
	case len(a.Patch) == 0 && a.PatchType != nil:
		return errors.New("webhook returned response.patchType but not response.patch")
	case a.PatchType != nil && *a.PatchType == "":
		return fmt.Errorf("webhook returned invalid response.patchType of %q", *a.PatchType)
	}
	return nil
}

// take passes on what an answer says besides the object, and the refusal if it
// is one.
func (h *hook) take(ctx context.Context, a *admission.Attributes, answer *admissionv1.AdmissionResponse) error {
	for key, value := range answer.AuditAnnotations {
		a.Annotate(h.Name+"/"+key, value)
	}
	for _, text := range answer.Warnings {
		warning.AddWarning(ctx, "", text)
	}
	if answer.Allowed {
		return nil
	}
	status := answer.Result
	if status == nil {
		status = &metav1.Status{}
	}
	status.Code = max(status.Code, http.StatusBadRequest)
	if status.Status == "" || status.Status == metav1.StatusSuccess {
		status.Status = metav1.StatusFailure
	}
	text := fmt.Sprintf("admission webhook %q denied the request", h.Name)
	switch {
	case status.Message != "":
		status.Message = text + ": " + status.Message
	case status.Reason != "":
		status.Message = text + ": " + string(status.Reason)
	default:
		status.Message = text + " without explanation"
	}
	return &apierrors.StatusError{ErrStatus: *status}
}

// settle says what an error comes to: nothing if there was no answer and that
// is to be ignored, which is noted for the audit.
func (h *hook) settle(ctx context.Context, a *admission.Attributes, err error, note string) error {
	var none *unanswered
	switch {
	case !errors.As(err, &none):
		return err
	case !h.ignored():
		return apierrors.NewInternalError(none)
	case ctx.Err() != nil:
		return late()
	}
	a.Annotate(note, h.Name)
	return nil
}

func late() error {
	return apierrors.NewTimeoutError("request did not complete within requested timeout", 0)
}
