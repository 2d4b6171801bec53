package podspec

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

const fileMode = "must be a number between 0 and 0777 (octal), both inclusive"

func (c *checker) checkVolumes(p *field.Path) {
	c.volumes = make(map[string]*corev1.VolumeSource, len(c.spec.Volumes))
	made := map[string]bool{}
	if c.pod != nil && c.pod.Name != "" {
		for _, v := range c.spec.Volumes {
			if v.Ephemeral != nil {
				made[c.pod.Name+"-"+v.Name] = true
			}
		}
	}
	for i := range c.spec.Volumes {
		v, at := &c.spec.Volumes[i], p.Index(i)
		before := len(c.List)
		c.volume(v, at)
		c.RequiredDNSLabel(at.Child("name"), v.Name)
		if c.volumes[v.Name] != nil {
			c.Duplicate(at.Child("name"), v.Name)
		}
		if len(c.List) == before {
			c.volumes[v.Name] = &v.VolumeSource
		}
		if claim := v.PersistentVolumeClaim; claim != nil && made[claim.ClaimName] {
			c.Invalid(at.Child("persistentVolumeClaim", "claimName"), claim.ClaimName, "must not reference a PVC that gets created for an ephemeral volume")
		}
	}
}

// source is one of the sorts of volumes.
type source struct {
	set   bool
	name  string
	check func(at *field.Path)
	// shown is where what is wrong inside is shown, if not below name.
	shown string
	// more says that the source may be there beside others.
	more bool
	// also checks something of a source that is there beside others, too.
	also func()
}

// oneSource requires one source to be set and checks it. The order is that of
// the names, in which kube-apiserver looks for them.
func oneSource(e *check.Errors, p *field.Path, order string, sources []source) {
	names := strings.Fields(order)
	slices.SortFunc(sources, func(a, b source) int { return slices.Index(names, a.name) - slices.Index(names, b.name) })
	one := false
	for _, s := range sources {
		if !s.set {
			continue
		}
		if one && !s.more {
			e.Forbidden(p.Child(s.name), "may not specify more than 1 volume type")
		} else {
			one = true
			at := s.name
			if s.shown != "" {
				at = s.shown
			}
			s.check(p.Child(at))
		}
		if s.also != nil {
			s.also()
		}
	}
	if !one {
		e.Required(p, "must specify a volume type")
	}
}

func (c *checker) volume(v *corev1.Volume, p *field.Path) {
	s := &v.VolumeSource
	own := []source{
		{set: s.EmptyDir != nil, name: "emptyDir", check: func(at *field.Path) {
			if limit := s.EmptyDir.SizeLimit; limit != nil && limit.Sign() < 0 {
				c.Forbidden(at.Child("sizeLimit"), "SizeLimit field must be a valid resource quantity")
			}
		}},
		{set: s.GitRepo != nil, name: "gitRepo", check: func(at *field.Path) {
			c.NotEmpty(at.Child("repository"), s.GitRepo.Repository)
			c.descending(at.Child("directory"), s.GitRepo.Directory)
		}},
		{set: s.Secret != nil, name: "secret", check: func(at *field.Path) {
			c.NotEmpty(at.Child("secretName"), s.Secret.SecretName)
			c.mode(at.Child("defaultMode"), s.Secret.DefaultMode)
			c.items(at.Child("items"), s.Secret.Items)
		}},
		{set: s.PersistentVolumeClaim != nil, name: "persistentVolumeClaim", check: func(at *field.Path) {
			c.NotEmpty(at.Child("claimName"), s.PersistentVolumeClaim.ClaimName)
		}},
		{set: s.DownwardAPI != nil, name: "downwarAPI" /* misspelled by kube-apiserver */, shown: "downwardAPI", check: func(at *field.Path) {
			c.mode(at.Child("defaultMode"), s.DownwardAPI.DefaultMode)
			for i := range s.DownwardAPI.Items {
				c.downward(at, &s.DownwardAPI.Items[i])
			}
		}},
		{set: s.ConfigMap != nil, name: "configMap", check: func(at *field.Path) {
			c.NotEmpty(at.Child("name"), s.ConfigMap.Name)
			c.mode(at.Child("defaultMode"), s.ConfigMap.DefaultMode)
			c.items(at.Child("items"), s.ConfigMap.Items)
		}},
		{set: s.Projected != nil, name: "projected", check: func(at *field.Path) { c.projected(at, s.Projected) }},
		{set: s.CSI != nil, name: "csi", check: func(at *field.Path) {
			CSIDriverName(&c.Errors, at.Child("driver"), s.CSI.Driver)
			if r := s.CSI.NodePublishSecretRef; r != nil {
				if r.Name == "" {
					c.Required(at.Child("nodePublishSecretRef", "name"), "")
				} else {
					c.Messages(at.Child("name"), r.Name, apivalidation.NameIsDNSSubdomain(r.Name, false))
				}
			}
		}},
		{set: s.Ephemeral != nil, name: "ephemeral", check: func(at *field.Path) {
			c.ephemeral(at, s.Ephemeral)
			if c.pod != nil && c.pod.Name != "" && v.Name != "" {
				claim := c.pod.Name + "-" + v.Name
				for _, msg := range apivalidation.NameIsDNSSubdomain(claim, false) {
					c.Invalid(p.Child("name"), v.Name, fmt.Sprintf("PVC name %q: %v", claim, msg))
				}
			}
		}},
		{set: s.Image != nil, name: "image", check: func(at *field.Path) {
			c.NotEmpty(at.Child("reference"), s.Image.Reference)
			c.pullPolicy(at.Child("pullPolicy"), s.Image.PullPolicy)
		}},
	}
	const order = "emptyDir hostPath gitRepo gcePersistentDisk awsElasticBlockStore secret nfs iscsi glusterfs flocker persistentVolumeClaim " +
		"rbd cinder cephFS quobyte downwarAPI fc flexVolume configMap azureFile vsphereVolume photonPersistentDisk portworxVolume azureDisk " +
		"storageos projected scaleIO csi ephemeral image"
	oneSource(&c.Errors, p, order, append(own, c.storageSources(s, func() {
		if i := s.ISCSI; i.InitiatorName != nil && len(v.Name)+1+len(i.TargetPortal) > 64 {
			c.Invalid(p.Child("name"), v.Name, iscsiTooLong)
		}
	})...))
}

