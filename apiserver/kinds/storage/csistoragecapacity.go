package storage

import (
	"context"

	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

func csiStorageCapacity() *kinds.Kind {
	return kinds.Definition[*storagev1.CSIStorageCapacity]{
		GVK:        gvk("CSIStorageCapacity"),
		Names:      kinds.Names{Resource: "csistoragecapacities", Singular: "csistoragecapacity"},
		Namespaced: true,
		New:        func() *storagev1.CSIStorageCapacity { return &storagev1.CSIStorageCapacity{} },
		NewList:    func() runtime.Object { return &storagev1.CSIStorageCapacityList{} },

		Warnings: func(_ context.Context, c, _ *storagev1.CSIStorageCapacity) []string { return capacityWarnings(c) },
		Validate: func(_ context.Context, o *storagev1.CSIStorageCapacity) field.ErrorList { return validateCapacity(o) },
		ValidateUpdate: func(_ context.Context, o, old *storagev1.CSIStorageCapacity) field.ErrorList {
			return validateCapacityUpdate(o, old)
		},
	}.Kind()
}
