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

func csiStorageCapacity() *kinds.Kind {
	doc := storagev1.CSIStorageCapacity{}.SwaggerDoc()
	return kinds.Definition[*storagev1.CSIStorageCapacity]{
		GVK:        gvk("CSIStorageCapacity"),
		Names:      kinds.Names{Resource: "csistoragecapacities", Singular: "csistoragecapacity"},
		Namespaced: true,
		New:        func() *storagev1.CSIStorageCapacity { return &storagev1.CSIStorageCapacity{} },
		NewList:    func() runtime.Object { return &storagev1.CSIStorageCapacityList{} },

		Validate: func(_ context.Context, o *storagev1.CSIStorageCapacity) field.ErrorList { return validateCapacity(o) },
		ValidateUpdate: func(_ context.Context, o, old *storagev1.CSIStorageCapacity) field.ErrorList {
			return validateCapacityUpdate(o, old)
		},

		Columns: []metav1.TableColumnDefinition{
			column.Name(), column.Text("StorageClassName", doc["storageClassName"]), column.Text("Capacity", doc["capacity"]),
		},
		Cells: func(c *storagev1.CSIStorageCapacity) []any {
			capacity := column.Unset
			if c.Capacity != nil {
				capacity = c.Capacity.String()
			}
			return []any{c.Name, c.StorageClassName, capacity}
		},
	}.Kind()
}
