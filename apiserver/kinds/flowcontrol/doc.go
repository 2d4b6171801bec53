// Package flowcontrol holds the kinds of flowcontrol.apiserver.k8s.io/v1.
package flowcontrol

import (
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// Kinds returns the kinds of flowcontrol.apiserver.k8s.io/v1.
func Kinds() []*kinds.Kind {
	return []*kinds.Kind{flowSchema(), priorityLevelConfiguration()}
}

func gvk(kind string) schema.GroupVersionKind { return flowcontrolv1.SchemeGroupVersion.WithKind(kind) }
