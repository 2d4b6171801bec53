package review

import (
	"context"
	"errors"
	"fmt"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/request"
)

// access asks the authorizer.
type access struct{ authorizer authorizer.Authorizer }

// decide answers one question.
func (a access) decide(ctx context.Context, attributes authorizer.AttributesRecord) authorizationv1.SubjectAccessReviewStatus {
	decision, reason, err := a.authorizer.Authorize(ctx, attributes)
	status := authorizationv1.SubjectAccessReviewStatus{
		Allowed: decision == authorizer.DecisionAllow, Denied: decision == authorizer.DecisionDeny, Reason: reason,
	}
	if err != nil {
		status.EvaluationError = err.Error()
	}
	return status
}

// attributes are the question that a review asks about who.
func attributes(who user.Info, resource *authorizationv1.ResourceAttributes, other *authorizationv1.NonResourceAttributes) authorizer.AttributesRecord {
	if resource != nil {
		version := resource.Version
		if version == "" {
			version = "*"
		}
		return authorizer.AttributesRecord{
			User: who, ResourceRequest: true, Verb: resource.Verb, Namespace: resource.Namespace,
			APIGroup: resource.Group, APIVersion: version, Resource: resource.Resource, Subresource: resource.Subresource, Name: resource.Name,
		}
	}
	return authorizer.AttributesRecord{User: who, Verb: other.Verb, Path: other.Path}
}

// validate refuses questions that are not exactly one.
func validate(resource *authorizationv1.ResourceAttributes, other *authorizationv1.NonResourceAttributes) field.ErrorList {
	path := field.NewPath("spec", "resourceAttributes")
	switch {
	case resource != nil && other != nil:
		return field.ErrorList{field.Invalid(field.NewPath("spec", "nonResourceAttributes"), other, "cannot be specified in combination with resourceAttributes")}
	case resource == nil && other == nil:
		return field.ErrorList{field.Invalid(path, resource, "exactly one of nonResourceAttributes or resourceAttributes must be specified")}
	}
	return nil
}

// subject serves SubjectAccessReview.
type subject struct{ access }

// New implements registry.Creater.
func (*subject) New() runtime.Object { return &authorizationv1.SubjectAccessReview{} }

// Create implements registry.Creater.
func (s *subject) Create(ctx context.Context, _, _ string, obj runtime.Object, _ *metav1.CreateOptions, admit admission) (runtime.Object, error) {
	review := obj.(*authorizationv1.SubjectAccessReview)
	errs := validateSubject(&review.Spec)
	if !emptyMeta(review.ObjectMeta) {
		errs = append(errs, field.Invalid(field.NewPath("metadata"), review.ObjectMeta, "must be empty"))
	}
	if len(errs) > 0 {
		return nil, apierrors.NewInvalid(authorizationv1.SchemeGroupVersion.WithKind("SubjectAccessReview").GroupKind(), "", errs)
	}
	if err := admit(ctx, review); err != nil {
		return nil, err
	}
	review.Status = s.decide(ctx, attributes(reviewed(&review.Spec), review.Spec.ResourceAttributes, review.Spec.NonResourceAttributes))
	return review, nil
}

func validateSubject(spec *authorizationv1.SubjectAccessReviewSpec) field.ErrorList {
	errs := validate(spec.ResourceAttributes, spec.NonResourceAttributes)
	if spec.User == "" && len(spec.Groups) == 0 {
		errs = append(errs, field.Invalid(field.NewPath("spec", "user"), spec.User, "at least one of user or group must be specified"))
	}
	return errs
}

func reviewed(spec *authorizationv1.SubjectAccessReviewSpec) user.Info {
	return &user.DefaultInfo{Name: spec.User, UID: spec.UID, Groups: spec.Groups, Extra: extraOf(spec.Extra)}
}

// local serves LocalSubjectAccessReview.
type local struct{ access }

// New implements registry.Creater.
func (*local) New() runtime.Object { return &authorizationv1.LocalSubjectAccessReview{} }

