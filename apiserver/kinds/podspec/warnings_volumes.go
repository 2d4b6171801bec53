package podspec

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// OldNodeLabel is what there is to say about a node label that has had its
// day; empty for all others.
func OldNodeLabel(key string) string {
	switch key {
	case "beta.kubernetes.io/arch":
		return `deprecated since v1.14; use "kubernetes.io/arch" instead`
	case "beta.kubernetes.io/os":
		return `deprecated since v1.14; use "kubernetes.io/os" instead`
	case "beta.kubernetes.io/instance-type":
		return `deprecated since v1.17; use "node.kubernetes.io/instance-type" instead`
	case "failure-domain.beta.kubernetes.io/region":
		return `deprecated since v1.17; use "topology.kubernetes.io/region" instead`
	case "failure-domain.beta.kubernetes.io/zone":
		return `deprecated since v1.17; use "topology.kubernetes.io/zone" instead`
	case "app.kubernetes.io/created-by":
		return "deprecated since v1.9"
	case "scheduler.alpha.kubernetes.io/preferAvoidPods":
		return "deprecated since v1.22; use Taints and Tolerations instead"
	case "node-role.kubernetes.io/master":
		return `use "node-role.kubernetes.io/control-plane" instead`
	}
	return ""
}

// nodeSelector mentions old node labels in the terms of a selector, which may
// be nil.
func (w *warnings) nodeSelector(p *field.Path, s *corev1.NodeSelector) {
	if s == nil {
		return
	}
	for i, t := range s.NodeSelectorTerms {
		w.nodeTerm(p.Child("nodeSelectorTerms").Index(i), t, false)
	}
}

// nodeTerm mentions old node labels, and values that no label has if values
// is set.
func (w *warnings) nodeTerm(p *field.Path, t corev1.NodeSelectorTerm, values bool) {
	for i, x := range t.MatchExpressions {
		at := p.Child("matchExpressions").Index(i)
		if msg := OldNodeLabel(x.Key); msg != "" {
			w.say(at.Child("key"), "%s is %s", x.Key, msg)
		}
		if !values {
			continue
		}
		for j, v := range x.Values {
			for _, msg := range validation.IsValidLabelValue(v) {
				w.say(at.Child("values").Index(j), "%s is invalid, %s", v, msg)
			}
		}
	}
}

// PersistentVolumeWarnings are what is worth mentioning about a volume.
func PersistentVolumeWarnings(pv *corev1.PersistentVolume) []string {
	w, spec := &warnings{}, field.NewPath("spec")
	w.annotations(field.NewPath("metadata", "annotations"), pv.Annotations, [][2]string{
		{corev1.BetaStorageClassAnnotation, classMoved},
		{corev1.MountOptionAnnotation, `deprecated since v1.31; use "mountOptions" attribute instead`},
	})
	if pv.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimRecycle {
		w.say(spec.Child("persistentVolumeReclaimPolicy"), "The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.")
	}
	if a := pv.Spec.NodeAffinity; a != nil {
		w.nodeSelector(spec.Child("nodeAffinity", "required"), a.Required)
	}
	w.sources(spec, []oldSource{
		{"cephfs", pv.Spec.CephFS != nil, "deprecated in v1.28, non-functional in v1.31+"},
		{"photonPersistentDisk", pv.Spec.PhotonPersistentDisk != nil, "deprecated in v1.11, non-functional in v1.16+"},
		{"scaleIO", pv.Spec.ScaleIO != nil, "deprecated in v1.16, non-functional in v1.22+"},
		{"storageOS", pv.Spec.StorageOS != nil, "deprecated in v1.22, non-functional in v1.25+"},
		{"glusterfs", pv.Spec.Glusterfs != nil, "deprecated in v1.25, non-functional in v1.26+"},
		{"rbd", pv.Spec.RBD != nil, "deprecated in v1.28, non-functional in v1.31+"},
	})
	return w.list
}

const classMoved = `deprecated since v1.8; use "storageClassName" attribute instead`

// PersistentVolumeClaimWarnings are what is worth mentioning about a claim.
func PersistentVolumeClaimWarnings(pvc *corev1.PersistentVolumeClaim) []string {
	w := &warnings{}
	w.annotations(field.NewPath("metadata", "annotations"), pvc.Annotations, [][2]string{{corev1.BetaStorageClassAnnotation, classMoved}})
	w.claim(field.NewPath("spec"), &pvc.Spec)
	return w.list
}

