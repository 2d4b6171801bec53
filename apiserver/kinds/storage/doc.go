// Package storage holds the kinds of storage.k8s.io/v1.
package storage

import (
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// Kinds returns the kinds of storage.k8s.io/v1.
func Kinds() []*kinds.Kind {
	return []*kinds.Kind{storageClass(), csiDriver(), csiNode(), volumeAttachment(), csiStorageCapacity(), volumeAttributesClass()}
}

func gvk(kind string) schema.GroupVersionKind { return storagev1.SchemeGroupVersion.WithKind(kind) }
