package core

import (
	"fmt"
	"path"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

// PersistentVolumeSpec checks the specification of the volume of a name at p.
func PersistentVolumeSpec(e *check.Errors, p *field.Path, spec *corev1.PersistentVolumeSpec, name string) {
	volumeSpec(e, p, spec, name, false)
}

// InlineVolumeSpec checks the specification of a volume that no
// PersistentVolume stands for, at p.
func InlineVolumeSpec(e *check.Errors, p *field.Path, spec *corev1.PersistentVolumeSpec) {
	volumeSpec(e, p, spec, "", true)
}

func volumeSpec(e *check.Errors, p *field.Path, spec *corev1.PersistentVolumeSpec, name string, inline bool) {
	const context = " in the context of inline volumes"
	if inline {
		if spec.ClaimRef != nil {
			e.Forbidden(p.Child("claimRef"), "may not be specified"+context)
		}
		if len(spec.Capacity) > 0 {
			e.Forbidden(p.Child("capacity"), "may not be specified"+context)
		}
		if spec.CSI == nil {
			e.Required(p.Child("csi"), "has to be specified"+context)
		}
	}
	if len(spec.AccessModes) == 0 {
		e.Required(p.Child("accessModes"), "")
	}
	podspec.AccessModes(e, p.Child("accessModes"), spec.AccessModes)
	if !inline {
		volumeCapacity(e, p.Child("capacity"), spec.Capacity)
	}
	switch policy := spec.PersistentVolumeReclaimPolicy; {
	case policy == "":
	case inline && policy != corev1.PersistentVolumeReclaimRetain:
		e.Forbidden(p.Child("persistentVolumeReclaimPolicy"), "may only be Retain"+context)
	case !inline:
		check.OneOf(e, p.Child("persistentVolumeReclaimPolicy"), policy, corev1.PersistentVolumeReclaimDelete, corev1.PersistentVolumeReclaimRecycle, corev1.PersistentVolumeReclaimRetain)
	}
	switch a := spec.NodeAffinity; {
	case a == nil:
	case inline:
		e.Forbidden(p.Child("nodeAffinity"), "may not be specified"+context)
	case a.Required != nil:
		podspec.NodeSelector(e, p.Child("nodeAffinity", "required"), a.Required)
	default:
		e.Required(p.Child("nodeAffinity", "required"), "must specify required node constraints")
	}
	podspec.PersistentSource(e, p, &spec.PersistentVolumeSource, name, func() bool { return spec.NodeAffinity != nil && !inline })
	if h := spec.HostPath; h != nil && path.Clean(h.Path) == "/" && spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimRecycle {
		e.Forbidden(p.Child("persistentVolumeReclaimPolicy"), "may not be 'recycle' for a hostPath mount of '/'")
	}
	if class := spec.StorageClassName; class != "" && inline {
		e.Forbidden(p.Child("storageClassName"), "may not be specified"+context)
	} else if class != "" {
		e.Messages(p.Child("storageClassName"), class, apivalidation.NameIsDNSSubdomain(class, false))
	}
	if mode := spec.VolumeMode; !inline {
		check.OptionalOneOf(e, p.Child("volumeMode"), mode, corev1.PersistentVolumeBlock, corev1.PersistentVolumeFilesystem)
	} else if mode != nil && *mode != corev1.PersistentVolumeFilesystem {
		e.Forbidden(p.Child("volumeMode"), "may not specify volumeMode other than Filesystem"+context)
	}
	if class := spec.VolumeAttributesClassName; class != nil {
		at := p.Child("volumeAttributesClassName")
		if *class == "" {
			e.Required(at, "an empty string is disallowed")
		} else {
			e.Messages(at, *class, apivalidation.NameIsDNSSubdomain(*class, false))
		}
		if spec.CSI == nil {
			e.Required(p.Child("csi"), "has to be specified when using volumeAttributesClassName")
		}
	}
}

func volumeCapacity(e *check.Errors, p *field.Path, list corev1.ResourceList) {
	if len(list) == 0 {
		e.Required(p, "")
	}
	if _, ok := list[corev1.ResourceStorage]; !ok || len(list) > 1 {
		e.Add(&field.Error{
			Type: field.ErrorTypeNotSupported, Field: p.String(), BadValue: list, Detail: `supported values: "storage"`,
		})
	}
	for _, r := range check.Names(list) {
		q := list[r]
		if q.Value() < 0 {
			e.Invalid(p.Key(string(r)), q.Value(), "must be a valid resource quantity")
		}
		e.PositiveQuantity(p.Key(string(r)), q)
	}
}

func validatePersistentVolume(pv *corev1.PersistentVolume) field.ErrorList {
	e := &check.Errors{}
	PersistentVolumeSpec(e, field.NewPath("spec"), &pv.Spec, pv.Name)
	if _, ok := pv.Annotations[corev1.MountOptionAnnotation]; ok && !mountable(&pv.Spec.PersistentVolumeSource) {
		e.Forbidden(field.NewPath("metadata", "annotations", corev1.MountOptionAnnotation), "may not specify mount options for this volume type")
	}
	return e.List
}

// mountable reports whether a source is of those that mount options in an
// annotation are for.
func mountable(s *corev1.PersistentVolumeSource) bool {
	return s.GCEPersistentDisk != nil || s.AWSElasticBlockStore != nil || s.Glusterfs != nil || s.NFS != nil || s.RBD != nil ||
		s.Quobyte != nil || s.ISCSI != nil || s.Cinder != nil || s.CephFS != nil || s.AzureFile != nil || s.VsphereVolume != nil ||
		s.AzureDisk != nil || s.PhotonPersistentDisk != nil
}

func validatePersistentVolumeUpdate(pv, old *corev1.PersistentVolume) field.ErrorList {
	e := &check.Errors{List: validatePersistentVolume(pv)}
	source := pv.Spec.PersistentVolumeSource
	if was, now := old.Spec.CSI, pv.Spec.CSI; was != nil && now != nil && was.ControllerExpandSecretRef == nil && now.ControllerExpandSecretRef != nil {
		// This reference may be added.
		source.CSI = now.DeepCopy()
		source.CSI.ControllerExpandSecretRef = nil
	}
	if !equality.Semantic.DeepEqual(source, old.Spec.PersistentVolumeSource) {
		e.Forbidden(field.NewPath("spec", "persistentvolumesource"), fmt.Sprintf("spec.persistentvolumesource is immutable after creation\n%v", check.Diff(old.Spec.PersistentVolumeSource, source)))
	}
	e.Same(field.NewPath("volumeMode"), pv.Spec.VolumeMode, old.Spec.VolumeMode)
	if was := old.Spec.NodeAffinity; was != nil && !equality.Semantic.DeepEqual(pv.Spec.NodeAffinity, withStableKeys(was, pv.Spec.NodeAffinity)) {
		e.Invalid(field.NewPath("nodeAffinity"), pv.Spec.NodeAffinity, check.Immutable+", except for updating from beta label to GA")
	}
	if old.Spec.VolumeAttributesClassName != nil && pv.Spec.VolumeAttributesClassName == nil {
		e.Forbidden(field.NewPath("spec", "volumeAttributesClassName"), "update from non-nil value to nil is forbidden")
	}
	return e.List
}

// withStableKeys returns the old affinity with those deprecated labels renamed
// that have their present names in the new one.
func withStableKeys(old, now *corev1.VolumeNodeAffinity) *corev1.VolumeNodeAffinity {
	if old.Required == nil || now == nil || now.Required == nil {
		return old
	}
	stable := map[string]string{
		corev1.LabelFailureDomainBetaZone: corev1.LabelTopologyZone, corev1.LabelFailureDomainBetaRegion: corev1.LabelTopologyRegion,
		"beta.kubernetes.io/os": corev1.LabelOSStable, "beta.kubernetes.io/arch": corev1.LabelArchStable,
		corev1.LabelInstanceType: corev1.LabelInstanceTypeStable,
	}
	out := old.DeepCopy()
	for i := range out.Required.NodeSelectorTerms {
		if i >= len(now.Required.NodeSelectorTerms) {
			break
		}
		terms := now.Required.NodeSelectorTerms[i].MatchExpressions
		for j := range out.Required.NodeSelectorTerms[i].MatchExpressions {
			x := &out.Required.NodeSelectorTerms[i].MatchExpressions[j]
			if j < len(terms) && stable[x.Key] == terms[j].Key {
				x.Key = terms[j].Key // also an empty one, which is refused elsewhere
			}
		}
	}
	return out
}
