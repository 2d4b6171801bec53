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

func clusterRole() *kinds.Kind {
	return kinds.Definition[*rbacv1.ClusterRole]{
		GVK:     gvk("ClusterRole"),
		Names:   kinds.Names{Resource: "clusterroles", Singular: "clusterrole"},
		New:     func() *rbacv1.ClusterRole { return &rbacv1.ClusterRole{} },
		NewList: func() runtime.Object { return &rbacv1.ClusterRoleList{} },

		ValidName:           path.ValidatePathSegmentName,
		CreateOnUpdate:      true,
		UnconditionalUpdate: true,

		Rules:          declared.Validate_ClusterRole,
		Validate:       func(_ context.Context, o *rbacv1.ClusterRole) field.ErrorList { return validateClusterRole(o) },
		ValidateUpdate: func(_ context.Context, o, _ *rbacv1.ClusterRole) field.ErrorList { return validateClusterRole(o) },
	}.Kind()
}
