// Package core holds the kinds of core/v1, one file for each.
package core

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// Kinds returns the kinds of core/v1. Event is also served as events.k8s.io/v1.
func Kinds() []*kinds.Kind {
	return []*kinds.Kind{
		namespace(), node(), pod(), service(), endpoints(), configMap(), secret(), serviceAccount(), event(),
		podTemplate(), replicationController(), limitRange(), resourceQuota(), persistentVolume(), persistentVolumeClaim(),
	}
}

func gvk(kind string) schema.GroupVersionKind { return corev1.SchemeGroupVersion.WithKind(kind) }

func ref[T any](v T) *T { return &v }
