package review

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/endpoints/request"

	"github.com/keelson-project/keelson/apiserver/authn"
)

// tokens serves TokenReview.
type tokens struct{ Config }

// New implements registry.Creater.
func (*tokens) New() runtime.Object { return &authenticationv1.TokenReview{} }

// Create implements registry.Creater.
func (t *tokens) Create(ctx context.Context, namespace, _ string, obj runtime.Object, _ *metav1.CreateOptions, admit admission) (runtime.Object, error) {
	review := obj.(*authenticationv1.TokenReview)
	if namespace != "" {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("namespace is not allowed on this type: %v", namespace))
	}
	if review.Spec.Token == "" {
		return nil, apierrors.NewBadRequest("token is required for TokenReview in authentication")
	}
	if err := admit(ctx, review); err != nil {
		return nil, err
	}
	// Only the token is looked at: the header of a request made up for it.
	fake := &http.Request{Header: http.Header{"Authorization": {"Bearer " + review.Spec.Token}}}
	audiences := authenticator.Audiences(review.Spec.Audiences)
	if len(audiences) == 0 {
		audiences = t.Audiences
	}
	if len(audiences) > 0 {
		ctx = authenticator.WithAudiences(ctx, audiences)
	}
	response, ok, err := t.Tokens.AuthenticateRequest(fake.WithContext(ctx))
	review.Status = authenticationv1.TokenReviewStatus{Authenticated: ok && err == nil}
	if err != nil {
		// kube-apiserver first asks about the token of its own loopback client.
		review.Status.Error = utilerrors.NewAggregate([]error{authn.ErrInvalidToken, err}).Error()
	}
	if review.Status.Authenticated && response != nil && response.User != nil {
		review.Status.User = userInfo(response.User)
		review.Status.Audiences = response.Audiences
	}
	return review, nil
}

// self serves SelfSubjectReview.
type self struct{}

// New implements registry.Creater.
func (self) New() runtime.Object { return &authenticationv1.SelfSubjectReview{} }

// Create implements registry.Creater.
func (self) Create(ctx context.Context, _, _ string, obj runtime.Object, _ *metav1.CreateOptions, admit admission) (runtime.Object, error) {
	who, ok := request.UserFrom(ctx)
	if !ok {
		return nil, apierrors.NewInternalError(errors.New("the request has no user"))
	}
	review := obj.(*authenticationv1.SelfSubjectReview)
	if err := admit(ctx, review); err != nil {
		return nil, err
	}
	return &authenticationv1.SelfSubjectReview{
		ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.Now()},
		Status:     authenticationv1.SelfSubjectReviewStatus{UserInfo: userInfo(who)},
	}, nil
}
