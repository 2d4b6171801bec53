package rbac

import (
	"context"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/validation/path"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	declared "github.com/keelson-project/keelson/apiserver/kinds/declarative/rbac/v1"
)

func role() *kinds.Kind {
	return kinds.Definition[*rbacv1.Role]{
		GVK:        gvk("Role"),
		Names:      kinds.Names{Resource: "roles", Singular: "role"},
		Namespaced: true,
		New:        func() *rbacv1.Role { return &rbacv1.Role{} },
		NewList:    func() runtime.Object { return &rbacv1.RoleList{} },

		ValidName:           path.ValidatePathSegmentName,
		CreateOnUpdate:      true,
		UnconditionalUpdate: true,

		Rules:          declared.Validate_Role,
		Validate:       func(_ context.Context, o *rbacv1.Role) field.ErrorList { return validateRole(o) },
		ValidateUpdate: func(_ context.Context, o, _ *rbacv1.Role) field.ErrorList { return validateRole(o) },
	}.Kind()
}
