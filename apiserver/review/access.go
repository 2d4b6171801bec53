package review

import (
	"context"
	"errors"
	"fmt"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/request"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

// access asks the authorizer.
type access struct{ authorizer authorizer.Authorizer }

// decide answers one question.
func (a access) decide(ctx context.Context, who user.Info, q question) authorizationv1.SubjectAccessReviewStatus {
	attributes := q.attributes(who)
	decision, reason, err := a.authorizer.Authorize(ctx, attributes)
	return authorizationv1.SubjectAccessReviewStatus{
		Allowed: decision == authorizer.DecisionAllow, Denied: decision == authorizer.DecisionDeny, Reason: reason,
		EvaluationError: troubles(err, &attributes),
	}
}

// invalid refuses a review, without saying what kind it is: so clients know it.
func invalid(e *check.Errors) error {
	if len(e.List) == 0 {
		return nil
	}
	return apierrors.NewInvalid(schema.GroupKind{Group: authorizationv1.GroupName}, "", e.List)
}

// subject serves SubjectAccessReview.
type subject struct{ access }

// New implements registry.Creater.
func (*subject) New() runtime.Object { return &authorizationv1.SubjectAccessReview{} }

// Create implements registry.Creater.
func (s *subject) Create(ctx context.Context, _, _ string, obj runtime.Object, _ *metav1.CreateOptions, admit admission) (runtime.Object, error) {
	review := obj.(*authorizationv1.SubjectAccessReview)
	e := validateSubject(&review.Spec)
	noMetadata(e, review.ObjectMeta, review.ObjectMeta, "")
	if err := invalid(e); err != nil {
		return nil, err
	}
	if err := admit(ctx, review); err != nil {
		return nil, err
	}
	review.Status = s.decide(ctx, reviewed(&review.Spec), asked(&review.Spec))
	return review, nil
}

func validateSubject(spec *authorizationv1.SubjectAccessReviewSpec) *check.Errors {
	e := &check.Errors{}
	asked(spec).validate(e)
	if spec.User == "" && len(spec.Groups) == 0 {
		e.Invalid(field.NewPath("spec", "user"), spec.User, "at least one of user or group must be specified")
	}
	return e
}

func asked(spec *authorizationv1.SubjectAccessReviewSpec) question {
	return question{spec.ResourceAttributes, spec.NonResourceAttributes}
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
	e := validateSubject(&review.Spec)
	meta := review.ObjectMeta
	meta.Namespace = ""
	noMetadata(e, review.ObjectMeta, meta, " except for namespace")
	if r := review.Spec.ResourceAttributes; r != nil && r.Namespace != review.Namespace {
		e.Invalid(field.NewPath("spec", "resourceAttributes", "namespace"), r.Namespace, "must match metadata.namespace")
	}
	if other := review.Spec.NonResourceAttributes; other != nil {
		e.Invalid(field.NewPath("spec", "nonResourceAttributes"), other, "disallowed on this kind of request")
	}
	if err := invalid(e); err != nil {
		return nil, err
	}
	if namespace != review.Namespace {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("spec.resourceAttributes.namespace must match namespace: %v", namespace))
	}
	if err := admit(ctx, review); err != nil {
		return nil, err
	}
	review.Status = l.decide(ctx, reviewed(&review.Spec), asked(&review.Spec))
	return review, nil
}

// selfAccess serves SelfSubjectAccessReview.
type selfAccess struct{ access }

// New implements registry.Creater.
func (*selfAccess) New() runtime.Object { return &authorizationv1.SelfSubjectAccessReview{} }

// Create implements registry.Creater.
func (s *selfAccess) Create(ctx context.Context, _, _ string, obj runtime.Object, _ *metav1.CreateOptions, admit admission) (runtime.Object, error) {
	review := obj.(*authorizationv1.SelfSubjectAccessReview)
	q, e := question{review.Spec.ResourceAttributes, review.Spec.NonResourceAttributes}, &check.Errors{}
	q.validate(e)
	noMetadata(e, review.ObjectMeta, review.ObjectMeta, "")
	if err := invalid(e); err != nil {
		return nil, err
	}
	who, ok := request.UserFrom(ctx)
	if !ok {
		return nil, apierrors.NewBadRequest("no user present on request")
	}
	if err := admit(ctx, review); err != nil {
		return nil, err
	}
	review.Status = s.decide(ctx, who, q)
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
	status := authorizationv1.SubjectRulesReviewStatus{
		ResourceRules: []authorizationv1.ResourceRule{}, NonResourceRules: []authorizationv1.NonResourceRule{}, Incomplete: incomplete,
	}
	for _, rule := range resources {
		status.ResourceRules = append(status.ResourceRules, authorizationv1.ResourceRule{
			Verbs: rule.GetVerbs(), APIGroups: rule.GetAPIGroups(), Resources: rule.GetResources(), ResourceNames: rule.GetResourceNames(),
		})
	}
	for _, rule := range others {
		status.NonResourceRules = append(status.NonResourceRules, authorizationv1.NonResourceRule{Verbs: rule.GetVerbs(), NonResourceURLs: rule.GetNonResourceURLs()})
	}
	if err != nil {
		status.EvaluationError = err.Error()
	}
	// The answer does not repeat the question.
	return &authorizationv1.SelfSubjectRulesReview{Status: status}, nil
}