func (c *checker) mode(p *field.Path, mode *int32) {
	if mode != nil && (*mode < 0 || *mode > 0o777) {
		c.Invalid(p, *mode, fileMode)
	}
}

func (c *checker) items(p *field.Path, items []corev1.KeyToPath) {
	for i, item := range items {
		at := p.Index(i)
		c.NotEmpty(at.Child("key"), item.Key)
		c.NotEmpty(at.Child("path"), item.Path)
		c.inside(at.Child("path"), item.Path)
		c.mode(at.Child("mode"), item.Mode)
	}
}

func (c *checker) downward(p *field.Path, f *corev1.DownwardAPIVolumeFile) {
	c.NotEmpty(p.Child("path"), f.Path)
	c.inside(p.Child("path"), f.Path)
	switch {
	case f.FieldRef != nil:
		c.fieldRef(f.FieldRef, p.Child("fieldRef"), []string{
			"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid",
		})
		if f.ResourceFieldRef != nil {
			c.Invalid(p, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
		}
	case f.ResourceFieldRef != nil:
		if f.ResourceFieldRef.ContainerName == "" {
			c.Required(p.Child("resourceFieldRef", "containerName"), "")
			c.divisor(f.ResourceFieldRef, p.Child("resourceFieldRef", "divisor"))
		} else {
			c.resourceRef(f.ResourceFieldRef, p.Child("resourceFieldRef"))
		}
	default:
		c.Required(p, "one of fieldRef and resourceFieldRef is required")
	}
	c.mode(p.Child("mode"), f.Mode)
}

func (c *checker) ephemeral(p *field.Path, s *corev1.EphemeralVolumeSource) {
	t := s.VolumeClaimTemplate
	if t == nil {
		c.Required(p.Child("volumeClaimTemplate"), "")
		return
	}
	at := p.Child("volumeClaimTemplate")
	TemplateMetadata(&c.Errors, at.Child("metadata"), &t.ObjectMeta)
	ValidateClaim(&c.Errors, at.Child("spec"), &t.Spec, nil)
}

// TemplateMetadata refuses all metadata but valid labels and annotations.
func TemplateMetadata(e *check.Errors, p *field.Path, m *metav1.ObjectMeta) {
	e.Annotations(p.Child("annotations"), m.Annotations)
	e.Labels(p.Child("labels"), m.Labels)
	for _, f := range []struct {
		set  bool
		name string
	}{
		{m.Name != "", "name"}, {m.GenerateName != "", "generateName"}, {m.Namespace != "", "namespace"}, {m.SelfLink != "", "selfLink"},
		{m.UID != "", "uID"}, {m.ResourceVersion != "", "resourceVersion"}, {m.Generation != 0, "generation"},
		{!m.CreationTimestamp.IsZero(), "creationTimestamp"}, {m.DeletionTimestamp != nil, "deletionTimestamp"},
		{m.DeletionGracePeriodSeconds != nil, "deletionGracePeriodSeconds"}, {m.OwnerReferences != nil, "ownerReferences"},
		{m.Finalizers != nil, "finalizers"}, {m.ManagedFields != nil, "managedFields"},
	} {
		if f.set {
			e.Forbidden(p.Child(f.name), "cannot be set")
		}
	}
}

// ValidateClaim checks what a volume claim asks for; old is what it asked for
// before, or nil.
func ValidateClaim(e *check.Errors, p *field.Path, spec, old *corev1.PersistentVolumeClaimSpec) {
	if len(spec.AccessModes) == 0 {
		e.Required(p.Child("accessModes"), "at least 1 access mode is required")
	}
	e.Selector(p.Child("selector"), spec.Selector)
	AccessModes(e, p.Child("accessModes"), spec.AccessModes)
	size := p.Child("resources").Key(string(corev1.ResourceStorage))
	if q, ok := spec.Resources.Requests[corev1.ResourceStorage]; ok {
		e.PositiveQuantity(size, q)
	} else {
		e.Required(size, "")
	}
	if class := spec.StorageClassName; class != nil && *class != "" {
		e.Messages(p.Child("storageClassName"), *class, apivalidation.NameIsDNSSubdomain(*class, false))
	}
	check.OptionalOneOf(e, p.Child("volumeMode"), spec.VolumeMode, corev1.PersistentVolumeBlock, corev1.PersistentVolumeFilesystem)
	from, ref := spec.DataSource, spec.DataSourceRef
	// A group is not looked at again.
	anyGroup := old != nil && (old.DataSource != nil && old.DataSource.APIGroup != nil || old.DataSourceRef != nil && old.DataSourceRef.APIGroup != nil)
	if from != nil {
		dataSource(e, p.Child("dataSource"), from.APIGroup, from.Kind, from.Name, anyGroup)
	}
	if ref != nil {
		dataSource(e, p.Child("dataSourceRef"), ref.APIGroup, ref.Kind, ref.Name, anyGroup)
		if ns := ref.Namespace; ns != nil && *ns != "" {
			e.Messages(p.Child("dataSourceRef", "namespace"), *ns, apivalidation.ValidateNamespaceName(*ns, false))
		}
	}
	if from != nil && ref != nil {
		if ref.Namespace != nil && *ref.Namespace != "" {
			e.Invalid(p, p.Child("dataSource"), "may not be specified when dataSourceRef.namespace is specified")
		} else if !equality.Semantic.DeepEqual(from.APIGroup, ref.APIGroup) || from.Kind != ref.Kind || from.Name != ref.Name {
			e.Invalid(p, p.Child("dataSource"), "must match dataSourceRef")
		}
	}
	if class := spec.VolumeAttributesClassName; class != nil && *class != "" {
		e.Messages(p.Child("volumeAttributesClassName"), *class, apivalidation.NameIsDNSSubdomain(*class, false))
	}
}

func dataSource(e *check.Errors, p *field.Path, group *string, kind, name string, anyGroup bool) {
	e.NotEmpty(p.Child("name"), name)
	e.NotEmpty(p.Child("kind"), kind)
	if group == nil || *group == "" {
		if kind != "PersistentVolumeClaim" {
			e.Invalid(p, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup")
		}
		return
	}
	if !anyGroup {
		e.DNSSubdomain(p.Child("apiGroup"), *group)
	}
}

// AccessModes checks in what ways a volume may be used.
func AccessModes(e *check.Errors, p *field.Path, modes []corev1.PersistentVolumeAccessMode) {
	alone, shared := false, false
	for _, m := range modes {
		before := len(e.List)
		check.OneOf(e, p, m, corev1.ReadOnlyMany, corev1.ReadWriteMany, corev1.ReadWriteOnce, corev1.ReadWriteOncePod)
		if m == corev1.ReadWriteOncePod {
			alone = true
		} else if len(e.List) == before {
			shared = true
		}
	}
	if alone && shared {
		e.Forbidden(p, "may not use ReadWriteOncePod with other access modes")
	}
}
