// Package scheduling holds the kinds of scheduling.k8s.io/v1.
package scheduling

import (
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// Kinds returns the kinds of scheduling.k8s.io/v1.
func Kinds() []*kinds.Kind {
	return []*kinds.Kind{priorityClass()}
}

func gvk(kind string) schema.GroupVersionKind { return schedulingv1.SchemeGroupVersion.WithKind(kind) }
