package storage

import (
	"math"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
	"github.com/keelson-project/keelson/apiserver/kinds/core"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

const (
	maxParameters     = 512
	maxParametersSize = 256 << 10
	maxMetadataSize   = 256 << 10
	maxErrorMessage   = 1024
	maxNodeID         = 256
	leastUpdatePeriod = 10 // seconds
	leastTokenSeconds = 600
)

func validateClass(c *storagev1.StorageClass) field.ErrorList {
	e := &check.Errors{}
	if c.Provisioner != "" {
		e.QualifiedName(field.NewPath("provisioner"), strings.ToLower(c.Provisioner))
	}
	parameters(e, field.NewPath("parameters"), c.Parameters)
	if r := c.ReclaimPolicy; r != nil && *r != "" {
		check.OneOf(e, field.NewPath("reclaimPolicy"), *r, corev1.PersistentVolumeReclaimDelete, corev1.PersistentVolumeReclaimRetain)
	}
	if m := field.NewPath("volumeBindingMode"); c.VolumeBindingMode == nil {
		e.Required(m, "")
	} else {
		check.OneOf(e, m, *c.VolumeBindingMode, storagev1.VolumeBindingImmediate, storagev1.VolumeBindingWaitForFirstConsumer)
	}
	topologies(e, field.NewPath("allowedTopologies"), c.AllowedTopologies)
	return e.List
}

func parameters(e *check.Errors, p *field.Path, set map[string]string) {
	if len(set) > maxParameters {
		e.TooLong(p, maxParameters)
		return
	}
	if _, ok := set[""]; ok {
		e.Invalid(p, "", "field can not be empty.")
	}
	if size(set) > maxParametersSize {
		e.TooLong(p, maxParametersSize)
	}
}

func size(set map[string]string) (n int) {
	for k, v := range set {
		n += len(k) + len(v)
	}
	return n
}

func topologies(e *check.Errors, p *field.Path, list []corev1.TopologySelectorTerm) {
	var seen []map[string]sets.Set[string]
	for i, term := range list {
		p, keys := p.Index(i).Child("matchLabelExpressions"), map[string]sets.Set[string]{}
		for j, r := range term.MatchLabelExpressions {
			at, values := p.Index(j), sets.New[string]()
			if len(r.Values) == 0 {
				e.Required(at.Child("values"), "")
			}
			for k, v := range r.Values {
				if values.Has(v) {
					e.Duplicate(at.Child("values").Index(k), v)
				}
				values.Insert(v)
			}
			e.LabelName(at.Child("key"), r.Key)
			if _, ok := keys[r.Key]; ok {
				e.Duplicate(at.Child("key"), r.Key)
			}
			keys[r.Key] = values
		}
		if len(keys) == 0 {
			e.Duplicate(p, "")
		}
		for _, other := range seen {
			if equality.Semantic.DeepEqual(keys, other) {
				e.Duplicate(p, "")
			}
		}
		seen = append(seen, keys)
	}
}

func validateAttachment(a *storagev1.VolumeAttachment) field.ErrorList {
	e, p, s := &check.Errors{}, field.NewPath("spec"), &a.Spec
	at, pv := p.Child("source"), s.Source.PersistentVolumeName
	const one = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
	switch inline := s.Source.InlineVolumeSpec; {
	case inline == nil && pv == nil:
		e.Required(at, one)
	case inline != nil && pv != nil:
		e.Forbidden(at, one)
	case pv != nil && *pv == "":
		e.Required(at.Child("persistentVolumeName"), "must specify non empty persistentVolumeName")
	case inline != nil:
		core.InlineVolumeSpec(e, at.Child("inlineVolumeSpec"), inline)
	}
	e.DNSSubdomain(p.Child("nodeName"), s.NodeName)
	p = field.NewPath("status")
	if size(a.Status.AttachmentMetadata) > maxMetadataSize {
		e.TooLong(p.Child("attachmentMetadata"), maxMetadataSize)
	}
	volumeError(e, p.Child("attachError"), a.Status.AttachError)
	volumeError(e, p.Child("detachError"), a.Status.DetachError)
	if pv != nil {
		e.DNSSubdomain(at.Child("persistentVolumeName"), *pv)
	}
	return e.List
}

func validateAttachmentUpdate(a, old *storagev1.VolumeAttachment) field.ErrorList {
	e := &check.Errors{List: validateAttachment(a)}
	if !equality.Semantic.DeepEqual(a.Spec, old.Spec) {
		// The rules below are not asked where the whole is found changed.
		podspec.CSIDriverName(e, field.NewPath("spec", "attacher"), a.Spec.Attacher)
	}
	return e.List
}

func volumeError(e *check.Errors, p *field.Path, v *storagev1.VolumeError) {
	if v == nil {
		return
	}
	if len(v.Message) > maxErrorMessage {
		e.TooLong(p.Child("message"), maxErrorMessage)
	}
	if c := v.ErrorCode; c != nil && *c < 0 {
		e.Invalid(p.Child("errorCode"), *c, validation.InclusiveRangeError(0, math.MaxInt32))
	}
}

func validateCSINode(n *storagev1.CSINode) field.ErrorList {
	e, names := &check.Errors{}, map[string]bool{}
	for i := range n.Spec.Drivers {
		d, p := &n.Spec.Drivers[i], field.NewPath("spec", "drivers").Index(i)
		podspec.CSIDriverName(e, p.Child("name"), d.Name)
		if d.NodeID == "" {
			e.Required(p.Child("nodeID"), "")
		}
		if len(d.NodeID) > maxNodeID {
			e.Invalid(p.Child("nodeID"), d.NodeID, "must be 256 characters or less")
		}
		if a := d.Allocatable; a != nil {
			e.OptionalNonnegative(p.Child("allocatable", "count"), a.Count)
		}
		if names[d.Name] {
			e.Duplicate(p.Child("name"), d.Name)
		}
		names[d.Name] = true
		keys := map[string]bool{}
		for _, k := range d.TopologyKeys {
			if k == "" {
				e.Required(p, "")
			}
			if keys[k] {
				e.Duplicate(p, k)
			}
			keys[k] = true
			e.QualifiedName(p, k)
		}
	}
	return e.List
}

func validateCSINodeUpdate(n, old *storagev1.CSINode) field.ErrorList {
	e := &check.Errors{List: validateCSINode(n)}
	for _, was := range old.Spec.Drivers {
		for _, now := range n.Spec.Drivers {
			if was.Name == now.Name {
				was.Allocatable, now.Allocatable = nil, nil
				e.Same(field.NewPath("spec", "drivers"), &now, &was)
			}
		}
	}
	return e.List
}

func validateDriver(d *storagev1.CSIDriver) field.ErrorList {
	e, p, s := &check.Errors{}, field.NewPath("spec"), &d.Spec
	for _, f := range []struct {
		name string
		set  *bool
	}{
		{"attachedRequired", s.AttachRequired}, {"podInfoOnMount", s.PodInfoOnMount},
		{"storageCapacity", s.StorageCapacity}, {"seLinuxMount", s.SELinuxMount},
	} {
		if f.set == nil {
			e.Required(p.Child(f.name), "")
		}
	}
	check.OptionalOneOf(e, p.Child("fsGroupPolicy"), s.FSGroupPolicy, storagev1.FileFSGroupPolicy, storagev1.NoneFSGroupPolicy, storagev1.ReadWriteOnceWithFSTypeFSGroupPolicy)
	audiences := map[string]bool{}
	for i, t := range s.TokenRequests {
		p := p.Child("tokenRequests").Index(i)
		if audiences[t.Audience] {
			e.Duplicate(p.Child("audience"), t.Audience)
			continue
		}
		audiences[t.Audience] = true
		if n := t.ExpirationSeconds; n != nil && *n < leastTokenSeconds {
			e.Invalid(p.Child("expirationSeconds"), *n, "may not specify a duration less than 10 minutes")
		} else if n != nil && *n > 1<<32 {
			e.Invalid(p.Child("expirationSeconds"), *n, "may not specify a duration larger than 2^32 seconds")
		}
	}
	for _, m := range s.VolumeLifecycleModes {
		check.OneOf(e, p.Child("volumeLifecycleModes"), m, storagev1.VolumeLifecyclePersistent, storagev1.VolumeLifecycleEphemeral)
	}
	if n := s.NodeAllocatableUpdatePeriodSeconds; n != nil && *n < leastUpdatePeriod {
		e.Invalid(p.Child("nodeAllocatableUpdatePeriodSeconds"), *n, "must be greater than or equal to 10 seconds")
	}
	if t := s.ServiceAccountTokenInSecrets; t != nil && len(s.TokenRequests) == 0 {
		e.Invalid(p.Child("serviceAccountTokenInSecrets"), t, "serviceAccountTokenInSecrets is set but no tokenRequests are specified")
	}
	return e.List
}

func validateDriverUpdate(d, old *storagev1.CSIDriver) field.ErrorList {
	e := &check.Errors{List: validateDriver(d)}
	e.Same(field.NewPath("spec", "attachedRequired"), d.Spec.AttachRequired, old.Spec.AttachRequired)
	e.Same(field.NewPath("spec", "volumeLifecycleModes"), d.Spec.VolumeLifecycleModes, old.Spec.VolumeLifecycleModes)
	return e.List
}

func validateCapacity(c *storagev1.CSIStorageCapacity) field.ErrorList {
	e := &check.Errors{}
	e.Selector(field.NewPath("nodeTopology"), c.NodeTopology)
	e.DNSSubdomain(field.NewPath("storageClassName"), c.StorageClassName)
	if q := c.Capacity; q != nil {
		e.NonnegativeQuantity(field.NewPath("capacity"), *q)
	}
	return e.List
}

func validateCapacityUpdate(c, old *storagev1.CSIStorageCapacity) field.ErrorList {
	e := &check.Errors{List: validateCapacity(c)}
	e.Same(field.NewPath("nodeTopology"), c.NodeTopology, old.NodeTopology)
	e.Same(field.NewPath("storageClassName"), c.StorageClassName, old.StorageClassName)
	return e.List
}

func validateAttributes(c *storagev1.VolumeAttributesClass) field.ErrorList {
	e, p := &check.Errors{}, field.NewPath("parameters")
	if at := field.NewPath("driverName"); c.DriverName == "" {
		e.Required(at, "")
	} else {
		e.QualifiedName(at, strings.ToLower(c.DriverName))
	}
	parameters(e, p, c.Parameters)
	if len(c.Parameters) == 0 {
		e.Required(p, "must contain at least one key/value pair")
	}
	return e.List
}

func validateAttributesUpdate(c, old *storagev1.VolumeAttributesClass) field.ErrorList {
	e := &check.Errors{}
	if c.DriverName != old.DriverName {
		e.Forbidden(field.NewPath("driverName"), "updates to driverName are forbidden.")
	}
	if !equality.Semantic.DeepEqual(c.Parameters, old.Parameters) {
		e.Forbidden(field.NewPath("parameters"), "updates to parameters are forbidden.")
	}
	e.Add(validateAttributes(c)...)
	return e.List
}
