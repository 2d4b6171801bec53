package core

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

func persistentVolumeClaim() *kinds.Kind {
	spec, status := corev1.PersistentVolumeClaimSpec{}.SwaggerDoc(), corev1.PersistentVolumeClaimStatus{}.SwaggerDoc()
	return kinds.Definition[*corev1.PersistentVolumeClaim]{
		GVK:        gvk("PersistentVolumeClaim"),
		Names:      kinds.Names{Resource: "persistentvolumeclaims", Singular: "persistentvolumeclaim", ShortNames: []string{"pvc"}},
		Namespaced: true,
		New:        func() *corev1.PersistentVolumeClaim { return &corev1.PersistentVolumeClaim{} },
		NewList:    func() runtime.Object { return &corev1.PersistentVolumeClaimList{} },

		Default: DefaultPersistentVolumeClaim,
		PrepareCreate: func(_ context.Context, pvc *corev1.PersistentVolumeClaim) {
			pvc.Status = corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending}
			prepareClaimSource(&pvc.Spec, nil)
		},
		PrepareUpdate: func(_ context.Context, pvc, old *corev1.PersistentVolumeClaim) {
			pvc.Status = old.Status
			prepareClaimSource(&pvc.Spec, &old.Spec)
		},
		UnconditionalUpdate: true,
		RecheckName:         true,
		ReturnDeleted:       true,

		HasStatus: true,
		PrepareStatusUpdate: func(_ context.Context, pvc, old *corev1.PersistentVolumeClaim) {
			pvc.Spec = old.Spec
			if old.Status.HealthStatus == nil {
				pvc.Status.HealthStatus = nil // belongs to a feature that is off by default
			}
		},

		Warnings: func(_ context.Context, pvc, _ *corev1.PersistentVolumeClaim) []string {
			return podspec.PersistentVolumeClaimWarnings(pvc)
		},
		Validate: func(_ context.Context, o *corev1.PersistentVolumeClaim) field.ErrorList { return validateClaim(o) },
		ValidateUpdate: func(_ context.Context, o, old *corev1.PersistentVolumeClaim) field.ErrorList {
			return validateClaimUpdate(o, old)
		},
		ValidateStatusUpdate: func(_ context.Context, o, _ *corev1.PersistentVolumeClaim) field.ErrorList {
			return validateClaimStatus(o)
		},

		Columns: []metav1.TableColumnDefinition{
			column.Name(),
			column.Text("Status", status["phase"]),
			column.Text("Volume", spec["volumeName"]),
			column.Text("Capacity", status["capacity"]),
			column.Text("Access Modes", status["accessModes"]),
			column.Text("StorageClass", "StorageClass of the pvc"),
			column.Text("VolumeAttributesClass", "VolumeAttributesClass of the pvc"),
			column.Age(),
			column.Wide("VolumeMode", spec["volumeMode"]),
		},
		Cells: func(pvc *corev1.PersistentVolumeClaim) []any {
			phase, capacity, modes := string(pvc.Status.Phase), "", ""
			if pvc.DeletionTimestamp != nil {
				phase = "Terminating"
			}
			if pvc.Spec.VolumeName != "" {
				modes = accessModes(pvc.Status.AccessModes)
				q := pvc.Status.Capacity[corev1.ResourceStorage]
				capacity = q.String()
			}
			class := column.Or(pvc.Spec.StorageClassName, "")
			if beta, ok := pvc.Annotations[corev1.BetaStorageClassAnnotation]; ok {
				class = beta
			}
			return []any{
				pvc.Name, phase, pvc.Spec.VolumeName, capacity, modes, class,
				column.Or(pvc.Spec.VolumeAttributesClassName, column.Unset), column.Since(pvc.CreationTimestamp),
				column.Or(pvc.Spec.VolumeMode, column.Unset),
			}
		},
	}.Kind()
}

// DefaultPersistentVolumeClaim fills in a claim, also one that is a template
// in a StatefulSet.
func DefaultPersistentVolumeClaim(pvc *corev1.PersistentVolumeClaim) {
	if pvc.Status.Phase == "" {
		pvc.Status.Phase = corev1.ClaimPending
	}
	podspec.DefaultClaim(&pvc.Spec)
	podspec.Round(pvc.Status.Capacity)
	podspec.Round(pvc.Status.AllocatedResources)
}

// prepareClaimSource lets dataSource and dataSourceRef, the older and the
// newer way to say what a volume is filled from, agree.
func prepareClaimSource(spec, old *corev1.PersistentVolumeClaimSpec) {
	if r := spec.DataSourceRef; r != nil && r.Namespace != nil && *r.Namespace != "" && (old == nil || old.DataSourceRef == nil) {
		// Sources in other namespaces are a feature that is off by default.
		spec.DataSourceRef = nil
	}
	if ds := spec.DataSource; ds != nil && spec.DataSourceRef == nil && (old == nil || old.DataSource == nil && old.DataSourceRef == nil) && !knownSource(ds) {
		// Sources of kinds that the older field never had are ignored in it.
		spec.DataSource = nil
	}
	if spec.DataSource != nil && spec.DataSourceRef == nil {
		spec.DataSourceRef = &corev1.TypedObjectReference{
			APIGroup: spec.DataSource.APIGroup, Kind: spec.DataSource.Kind, Name: spec.DataSource.Name,
		}
	} else if r := spec.DataSourceRef; r != nil && spec.DataSource == nil && (r.Namespace == nil || *r.Namespace == "") {
		spec.DataSource = &corev1.TypedLocalObjectReference{APIGroup: r.APIGroup, Kind: r.Kind, Name: r.Name}
	}
}

func knownSource(ds *corev1.TypedLocalObjectReference) bool {
	group := ""
	if ds.APIGroup != nil {
		group = *ds.APIGroup
	}
	return ds.Kind == "PersistentVolumeClaim" && group == "" || ds.Kind == "VolumeSnapshot" && group == "snapshot.storage.k8s.io"
}
