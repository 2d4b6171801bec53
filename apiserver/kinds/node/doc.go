// Package node holds the kinds of node.k8s.io/v1.
package node

import (
	nodev1 "k8s.io/api/node/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// Kinds returns the kinds of node.k8s.io/v1.
func Kinds() []*kinds.Kind {
	return []*kinds.Kind{runtimeClass()}
}

func gvk(kind string) schema.GroupVersionKind { return nodev1.SchemeGroupVersion.WithKind(kind) }
