package storagemigration

import (
	"context"

	storagemigrationv1 "k8s.io/api/storagemigration/v1"
	storagemigrationv1beta1 "k8s.io/api/storagemigration/v1beta1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
)

func storageVersionMigration() *kinds.Kind {
	names := kinds.Names{Resource: "storageversionmigrations", Singular: "storageversionmigration"}
	name := column.Text("Name", metav1.ObjectMeta{}.SwaggerDoc()["name"])
	return kinds.Definition[*storagemigrationv1beta1.StorageVersionMigration]{
		GVK: stored("StorageVersionMigration"), Names: names,
		New: func() *storagemigrationv1beta1.StorageVersionMigration {
			return &storagemigrationv1beta1.StorageVersionMigration{}
		},
		NewList:    func() runtime.Object { return &storagemigrationv1beta1.StorageVersionMigrationList{} },
		StoredOnly: true,
		Views: []kinds.View{kinds.ViewDefinition[*storagemigrationv1beta1.StorageVersionMigration, *storagemigrationv1.StorageVersionMigration]{
			GVK: gvk("StorageVersionMigration"), Names: names,
			New: func() *storagemigrationv1.StorageVersionMigration {
				return &storagemigrationv1.StorageVersionMigration{}
			},
			NewList: func() runtime.Object { return &storagemigrationv1.StorageVersionMigrationList{} },
			ToStored: func(m *storagemigrationv1.StorageVersionMigration) (*storagemigrationv1beta1.StorageVersionMigration, error) {
				return &storagemigrationv1beta1.StorageVersionMigration{
					ObjectMeta: m.ObjectMeta, Spec: storagemigrationv1beta1.StorageVersionMigrationSpec(m.Spec),
					Status: storagemigrationv1beta1.StorageVersionMigrationStatus(m.Status),
				}, nil
			},
			FromStored: func(m *storagemigrationv1beta1.StorageVersionMigration) (*storagemigrationv1.StorageVersionMigration, error) {
				return &storagemigrationv1.StorageVersionMigration{
					ObjectMeta: m.ObjectMeta, Spec: storagemigrationv1.StorageVersionMigrationSpec(m.Spec),
					Status: storagemigrationv1.StorageVersionMigrationStatus(m.Status),
				}, nil
			},
		}.View()},

		PrepareCreate: func(_ context.Context, m *storagemigrationv1beta1.StorageVersionMigration) {
			m.Status = storagemigrationv1beta1.StorageVersionMigrationStatus{}
		},
		PrepareUpdate: func(_ context.Context, m, old *storagemigrationv1beta1.StorageVersionMigration) {
			m.Status = old.Status
		},
		Validate:       validate,
		ValidateUpdate: validateUpdate,

		HasStatus: true,
		PrepareStatusUpdate: func(_ context.Context, m, old *storagemigrationv1beta1.StorageVersionMigration) {
			m.Spec = old.Spec
			metav1.ResetObjectMetaForStatus(&m.ObjectMeta, &old.ObjectMeta)
		},
		ValidateStatusUpdate: validateStatusUpdate,
		Resets:               map[string][]string{"status": {"metadata"}},

		Columns: []metav1.TableColumnDefinition{
			name, column.Text("Resource", "GroupResource to migrate"), column.Text("Status", "Status of the migration"),
		},
		Cells: func(m *storagemigrationv1beta1.StorageVersionMigration) []any {
			return []any{m.Name, m.Spec.Resource.String(), progress(m)}
		},
	}.Kind()
}

// progress is the last of the conditions that are true and say how far a
// migration is.
func progress(m *storagemigrationv1beta1.StorageVersionMigration) string {
	status := "Unknown"
	for _, c := range m.Status.Conditions {
		switch storagemigrationv1beta1.MigrationConditionType(c.Type) {
		case storagemigrationv1beta1.MigrationRunning, storagemigrationv1beta1.MigrationSucceeded, storagemigrationv1beta1.MigrationFailed:
			if c.Status == metav1.ConditionTrue {
				status = c.Type
			}
		}
	}
	return status
}

func is(m *storagemigrationv1beta1.StorageVersionMigration, what storagemigrationv1beta1.MigrationConditionType) bool {
	return meta.IsStatusConditionTrue(m.Status.Conditions, string(what))
}
