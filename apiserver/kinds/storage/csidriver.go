package storage

import (
	"context"
	"strings"

	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
)

func csiDriver() *kinds.Kind {
	doc := storagev1.CSIDriverSpec{}.SwaggerDoc()
	return kinds.Definition[*storagev1.CSIDriver]{
		GVK:     gvk("CSIDriver"),
		Names:   kinds.Names{Resource: "csidrivers", Singular: "csidriver"},
		New:     func() *storagev1.CSIDriver { return &storagev1.CSIDriver{} },
		NewList: func() runtime.Object { return &storagev1.CSIDriverList{} },

		Default: func(d *storagev1.CSIDriver) {
			set(&d.Spec.AttachRequired, true)
			set(&d.Spec.PodInfoOnMount, false)
			set(&d.Spec.StorageCapacity, false)
			set(&d.Spec.FSGroupPolicy, storagev1.ReadWriteOnceWithFSTypeFSGroupPolicy)
			set(&d.Spec.RequiresRepublish, false)
			set(&d.Spec.SELinuxMount, false)
			set(&d.Spec.PreventPodSchedulingIfMissing, false)
			if len(d.Spec.VolumeLifecycleModes) == 0 {
				d.Spec.VolumeLifecycleModes = []storagev1.VolumeLifecycleMode{storagev1.VolumeLifecyclePersistent}
			}
		},
		PrepareUpdate: func(_ context.Context, d, old *storagev1.CSIDriver) {
			d.Generation = old.Generation
			if !equality.Semantic.DeepEqual(d.Spec, old.Spec) {
				d.Generation++
			}
		},
		ReturnDeleted: true,

		Validate: func(_ context.Context, o *storagev1.CSIDriver) field.ErrorList { return validateDriver(o) },
		ValidateUpdate: func(_ context.Context, o, old *storagev1.CSIDriver) field.ErrorList {
			return validateDriverUpdate(o, old)
		},
		Warnings: func(_ context.Context, d, old *storagev1.CSIDriver) []string {
			if old != nil && equality.Semantic.DeepEqual(d.Spec.TokenRequests, old.Spec.TokenRequests) {
				return nil
			}
			if len(d.Spec.TokenRequests) > 0 && d.Spec.ServiceAccountTokenInSecrets == nil {
				return []string{"spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes"}
			}
			return nil
		},

		Columns: []metav1.TableColumnDefinition{
			column.Name(),
			column.Boolean("AttachRequired", doc["attachRequired"]),
			column.Boolean("PodInfoOnMount", doc["podInfoOnMount"]),
			column.Boolean("StorageCapacity", doc["storageCapacity"]),
			column.Text("TokenRequests", doc["tokenRequests"]),
			column.Boolean("RequiresRepublish", doc["requiresRepublish"]),
			column.Text("Modes", doc["volumeLifecycleModes"]),
			column.Age(),
		},
		Cells: func(d *storagev1.CSIDriver) []any {
			modes, audiences := column.None, column.Unset
			var list []string
			for _, m := range d.Spec.VolumeLifecycleModes {
				list = append(list, string(m))
			}
			if len(list) > 0 {
				modes = strings.Join(list, ",")
			}
			if d.Spec.TokenRequests != nil {
				list = nil
				for _, r := range d.Spec.TokenRequests {
					list = append(list, r.Audience)
				}
				audiences = strings.Join(list, ",")
			}
			return []any{
				d.Name, d.Spec.AttachRequired == nil || *d.Spec.AttachRequired, isTrue(d.Spec.PodInfoOnMount),
				isTrue(d.Spec.StorageCapacity), audiences, isTrue(d.Spec.RequiresRepublish), modes, column.Since(d.CreationTimestamp),
			}
		},
	}.Kind()
}
