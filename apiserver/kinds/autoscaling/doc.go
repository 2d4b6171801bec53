// Package autoscaling holds the kinds of autoscaling/v2, served as autoscaling/v1 too.
package autoscaling

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// Kinds returns the kinds of autoscaling/v2, served as autoscaling/v1 too.
func Kinds() []*kinds.Kind {
	return []*kinds.Kind{horizontalPodAutoscaler()}
}

func gvk(kind string) schema.GroupVersionKind { return autoscalingv2.SchemeGroupVersion.WithKind(kind) }
