// Package batch holds the kinds of batch/v1, one file for each.
package batch

import (
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// Kinds returns the kinds of batch/v1.
func Kinds() []*kinds.Kind { return []*kinds.Kind{job(), cronJob()} }

func gvk(kind string) schema.GroupVersionKind { return batchv1.SchemeGroupVersion.WithKind(kind) }

func set[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}
