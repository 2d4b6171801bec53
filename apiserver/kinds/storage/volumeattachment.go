package storage

import (
	"context"

	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
	declared "github.com/keelson-project/keelson/apiserver/kinds/declarative/storage/v1"
)

func volumeAttachment() *kinds.Kind {
	spec := storagev1.VolumeAttachmentSpec{}.SwaggerDoc()
	attacher := column.Text("Attacher", spec["attacher"])
	attacher.Format = "name"
	return kinds.Definition[*storagev1.VolumeAttachment]{
		GVK:     gvk("VolumeAttachment"),
		Names:   kinds.Names{Resource: "volumeattachments", Singular: "volumeattachment"},
		New:     func() *storagev1.VolumeAttachment { return &storagev1.VolumeAttachment{} },
		NewList: func() runtime.Object { return &storagev1.VolumeAttachmentList{} },

		PrepareCreate: func(_ context.Context, a *storagev1.VolumeAttachment) { a.Status = storagev1.VolumeAttachmentStatus{} },
		PrepareUpdate: func(_ context.Context, a, old *storagev1.VolumeAttachment) { a.Status = old.Status },
		ReturnDeleted: true,

		Resets:    map[string][]string{"status": {"metadata"}},
		HasStatus: true,
		PrepareStatusUpdate: func(_ context.Context, a, old *storagev1.VolumeAttachment) {
			a.Spec = old.Spec
			metav1.ResetObjectMetaForStatus(a, old)
		},

		Rules: declared.Validate_VolumeAttachment,
		Validate: func(_ context.Context, o *storagev1.VolumeAttachment) field.ErrorList {
			return validateAttachment(o)
		},
		ValidateUpdate: func(_ context.Context, o, old *storagev1.VolumeAttachment) field.ErrorList {
			return validateAttachmentUpdate(o, old)
		},
		ValidateStatusUpdate: func(_ context.Context, o, old *storagev1.VolumeAttachment) field.ErrorList {
			return validateAttachmentUpdate(o, old)
		},

		Columns: []metav1.TableColumnDefinition{
			column.Name(),
			attacher,
			column.Text("PV", storagev1.VolumeAttachmentSource{}.SwaggerDoc()["persistentVolumeName"]),
			column.Text("Node", spec["nodeName"]),
			column.Boolean("Attached", storagev1.VolumeAttachmentStatus{}.SwaggerDoc()["attached"]),
			column.Age(),
		},
		Cells: func(a *storagev1.VolumeAttachment) []any {
			return []any{
				a.Name, a.Spec.Attacher, column.Or(a.Spec.Source.PersistentVolumeName, ""), a.Spec.NodeName,
				a.Status.Attached, column.Since(a.CreationTimestamp),
			}
		},
	}.Kind()
}
