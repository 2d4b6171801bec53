package core

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

func validateClaim(pvc *corev1.PersistentVolumeClaim) field.ErrorList {
	e := &check.Errors{}
	podspec.ValidateClaim(e, field.NewPath("spec"), &pvc.Spec, nil)
	return e.List
}

func validateClaimUpdate(pvc, old *corev1.PersistentVolumeClaim) field.ErrorList {
	e, p := &check.Errors{}, field.NewPath("spec")
	podspec.ValidateClaim(e, p, &pvc.Spec, &old.Spec)
	const beta = corev1.BetaStorageClassAnnotation
	now, was := pvc.Spec.DeepCopy(), old.Spec.DeepCopy()
	if was.VolumeName == "" {
		was.VolumeName = now.VolumeName
	}
	oldClass, annotated := old.Annotations[beta]
	newClass, still := pvc.Annotations[beta]
	switch {
	case annotated && was.StorageClassName == nil && now.StorageClassName != nil && *now.StorageClassName == oldClass && (!still || newClass == oldClass):
		// The class moves from the annotation to its field.
		now.StorageClassName = nil
	default:
		if newClass != oldClass {
			e.Invalid(field.NewPath("metadata", "annotations", beta), newClass, check.Immutable)
		}
		if now.StorageClassName != nil && was.StorageClassName == nil && (!annotated || *now.StorageClassName == oldClass) {
			now.StorageClassName = nil
		}
	}
	if pvc.Status.Phase == corev1.ClaimBound {
		if now.Resources.Requests != nil {
			now.Resources.Requests[corev1.ResourceStorage] = was.Resources.Requests[corev1.ResourceStorage]
		}
		now.VolumeAttributesClassName = was.VolumeAttributesClassName
	}
	if !equality.Semantic.DeepEqual(now, was) {
		e.Forbidden(p, fmt.Sprintf("spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n%v", check.Diff(*was, *now)))
	}
	size, before, actual := pvc.Spec.Resources.Requests[corev1.ResourceStorage], old.Spec.Resources.Requests[corev1.ResourceStorage], old.Status.Capacity[corev1.ResourceStorage]
	if size.Cmp(before) < 0 && size.Cmp(actual) <= 0 {
		e.Forbidden(p.Child("resources", "requests", "storage"), "field can not be less than status.capacity")
	}
	e.Same(field.NewPath("volumeMode"), pvc.Spec.VolumeMode, old.Spec.VolumeMode)
	if class := pvc.Spec.VolumeAttributesClassName; old.Status.CurrentVolumeAttributesClassName != nil && !equal(class, old.Spec.VolumeAttributesClassName) {
		if class == nil {
			e.Forbidden(p.Child("volumeAttributesClassName"), "update to nil is forbidden when status.currentVolumeAttributesClassName is not nil")
		} else if *class == "" {
			e.Forbidden(p.Child("volumeAttributesClassName"), "update to empty string is forbidden when status.currentVolumeAttributesClassName is not nil")
		}
	}
	return e.List
}

func validateClaimStatus(pvc *corev1.PersistentVolumeClaim) field.ErrorList {
	e, p := &check.Errors{}, field.NewPath("status")
	if len(pvc.Spec.AccessModes) == 0 {
		e.Required(field.NewPath("Spec", "accessModes"), "")
	}
	basic := func(at *field.Path, list corev1.ResourceList, name corev1.ResourceName) {
		if q := list[name]; q.Value() < 0 {
			e.Invalid(at.Key(string(name)), q.Value(), "must be a valid resource quantity")
		}
	}
	for _, name := range check.Names(pvc.Status.Capacity) {
		basic(p.Child("capacity"), pvc.Status.Capacity, name)
	}
	known := func(at *field.Path, name corev1.ResourceName) bool {
		if msgs := validation.IsQualifiedName(string(name)); len(msgs) > 0 {
			e.Messages(at, string(name), msgs)
			return false
		}
		if check.IsNative(name) && name != corev1.ResourceStorage {
			e.Add(field.NotSupported(at, string(name), []corev1.ResourceName{corev1.ResourceStorage}))
			return false
		}
		return true
	}
	at := p.Child("allocatedResourceStatuses")
	for _, name := range slices.Sorted(maps.Keys(pvc.Status.AllocatedResourceStatuses)) {
		known(at, name)
		switch pvc.Status.AllocatedResourceStatuses[name] {
		case corev1.PersistentVolumeClaimControllerResizeInProgress, corev1.PersistentVolumeClaimControllerResizeInfeasible,
			corev1.PersistentVolumeClaimNodeResizePending, corev1.PersistentVolumeClaimNodeResizeInProgress, corev1.PersistentVolumeClaimNodeResizeInfeasible:
		default:
			e.Add(field.NotSupported(at, name, []corev1.ClaimResourceStatus{
				corev1.PersistentVolumeClaimControllerResizeInProgress, corev1.PersistentVolumeClaimControllerResizeInfeasible,
				corev1.PersistentVolumeClaimNodeResizeInProgress, corev1.PersistentVolumeClaimNodeResizeInfeasible, corev1.PersistentVolumeClaimNodeResizePending,
			}))
		}
	}
	for _, name := range check.Names(pvc.Status.AllocatedResources) {
		if known(p.Child("allocatedResources"), name) {
			basic(p.Child("allocatedResources"), pvc.Status.AllocatedResources, name)
		}
	}
	return e.List
}
