// Package storagemigration holds the kind of storagemigration.k8s.io. It is
// served in v1 and stored in v1beta1, as Kubernetes keeps it for the sake of
// servers one version older.
package storagemigration

import (
	storagemigrationv1 "k8s.io/api/storagemigration/v1"
	storagemigrationv1beta1 "k8s.io/api/storagemigration/v1beta1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// Kinds returns the kind of storagemigration.k8s.io.
func Kinds() []*kinds.Kind { return []*kinds.Kind{storageVersionMigration()} }

func gvk(kind string) schema.GroupVersionKind {
	return storagemigrationv1.SchemeGroupVersion.WithKind(kind)
}

func stored(kind string) schema.GroupVersionKind {
	return storagemigrationv1beta1.SchemeGroupVersion.WithKind(kind)
}
