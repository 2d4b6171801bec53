// Package discovery holds the kinds of discovery.k8s.io/v1.
package discovery

import (
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// Kinds returns the kinds of discovery.k8s.io/v1.
func Kinds() []*kinds.Kind {
	return []*kinds.Kind{endpointSlice()}
}

func gvk(kind string) schema.GroupVersionKind { return discoveryv1.SchemeGroupVersion.WithKind(kind) }
