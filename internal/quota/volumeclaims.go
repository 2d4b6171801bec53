package quota

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
)

// ofClass stands between the name of a storage class and what of it is
// limited, as in "gold.storageclass.storage.k8s.io/requests.storage".
const ofClass = ".storageclass.storage.k8s.io/"

// volumeClaimEvaluator measures persistent volume claims.
type volumeClaimEvaluator struct{ count }

// Measures implements Evaluator.
func (volumeClaimEvaluator) Measures(name corev1.ResourceName) bool {
	switch name {
	case "count/persistentvolumeclaims", corev1.ResourcePersistentVolumeClaims, corev1.ResourceRequestsStorage:
		return true
	}
	return strings.HasSuffix(string(name), ofClass+string(corev1.ResourcePersistentVolumeClaims)) ||
		strings.HasSuffix(string(name), ofClass+string(corev1.ResourceRequestsStorage))
}

// InScope implements Evaluator.
func (volumeClaimEvaluator) InScope(obj runtime.Object, s corev1.ScopedResourceSelectorRequirement) (bool, error) {
	claim, ok := obj.(*corev1.PersistentVolumeClaim)
	if !ok || s.ScopeName != corev1.ResourceQuotaScopeVolumeAttributesClass {
		return false, nil
	}
	classes := attributesClasses(claim)
	if len(classes) == 0 {
		return selects(s, "")
	}
	for _, c := range classes {
		if in, err := selects(s, c); in || err != nil {
			return in, err
		}
	}
	return false, nil
}

// attributesClasses are all that a claim has to do with at present.
func attributesClasses(claim *corev1.PersistentVolumeClaim) []string {
	var out []string
	add := func(name string) {
		if name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	if name := claim.Spec.VolumeAttributesClassName; name != nil {
		add(*name)
	}
	if name := claim.Status.CurrentVolumeAttributesClassName; name != nil {
		add(*name)
	}
	if m := claim.Status.ModifyVolumeStatus; m != nil {
		add(m.TargetVolumeAttributesClassName)
	}
	slices.Sort(out)
	return out
}

// Changes implements Evaluator.
func (volumeClaimEvaluator) Changes(subresource string, obj, old runtime.Object) bool {
	claim, ok := obj.(*corev1.PersistentVolumeClaim)
	was, wasOne := old.(*corev1.PersistentVolumeClaim)
	switch {
	case !ok || !wasOne:
		return false
	case subresource == "status":
		return claim.Status.AllocatedResources.Storage().Cmp(*was.Status.AllocatedResources.Storage()) != 0 ||
			!slices.Equal(attributesClasses(claim), attributesClasses(was))
	}
	return subresource == ""
}

// Usage implements Evaluator.
func (volumeClaimEvaluator) Usage(obj runtime.Object) corev1.ResourceList {
	claim, ok := obj.(*corev1.PersistentVolumeClaim)
	if !ok {
		return nil
	}
	list := corev1.ResourceList{"count/persistentvolumeclaims": one(), corev1.ResourcePersistentVolumeClaims: one()}
	class := claim.Annotations[corev1.BetaStorageClassAnnotation]
	if _, annotated := claim.Annotations[corev1.BetaStorageClassAnnotation]; !annotated && claim.Spec.StorageClassName != nil {
		class = *claim.Spec.StorageClassName
	}
	size, sized := storage(claim)
	if sized {
		list[corev1.ResourceRequestsStorage] = size
	}
	if class != "" {
		prefix := corev1.ResourceName(class + ofClass)
		list[prefix+corev1.ResourcePersistentVolumeClaims] = one()
		if sized {
			list[prefix+corev1.ResourceRequestsStorage] = size
		}
	}
	return list
}

// storage is what a claim requests, or more if that has been given to it
// already, in whole bytes.
func storage(claim *corev1.PersistentVolumeClaim) (resource.Quantity, bool) {
	size, ok := claim.Spec.Resources.Requests[corev1.ResourceStorage]
	if !ok {
		return size, false
	}
	if given, ok := claim.Status.AllocatedResources[corev1.ResourceStorage]; ok && given.Cmp(size) > 0 {
		size = given
	}
	size = size.DeepCopy()
	size.RoundUp(0)
	return size, true
}
