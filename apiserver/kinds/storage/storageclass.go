package storage

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
	declared "github.com/keelson-project/keelson/apiserver/kinds/declarative/storage/v1"
)

func storageClass() *kinds.Kind {
	doc := storagev1.StorageClass{}.SwaggerDoc()
	return kinds.Definition[*storagev1.StorageClass]{
		GVK:     gvk("StorageClass"),
		Names:   kinds.Names{Resource: "storageclasses", Singular: "storageclass", ShortNames: []string{"sc"}},
		New:     func() *storagev1.StorageClass { return &storagev1.StorageClass{} },
		NewList: func() runtime.Object { return &storagev1.StorageClassList{} },

		Default: func(c *storagev1.StorageClass) {
			set(&c.ReclaimPolicy, corev1.PersistentVolumeReclaimDelete)
			set(&c.VolumeBindingMode, storagev1.VolumeBindingImmediate)
		},
		UnconditionalUpdate: true,
		ReturnDeleted:       true,

		Warnings:       func(_ context.Context, c, _ *storagev1.StorageClass) []string { return classWarnings(c) },
		Rules:          declared.Validate_StorageClass,
		Validate:       func(_ context.Context, o *storagev1.StorageClass) field.ErrorList { return validateClass(o) },
		ValidateUpdate: func(_ context.Context, o, _ *storagev1.StorageClass) field.ErrorList { return validateClass(o) },

		Columns: []metav1.TableColumnDefinition{
			column.Name(),
			column.Text("Provisioner", doc["provisioner"]),
			column.Text("ReclaimPolicy", doc["reclaimPolicy"]),
			column.Text("VolumeBindingMode", doc["volumeBindingMode"]),
			column.Text("AllowVolumeExpansion", doc["allowVolumeExpansion"]),
			column.Age(),
		},
		Cells: func(c *storagev1.StorageClass) []any {
			name := c.Name
			if c.Annotations["storageclass.kubernetes.io/is-default-class"] == "true" ||
				c.Annotations["storageclass.beta.kubernetes.io/is-default-class"] == "true" {
				name += " (default)"
			}
			return []any{
				name, c.Provisioner, column.Or(c.ReclaimPolicy, "Delete"), column.Or(c.VolumeBindingMode, "Immediate"),
				isTrue(c.AllowVolumeExpansion), column.Since(c.CreationTimestamp),
			}
		},
	}.Kind()
}

func set[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

func isTrue(b *bool) bool { return b != nil && *b }
