// Package coordination holds the kinds of coordination.k8s.io/v1.
package coordination

import (
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// Kinds returns the kinds of coordination.k8s.io/v1.
func Kinds() []*kinds.Kind {
	return []*kinds.Kind{lease()}
}

func gvk(kind string) schema.GroupVersionKind {
	return coordinationv1.SchemeGroupVersion.WithKind(kind)
}