// ClaimWarnings are what is worth mentioning about what a claim at p asks for.
func ClaimWarnings(p *field.Path, s *corev1.PersistentVolumeClaimSpec) []string {
	w := &warnings{}
	w.claim(p, s)
	return w.list
}

func (w *warnings) claim(p *field.Path, s *corev1.PersistentVolumeClaimSpec) {
	w.fraction(p.Child("resources", "requests"), s.Resources.Requests, corev1.ResourceStorage)
	w.fraction(p.Child("resources", "limits"), s.Resources.Limits, corev1.ResourceStorage)
}

// file is a file in a volume, and what it is from if the volume has more than
// one source.
type file struct{ path, from string }

func (f file) String() string {
	if f.from == "" {
		return fmt.Sprintf("%q", f.path)
	}
	return fmt.Sprintf("%q (%s)", f.path, f.from)
}

// overlaps mentions files of a volume that hide one another, or that would
// have to be a directory at once.
func (w *warnings) overlaps(volumes []corev1.Volume) {
	for _, v := range volumes {
		if s := v.ConfigMap; s != nil {
			w.overlap(v.Name, fmt.Sprintf("ConfigMap %q", s.Name), nil, pathsOf(s.Items, ""))
		}
		if s := v.Secret; s != nil {
			w.overlap(v.Name, fmt.Sprintf("Secret %q", s.SecretName), nil, pathsOf(s.Items, ""))
		}
		if s := v.DownwardAPI; s != nil {
			w.overlap(v.Name, "DownwardAPI", nil, downwardPaths(s.Items, ""))
		}
		if v.Projected == nil {
			continue
		}
		var all []file
		for i := range v.Projected.Sources {
			s := &v.Projected.Sources[i]
			if *s == (corev1.VolumeProjection{}) {
				w.list = append(w.list, fmt.Sprintf("volume %q (Projected) has no sources provided", v.Name))
				continue
			}
			all = w.overlap(v.Name, "Projected", all, projectedPaths(s))
		}
	}
}

// overlap mentions which of the files added overlap with others of the volume,
// and returns all.
func (w *warnings) overlap(volume, desc string, all, added []file) []file {
	for _, f := range added {
		f.path = strings.TrimRight(f.path, "/")
		for _, other := range all {
			if f.path == "" || other.path == "" {
				continue
			}
			if strings.HasPrefix(other.path+"/", f.path+"/") || strings.HasPrefix(f.path+"/", other.path+"/") {
				w.list = append(w.list, fmt.Sprintf("volume %q (%s): overlapping paths: %s with %s", volume, desc, f, other))
			}
		}
		all = append(all, f)
	}
	return all
}

func pathsOf(items []corev1.KeyToPath, from string) (files []file) {
	for _, x := range items {
		files = append(files, file{x.Path, from})
	}
	return files
}

func downwardPaths(items []corev1.DownwardAPIVolumeFile, from string) (files []file) {
	for _, x := range items {
		files = append(files, file{x.Path, from})
	}
	return files
}

func projectedPaths(s *corev1.VolumeProjection) []file {
	switch {
	case s.ConfigMap != nil && s.ConfigMap.Items != nil:
		return pathsOf(s.ConfigMap.Items, fmt.Sprintf("ConfigMap %q", s.ConfigMap.Name))
	case s.Secret != nil && s.Secret.Items != nil:
		return pathsOf(s.Secret.Items, fmt.Sprintf("Secret %q", s.Secret.Name))
	case s.DownwardAPI != nil && s.DownwardAPI.Items != nil:
		return downwardPaths(s.DownwardAPI.Items, "DownwardAPI")
	case s.ServiceAccountToken != nil:
		return []file{{s.ServiceAccountToken.Path, "ServiceAccountToken"}}
	case s.ClusterTrustBundle != nil:
		name := s.ClusterTrustBundle.Name
		if name == nil {
			name = s.ClusterTrustBundle.SignerName
		}
		if name == nil {
			return nil
		}
		return []file{{s.ClusterTrustBundle.Path, fmt.Sprintf("ClusterTrustBundle %q", *name)}}
	case s.PodCertificate != nil:
		var files []file
		for _, f := range []file{
			{s.PodCertificate.CertificateChainPath, "PodCertificate chain"},
			{s.PodCertificate.KeyPath, "PodCertificate key"},
			{s.PodCertificate.CredentialBundlePath, "PodCertificate credential bundle"},
		} {
			if f.path != "" {
				files = append(files, f)
			}
		}
		return files
	}
	return nil
}
