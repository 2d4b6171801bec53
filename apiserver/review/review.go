package review

import (
	"context"
	"errors"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/registry"
)

// Config is what New needs; all of it is required.
type Config struct {
	// Tokens are asked about the token of a TokenReview.
	Tokens authenticator.Request
	// Audiences are those of this server, assumed where a review names none.
	Audiences authenticator.Audiences
	// Authorizer decides access reviews; Rules lists what a user may do.
	Authorizer authorizer.Authorizer
	Rules      authorizer.RuleResolver
}

// New returns the resources.
func New(c Config) ([]registry.Virtual, error) {
	if c.Tokens == nil || c.Authorizer == nil || c.Rules == nil {
		return nil, errors.New("review: Config needs Tokens, Authorizer and Rules")
	}
	authentication, authorization := authenticationv1.SchemeGroupVersion, authorizationv1.SchemeGroupVersion
	of := func(gv schema.GroupVersion, resource, singular, kind string, namespaced bool, handler any) registry.Virtual {
		return registry.Virtual{
			Parent: gv, Names: kinds.Names{Resource: resource, Singular: singular}, Namespaced: namespaced,
			Kind: gv.WithKind(kind), Handler: handler,
		}
	}
	a := access{c.Authorizer}
	return []registry.Virtual{
		of(authentication, "tokenreviews", "tokenreview", "TokenReview", false, &tokens{c}),
		of(authentication, "selfsubjectreviews", "selfsubjectreview", "SelfSubjectReview", false, self{}),
		of(authorization, "subjectaccessreviews", "subjectaccessreview", "SubjectAccessReview", false, &subject{a}),
		of(authorization, "selfsubjectaccessreviews", "selfsubjectaccessreview", "SelfSubjectAccessReview", false, &selfAccess{a}),
		of(authorization, "localsubjectaccessreviews", "localsubjectaccessreview", "LocalSubjectAccessReview", true, &local{a}),
		of(authorization, "selfsubjectrulesreviews", "selfsubjectrulesreview", "SelfSubjectRulesReview", false, &rules{c.Rules}),
	}, nil
}

// admission is how a review is offered to admission plugins.
type admission = func(context.Context, runtime.Object) error

// extraOf converts what a review says about a user to what the server does.
func extraOf[V ~[]string](in map[string]V) map[string][]string {
	if in == nil {
		return nil
	}
	out := make(map[string][]string, len(in))
	for k, v := range in {
		out[k] = v
	}
	return out
}

// extraTo is the inverse.
func extraTo[V ~[]string](in map[string][]string) map[string]V {
	if in == nil {
		return nil
	}
	out := make(map[string]V, len(in))
	for k, v := range in {
		out[k] = v
	}
	return out
}

func userInfo(u user.Info) authenticationv1.UserInfo {
	return authenticationv1.UserInfo{
		Username: u.GetName(), UID: u.GetUID(), Groups: u.GetGroups(),
		Extra: extraTo[authenticationv1.ExtraValue](u.GetExtra()),
	}
}