// Create implements registry.Creater.
func (l *local) Create(ctx context.Context, namespace, _ string, obj runtime.Object, _ *metav1.CreateOptions, admit admission) (runtime.Object, error) {
	review := obj.(*authorizationv1.LocalSubjectAccessReview)
	errs := validateSubject(&review.Spec)
	meta := review.ObjectMeta
	meta.Namespace = ""
	if !emptyMeta(meta) {
		errs = append(errs, field.Invalid(field.NewPath("metadata"), review.ObjectMeta, "must be empty except for namespace"))
	}
	if r := review.Spec.ResourceAttributes; r != nil && r.Namespace != review.Namespace {
		errs = append(errs, field.Invalid(field.NewPath("spec", "resourceAttributes", "namespace"), r.Namespace, "must match metadata.namespace"))
	}
	if review.Spec.NonResourceAttributes != nil {
		errs = append(errs, field.Invalid(field.NewPath("spec", "nonResourceAttributes"), review.Spec.NonResourceAttributes, "disallowed on this kind of request"))
	}
	if len(errs) > 0 {
		return nil, apierrors.NewInvalid(authorizationv1.SchemeGroupVersion.WithKind("LocalSubjectAccessReview").GroupKind(), "", errs)
	}
	if namespace != review.Namespace || namespace != review.Spec.ResourceAttributes.Namespace {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("spec.resourceAttributes.namespace must match namespace: %v", namespace))
	}
	if err := admit(ctx, review); err != nil {
		return nil, err
	}
	review.Status = l.decide(ctx, attributes(reviewed(&review.Spec), review.Spec.ResourceAttributes, nil))
	return review, nil
}

// selfAccess serves SelfSubjectAccessReview.
type selfAccess struct{ access }

// New implements registry.Creater.
func (*selfAccess) New() runtime.Object { return &authorizationv1.SelfSubjectAccessReview{} }

// Create implements registry.Creater.
func (s *selfAccess) Create(ctx context.Context, _, _ string, obj runtime.Object, _ *metav1.CreateOptions, admit admission) (runtime.Object, error) {
	review := obj.(*authorizationv1.SelfSubjectAccessReview)
	errs := validate(review.Spec.ResourceAttributes, review.Spec.NonResourceAttributes)
	if !emptyMeta(review.ObjectMeta) {
		errs = append(errs, field.Invalid(field.NewPath("metadata"), review.ObjectMeta, "must be empty"))
	}
	if len(errs) > 0 {
		return nil, apierrors.NewInvalid(authorizationv1.SchemeGroupVersion.WithKind("SelfSubjectAccessReview").GroupKind(), "", errs)
	}
	who, ok := request.UserFrom(ctx)
	if !ok {
		return nil, apierrors.NewBadRequest("no user present on request")
	}
	if err := admit(ctx, review); err != nil {
		return nil, err
	}
	review.Status = s.decide(ctx, attributes(who, review.Spec.ResourceAttributes, review.Spec.NonResourceAttributes))
	return review, nil
}

// rules serves SelfSubjectRulesReview.
type rules struct{ resolver authorizer.RuleResolver }

// New implements registry.Creater.
func (*rules) New() runtime.Object { return &authorizationv1.SelfSubjectRulesReview{} }

// Create implements registry.Creater.
func (r *rules) Create(ctx context.Context, _, _ string, obj runtime.Object, _ *metav1.CreateOptions, admit admission) (runtime.Object, error) {
	review := obj.(*authorizationv1.SelfSubjectRulesReview)
	who, ok := request.UserFrom(ctx)
	if !ok {
		return nil, apierrors.NewInternalError(errors.New("the request has no user"))
	}
	if review.Spec.Namespace == "" {
		return nil, apierrors.NewBadRequest("no namespace on request")
	}
	if err := admit(ctx, review); err != nil {
		return nil, err
	}
	resources, others, incomplete, err := r.resolver.RulesFor(ctx, who, review.Spec.Namespace)
	review.Status = authorizationv1.SubjectRulesReviewStatus{
		ResourceRules: []authorizationv1.ResourceRule{}, NonResourceRules: []authorizationv1.NonResourceRule{}, Incomplete: incomplete,
	}
	for _, rule := range resources {
		review.Status.ResourceRules = append(review.Status.ResourceRules, authorizationv1.ResourceRule{
			Verbs: rule.GetVerbs(), APIGroups: rule.GetAPIGroups(), Resources: rule.GetResources(), ResourceNames: rule.GetResourceNames(),
		})
	}
	for _, rule := range others {
		review.Status.NonResourceRules = append(review.Status.NonResourceRules, authorizationv1.NonResourceRule{Verbs: rule.GetVerbs(), NonResourceURLs: rule.GetNonResourceURLs()})
	}
	if err != nil {
		review.Status.EvaluationError = err.Error()
	}
	return review, nil
}
