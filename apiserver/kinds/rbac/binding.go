package rbac

import (
	"context"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	rbacv1beta1 "k8s.io/api/rbac/v1beta1"
	"k8s.io/apimachinery/pkg/api/validation/path"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
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

func defaultBinding(role *rbacv1.RoleRef, subjects []rbacv1.Subject) {
	if role.APIGroup == "" {
		role.APIGroup = rbacv1.GroupName
	}
	for i := range subjects {
		if s := &subjects[i]; s.APIGroup == "" && (s.Kind == rbacv1.UserKind || s.Kind == rbacv1.GroupKind) {
			s.APIGroup = rbacv1.GroupName
		}
	}
}

func bindingColumns(kind, roleDoc string) []metav1.TableColumnDefinition {
	return []metav1.TableColumnDefinition{
		column.Name(), column.Text("Role", roleDoc), column.Age(),
		column.Wide("Users", "Users in the "+kind),
		column.Wide("Groups", "Groups in the "+kind),
		column.Wide("ServiceAccounts", "ServiceAccounts in the "+kind),
	}
}

func bindingCells(b metav1.Object, role rbacv1.RoleRef, subjects []rbacv1.Subject) []any {
	var users, groups, accounts []string
	for _, s := range subjects {
		switch s.Kind {
		case rbacv1.UserKind:
			users = append(users, s.Name)
		case rbacv1.GroupKind:
			groups = append(groups, s.Name)
		case rbacv1.ServiceAccountKind:
			name := s.Name
			if s.Namespace != "" {
				name = s.Namespace + "/" + s.Name
			}
			accounts = append(accounts, name)
		}
	}
	return []any{
		b.GetName(), role.Kind + "/" + role.Name, column.Since(b.GetCreationTimestamp()),
		strings.Join(users, ", "), strings.Join(groups, ", "), strings.Join(accounts, ", "),
	}
}
