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

func csiNode() *kinds.Kind {
	return kinds.Definition[*storagev1.CSINode]{
		GVK:     gvk("CSINode"),
		Names:   kinds.Names{Resource: "csinodes", Singular: "csinode"},
		New:     func() *storagev1.CSINode { return &storagev1.CSINode{} },
		NewList: func() runtime.Object { return &storagev1.CSINodeList{} },

		PrepareCreate: func(_ context.Context, n *storagev1.CSINode) { n.Status = storagev1.CSINodeStatus{} },
		PrepareUpdate: func(_ context.Context, n, old *storagev1.CSINode) { n.Status = old.Status },
		ReturnDeleted: true,

		Resets:    map[string][]string{"status": {"metadata"}},
		HasStatus: true,
		PrepareStatusUpdate: func(_ context.Context, n, old *storagev1.CSINode) {
			n.Spec = old.Spec
			metav1.ResetObjectMetaForStatus(n, old)
			if len(old.Status.StorageHealth) == 0 {
				n.Status.StorageHealth = nil
			}
		},

		Validate: func(_ context.Context, o *storagev1.CSINode) field.ErrorList { return validateCSINode(o) },
		ValidateUpdate: func(_ context.Context, o, old *storagev1.CSINode) field.ErrorList {
			return validateCSINodeUpdate(o, old)
		},

		Columns: []metav1.TableColumnDefinition{
			column.Name(),
			column.Integer("Drivers", "Drivers indicates the number of CSI drivers registered on the node"),
			column.Age(),
		},
		Cells: func(n *storagev1.CSINode) []any {
			return []any{n.Name, int64(len(n.Spec.Drivers)), column.Since(n.CreationTimestamp)}
		},
	}.Kind()
}
