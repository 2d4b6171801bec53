package match

import (
	"slices"
	"strings"

	v1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/admission"
)

// Rule reports whether a write, seen as one to the resource as, is one that a
// rule names.
func Rule(r *v1.RuleWithOperations, a *admission.Attributes, as schema.GroupVersionResource) bool {
	return one(r.Operations, v1.OperationType(a.Operation)) && one(r.APIGroups, as.Group) && one(r.APIVersions, as.Version) &&
		slices.ContainsFunc(r.Resources, func(pattern string) bool { return covers(pattern, as.Resource, a.Subresource) }) &&
		inScope(r.Scope, a, as)
}

// one reports whether a list has a value or stands for all.
func one[T ~string](list []T, value T) bool {
	return slices.ContainsFunc(list, func(v T) bool { return v == "*" || v == value })
}

func covers(pattern, resource, subresource string) bool {
	res, sub, _ := strings.Cut(pattern, "/")
	return (res == "*" || res == resource) && (sub == "*" || sub == subresource)
}

// inScope counts namespaces themselves to the cluster.
func inScope(scope *v1.ScopeType, a *admission.Attributes, as schema.GroupVersionResource) bool {
	if scope == nil || *scope == v1.AllScopes {
		return true
	}
	namespaced := a.Namespace != "" && as != corev1.SchemeGroupVersion.WithResource("namespaces")
	switch *scope {
	case v1.NamespacedScope:
		return namespaced
	case v1.ClusterScope:
		return !namespaced
	}
	return false
}

// Unasked reports whether a resource only answers who somebody is or what they
// may. Neither policies nor webhooks are asked about those, for a cluster might
// not get out of it when they fail.
func Unasked(gr schema.GroupResource) bool {
	switch gr.Group {
	case "authentication.k8s.io":
		return gr.Resource == "selfsubjectreviews" || gr.Resource == "tokenreviews"
	case "authorization.k8s.io":
		switch gr.Resource {
		case "localsubjectaccessreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews", "subjectaccessreviews":
			return true
		}
	}
	return false
}
