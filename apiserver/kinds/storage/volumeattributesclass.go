package storage

import (
	"context"

	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
)

func volumeAttributesClass() *kinds.Kind {
	return kinds.Definition[*storagev1.VolumeAttributesClass]{
		GVK:     gvk("VolumeAttributesClass"),
		Names:   kinds.Names{Resource: "volumeattributesclasses", Singular: "volumeattributesclass", ShortNames: []string{"vac"}},
		New:     func() *storagev1.VolumeAttributesClass { return &storagev1.VolumeAttributesClass{} },
		NewList: func() runtime.Object { return &storagev1.VolumeAttributesClassList{} },

		UnconditionalUpdate: true,
		ReturnDeleted:       true,

		Validate: func(_ context.Context, o *storagev1.VolumeAttributesClass) field.ErrorList {
			return validateAttributes(o)
		},
		ValidateUpdate: func(_ context.Context, o, old *storagev1.VolumeAttributesClass) field.ErrorList {
			return validateAttributesUpdate(o, old)
		},

		Columns: []metav1.TableColumnDefinition{
			column.Name(), column.Text("DriverName", storagev1.VolumeAttributesClass{}.SwaggerDoc()["driverName"]), column.Age(),
		},
		Cells: func(c *storagev1.VolumeAttributesClass) []any {
			return []any{c.Name, c.DriverName, column.Since(c.CreationTimestamp)}
		},
	}.Kind()
}
