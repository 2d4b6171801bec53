package rbac

import (
	rbacv1 "k8s.io/api/rbac/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/api/validation/path"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

// scope says where a role or a binding applies.
type scope int

const (
	inNamespace scope = iota
	inCluster
)

func rules(e *check.Errors, list []rbacv1.PolicyRule, in scope) {
	for i := range list {
		r, p := &list[i], field.NewPath("rules").Index(i)
		if len(r.NonResourceURLs) > 0 {
			at := p.Child("nonResourceURLs")
			if in == inNamespace {
				e.Invalid(at, r.NonResourceURLs, "namespaced rules cannot apply to non-resource URLs")
			}
			if len(r.APIGroups)+len(r.Resources)+len(r.ResourceNames) > 0 {
				e.Invalid(at, r.NonResourceURLs, "rules cannot apply to both regular resources and non-resource URLs")
			}
			continue
		}
		if len(r.APIGroups) == 0 {
			e.Required(p.Child("apiGroups"), "resource rules must supply at least one api group")
		}
		if len(r.Resources) == 0 {
			e.Required(p.Child("resources"), "resource rules must supply at least one resource")
		}
	}
}

func validateRole(r *rbacv1.Role) field.ErrorList {
	e := &check.Errors{}
	rules(e, r.Rules, inNamespace)
	return e.List
}

func validateClusterRole(r *rbacv1.ClusterRole) field.ErrorList {
	e := &check.Errors{}
	rules(e, r.Rules, inCluster)
	if a := r.AggregationRule; a != nil {
		p := field.NewPath("aggregationRule", "clusterRoleSelectors")
		if len(a.ClusterRoleSelectors) == 0 {
			e.Required(p, "at least one clusterRoleSelector required if aggregationRule is non-nil")
		}
		for i := range a.ClusterRoleSelectors {
			e.Selector(p.Index(i), &a.ClusterRoleSelectors[i])
			if s, err := metav1.LabelSelectorAsSelector(&a.ClusterRoleSelectors[i]); err != nil {
				e.Invalid(p.Index(i), s, "invalid label selector.")
			}
		}
	}
	return e.List
}

func validateBinding(role rbacv1.RoleRef, subjects []rbacv1.Subject, in scope) field.ErrorList {
	e, p := &check.Errors{}, field.NewPath("roleRef")
	check.OneOf(e, p.Child("apiGroup"), role.APIGroup, rbacv1.GroupName)
	known := []string{"ClusterRole"}
	if in == inNamespace {
		known = []string{"Role", "ClusterRole"}
	}
	check.OneOf(e, p.Child("kind"), role.Kind, known...)
	if role.Name != "" {
		e.Messages(p.Child("name"), role.Name, path.IsValidPathSegmentName(role.Name))
	}
	for i := range subjects {
		subject(e, field.NewPath("subjects").Index(i), &subjects[i], in)
	}
	return e.List
}

func subject(e *check.Errors, p *field.Path, s *rbacv1.Subject, in scope) {
	switch s.Kind {
	case rbacv1.ServiceAccountKind:
		if s.Name != "" {
			e.Messages(p.Child("name"), s.Name, apivalidation.ValidateServiceAccountName(s.Name, false))
		}
		check.OneOf(e, p.Child("apiGroup"), s.APIGroup, "")
		if in == inCluster {
			e.NotEmpty(p.Child("namespace"), s.Namespace)
		}
	case rbacv1.UserKind, rbacv1.GroupKind:
		check.OneOf(e, p.Child("apiGroup"), s.APIGroup, rbacv1.GroupName)
	default:
		check.OneOf(e, p.Child("kind"), s.Kind, rbacv1.ServiceAccountKind, rbacv1.UserKind, rbacv1.GroupKind)
	}
}

func validateBindingUpdate(role, old rbacv1.RoleRef, subjects []rbacv1.Subject, in scope) field.ErrorList {
	e := &check.Errors{List: validateBinding(role, subjects, in)}
	e.Same(field.NewPath("roleRef"), role, old)
	if role != old {
		// The rules below are not asked where the whole is found changed.
		e.NotEmpty(field.NewPath("roleRef", "name"), role.Name)
	}
	return e.List
}
