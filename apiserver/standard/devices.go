package standard

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/keelson-project/keelson/apiserver/endpoint"
	"github.com/keelson-project/keelson/apiserver/kinds/resource"
	"github.com/keelson-project/keelson/apiserver/registry"
)

// deviceAccess asks may who allocates devices and who reports on them, and
// namespaces whether administrators may have devices there.
func deviceAccess(r *registry.Registry, may authorizer.UnconditionalAuthorizer) resource.Access {
	namespace := registry.ObjectsOf[*corev1.Namespace](r, corev1.SchemeGroupVersion.WithResource("namespaces")).GetLive
	return resource.Access{
		Authorizer: may, Forbidden: endpoint.Forbidden,
		Namespace: func(ctx context.Context, name string) (*corev1.Namespace, error) { return namespace(ctx, "", name) },
	}
}
