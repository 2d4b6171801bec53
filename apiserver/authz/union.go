// Package authz puts authorizers together: the first that has an opinion
// decides.
package authz

import (
	"context"
	"slices"
	"strings"

	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

// Named is an authorizer with the name that its reasons are given under.
type Named struct {
	Name string
	authorizer.UnconditionalAuthorizer
}

// Union asks authorizers in order. Members of system:masters may do anything,
// and are not asked about.
func Union(of ...Named) authorizer.Authorizer {
	return authorizer.AuthorizerFunc(func(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
		if u := a.GetUser(); u != nil && slices.Contains(u.GetGroups(), user.SystemPrivilegedGroup) {
			return authorizer.DecisionAllow, "", nil
		}
		var reasons []string
		var errs []error
		for _, n := range of {
			decision, reason, err := n.Authorize(ctx, a)
			if decision != authorizer.DecisionNoOpinion {
				return decision, reason, err
			}
			if reason != "" {
				reasons = append(reasons, n.Name+": "+reason)
			}
			if err != nil {
				errs = append(errs, err)
			}
		}
		return authorizer.DecisionNoOpinion, strings.Join(reasons, "\n"), utilerrors.NewAggregate(errs)
	})
}

// Rules puts together what several authorizers say a user may do.
type Rules []authorizer.RuleResolver

// RulesFor implements authorizer.RuleResolver.
func (r Rules) RulesFor(ctx context.Context, u user.Info, namespace string) (resources []authorizer.ResourceRuleInfo, others []authorizer.NonResourceRuleInfo, incomplete bool, _ error) {
	var errs []error
	for _, one := range r {
		res, other, partial, err := one.RulesFor(ctx, u, namespace)
		resources, others, incomplete = append(resources, res...), append(others, other...), incomplete || partial
		if err != nil {
			errs = append(errs, err)
		}
	}
	return resources, others, incomplete, utilerrors.NewAggregate(errs)
}
