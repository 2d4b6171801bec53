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

func roleBinding() *kinds.Kind {
	return kinds.Definition[*rbacv1.RoleBinding]{
		GVK:        gvk("RoleBinding"),
		Names:      kinds.Names{Resource: "rolebindings", Singular: "rolebinding"},
		Namespaced: true,
		New:        func() *rbacv1.RoleBinding { return &rbacv1.RoleBinding{} },
		NewList:    func() runtime.Object { return &rbacv1.RoleBindingList{} },

		ValidName:           path.ValidatePathSegmentName,
		Default:             func(b *rbacv1.RoleBinding) { defaultBinding(&b.RoleRef, b.Subjects) },
		CreateOnUpdate:      true,
		UnconditionalUpdate: true,

		Terms: func(b *rbacv1.RoleBinding) []string { return subjectTerms(b.Namespace, b.Subjects) },

		Columns: bindingColumns("roleBinding", rbacv1beta1.RoleBinding{}.SwaggerDoc()["roleRef"]),
		Cells:   func(b *rbacv1.RoleBinding) []any { return bindingCells(b, b.RoleRef, b.Subjects) },

		Rules: declared.Validate_RoleBinding,
		Validate: func(_ context.Context, o *rbacv1.RoleBinding) field.ErrorList {
			return validateBinding(o.RoleRef, o.Subjects, inNamespace)
		},
		ValidateUpdate: func(_ context.Context, o, old *rbacv1.RoleBinding) field.ErrorList {
			return validateBindingUpdate(o.RoleRef, old.RoleRef, o.Subjects, inNamespace)
		},
	}.Kind()
}
