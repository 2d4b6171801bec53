package core

import (
	"context"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

func persistentVolume() *kinds.Kind {
	spec, status := corev1.PersistentVolumeSpec{}.SwaggerDoc(), corev1.PersistentVolumeStatus{}.SwaggerDoc()
	return kinds.Definition[*corev1.PersistentVolume]{
		GVK:     gvk("PersistentVolume"),
		Names:   kinds.Names{Resource: "persistentvolumes", Singular: "persistentvolume", ShortNames: []string{"pv"}},
		New:     func() *corev1.PersistentVolume { return &corev1.PersistentVolume{} },
		NewList: func() runtime.Object { return &corev1.PersistentVolumeList{} },

		Default: defaultPersistentVolume,
		PrepareCreate: func(_ context.Context, pv *corev1.PersistentVolume) {
			pv.Status = corev1.PersistentVolumeStatus{Phase: corev1.VolumePending, LastPhaseTransitionTime: ref(metav1.Now())}
		},
		PrepareUpdate:       func(_ context.Context, pv, old *corev1.PersistentVolume) { pv.Status = old.Status },
		UnconditionalUpdate: true,
		RecheckName:         true,
		ReturnDeleted:       true,

		HasStatus: true,
		PrepareStatusUpdate: func(_ context.Context, pv, old *corev1.PersistentVolume) {
			pv.Spec = old.Spec
			at, was := &pv.Status.LastPhaseTransitionTime, old.Status.LastPhaseTransitionTime
			if pv.Status.Phase == old.Status.Phase {
				if *at == nil {
					*at = was
				}
			} else if *at == nil || (*at).Equal(was) {
				*at = ref(metav1.Now())
			}
		},

		Warnings: func(_ context.Context, pv, _ *corev1.PersistentVolume) []string {
			return podspec.PersistentVolumeWarnings(pv)
		},
		Validate: func(_ context.Context, o *corev1.PersistentVolume) field.ErrorList {
			return validatePersistentVolume(o)
		},
		ValidateUpdate: func(_ context.Context, o, old *corev1.PersistentVolume) field.ErrorList {
			return validatePersistentVolumeUpdate(o, old)
		},

		Terms: volumeTerms,

		Columns: []metav1.TableColumnDefinition{
			column.Name(),
			column.Text("Capacity", spec["capacity"]),
			column.Text("Access Modes", spec["accessModes"]),
			column.Text("Reclaim Policy", spec["persistentVolumeReclaimPolicy"]),
			column.Text("Status", status["phase"]),
			column.Text("Claim", spec["claimRef"]),
			column.Text("StorageClass", "StorageClass of the pv"),
			column.Text("VolumeAttributesClass", "VolumeAttributesClass of the pv"),
			column.Text("Reason", status["reason"]),
			column.Age(),
			column.Wide("VolumeMode", spec["volumeMode"]),
		},
		Cells: func(pv *corev1.PersistentVolume) []any {
			claim := ""
			if r := pv.Spec.ClaimRef; r != nil {
				claim = r.Namespace + "/" + r.Name
			}
			phase := string(pv.Status.Phase)
			if pv.DeletionTimestamp != nil {
				phase = "Terminating"
			}
			capacity := pv.Spec.Capacity[corev1.ResourceStorage]
			class := pv.Spec.StorageClassName
			if beta, ok := pv.Annotations[corev1.BetaStorageClassAnnotation]; ok {
				class = beta
			}
			return []any{
				pv.Name, capacity.String(), accessModes(pv.Spec.AccessModes), string(pv.Spec.PersistentVolumeReclaimPolicy),
				phase, claim, class, column.Or(pv.Spec.VolumeAttributesClassName, column.Unset), pv.Status.Reason,
				column.Since(pv.CreationTimestamp), column.Or(pv.Spec.VolumeMode, column.Unset),
			}
		},
	}.Kind()
}

func defaultPersistentVolume(pv *corev1.PersistentVolume) {
	if pv.Status.Phase == "" {
		pv.Status.Phase = corev1.VolumePending
	}
	if pv.Spec.PersistentVolumeReclaimPolicy == "" {
		pv.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimRetain
	}
	if pv.Spec.VolumeMode == nil {
		pv.Spec.VolumeMode = ref(corev1.PersistentVolumeFilesystem)
	}
	podspec.Round(pv.Spec.Capacity)
	src := &pv.Spec.PersistentVolumeSource
	podspec.DefaultHostPath(src.HostPath)
	podspec.DefaultAzureDisk(src.AzureDisk)
	if s := src.RBD; s != nil {
		podspec.DefaultRBD(&s.RBDPool, &s.RadosUser, &s.Keyring)
	}
	if s := src.ISCSI; s != nil && s.ISCSIInterface == "" {
		s.ISCSIInterface = "default"
	}
	if s := src.ScaleIO; s != nil {
		if s.StorageMode == "" {
			s.StorageMode = "ThinProvisioned"
		}
		if s.FSType == "" {
			s.FSType = "xfs"
		}
	}
}

// accessModes is the cell of a list of access modes.
func accessModes(modes []corev1.PersistentVolumeAccessMode) string {
	var out []string
	for _, m := range []struct {
		mode  corev1.PersistentVolumeAccessMode
		short string
	}{
		{corev1.ReadWriteOnce, "RWO"}, {corev1.ReadOnlyMany, "ROX"}, {corev1.ReadWriteMany, "RWX"}, {corev1.ReadWriteOncePod, "RWOP"},
	} {
		if slices.Contains(modes, m.mode) {
			out = append(out, m.short)
		}
	}
	return strings.Join(out, ",")
}
