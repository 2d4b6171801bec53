// Package rbac holds the kinds of rbac.authorization.k8s.io/v1.
package rbac

import (
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// Kinds returns the kinds of rbac.authorization.k8s.io/v1.
func Kinds() []*kinds.Kind {
	return []*kinds.Kind{role(), clusterRole(), roleBinding(), clusterRoleBinding()}
}

func gvk(kind string) schema.GroupVersionKind { return rbacv1.SchemeGroupVersion.WithKind(kind) }
