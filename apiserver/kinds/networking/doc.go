// Package networking holds the kinds of networking.k8s.io/v1.
package networking

import (
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// Kinds returns the kinds of networking.k8s.io/v1.
func Kinds() []*kinds.Kind {
	return []*kinds.Kind{ingress(), ingressClass(), networkPolicy(), ipAddress(), serviceCIDR()}
}

func gvk(kind string) schema.GroupVersionKind { return networkingv1.SchemeGroupVersion.WithKind(kind) }
