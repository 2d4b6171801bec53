package rbac

import (
	"context"

	rbacv1 "k8s.io/api/rbac/v1"
	rbacv1beta1 "k8s.io/api/rbac/v1beta1"
	"k8s.io/apimachinery/pkg/api/validation/path"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	declared "github.com/keelson-project/keelson/apiserver/kinds/declarative/rbac/v1"
)

func clusterRoleBinding() *kinds.Kind {
	return kinds.Definition[*rbacv1.ClusterRoleBinding]{
		GVK:     gvk("ClusterRoleBinding"),
		Names:   kinds.Names{Resource: "clusterrolebindings", Singular: "clusterrolebinding"},
		New:     func() *rbacv1.ClusterRoleBinding { return &rbacv1.ClusterRoleBinding{} },
		NewList: func() runtime.Object { return &rbacv1.ClusterRoleBindingList{} },

		ValidName:           path.ValidatePathSegmentName,
		Default:             func(b *rbacv1.ClusterRoleBinding) { defaultBinding(&b.RoleRef, b.Subjects) },
		CreateOnUpdate:      true,
		UnconditionalUpdate: true,

		Terms: func(b *rbacv1.ClusterRoleBinding) []string { return subjectTerms("", b.Subjects) },

		Columns: bindingColumns("clusterRoleBinding", rbacv1beta1.ClusterRoleBinding{}.SwaggerDoc()["roleRef"]),
		Cells:   func(b *rbacv1.ClusterRoleBinding) []any { return bindingCells(b, b.RoleRef, b.Subjects) },

		Rules: declared.Validate_ClusterRoleBinding,
		Validate: func(_ context.Context, o *rbacv1.ClusterRoleBinding) field.ErrorList {
			return validateBinding(o.RoleRef, o.Subjects, inCluster)
		},
		ValidateUpdate: func(_ context.Context, o, old *rbacv1.ClusterRoleBinding) field.ErrorList {
			return validateBindingUpdate(o.RoleRef, old.RoleRef, o.Subjects, inCluster)
		},
	}.Kind()
}
