package rbac

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

// Allows reports whether a rule allows a request, its namespace aside.
func Allows(rule *rbacv1.PolicyRule, request authorizer.Attributes) bool {
	if !has(rule.Verbs, rbacv1.VerbAll, request.GetVerb()) {
		return false
	}
	if !request.IsResourceRequest() {
		return allowsPath(rule.NonResourceURLs, request.GetPath())
	}
	if !has(rule.APIGroups, rbacv1.APIGroupAll, request.GetAPIGroup()) {
		return false
	}
	if !allowsResource(rule.Resources, request.GetResource(), request.GetSubresource()) {
		return false
	}
	return len(rule.ResourceNames) == 0 || slices.Contains(rule.ResourceNames, request.GetName())
}

func has(list []string, all, one string) bool {
	return slices.Contains(list, all) || slices.Contains(list, one)
}

func allowsResource(list []string, resource, subresource string) bool {
	full := resource
	if subresource != "" {
		full += "/" + subresource
	}
	for _, r := range list {
		if r == rbacv1.ResourceAll || r == full {
			return true
		}
		// "*/scale" is the subresource of whatever kind.
		if subresource != "" && strings.TrimPrefix(r, "*/") == subresource && strings.HasPrefix(r, "*/") {
			return true
		}
	}
	return false
}

func allowsPath(list []string, path string) bool {
	for _, p := range list {
		if p == rbacv1.NonResourceAll || p == path {
			return true
		}
		if prefix, ok := strings.CutSuffix(p, "*"); ok && strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}
