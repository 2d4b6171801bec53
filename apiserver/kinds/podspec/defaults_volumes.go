package podspec

import (
	corev1 "k8s.io/api/core/v1"
)

func defaultVolume(v *corev1.Volume) {
	src := &v.VolumeSource
	if *src == (corev1.VolumeSource{}) {
		src.EmptyDir = &corev1.EmptyDirVolumeSource{}
		return
	}
	if src.Image != nil {
		or(&src.Image.PullPolicy, PullPolicy(src.Image.Reference))
	}
	DefaultHostPath(src.HostPath)
	DefaultAzureDisk(src.AzureDisk)
	if s := src.Secret; s != nil {
		set(&s.DefaultMode, corev1.SecretVolumeSourceDefaultMode)
	}
	if s := src.ConfigMap; s != nil {
		set(&s.DefaultMode, corev1.ConfigMapVolumeSourceDefaultMode)
	}
	if s := src.DownwardAPI; s != nil {
		set(&s.DefaultMode, corev1.DownwardAPIVolumeSourceDefaultMode)
		defaultDownward(s.Items)
	}
	if s := src.Projected; s != nil {
		set(&s.DefaultMode, corev1.ProjectedVolumeSourceDefaultMode)
		for i := range s.Sources {
			if d := s.Sources[i].DownwardAPI; d != nil {
				defaultDownward(d.Items)
			}
			if token := s.Sources[i].ServiceAccountToken; token != nil {
				set(&token.ExpirationSeconds, 60*60)
			}
		}
	}
	if s := src.ISCSI; s != nil {
		or(&s.ISCSIInterface, "default")
	}
	if s := src.RBD; s != nil {
		DefaultRBD(&s.RBDPool, &s.RadosUser, &s.Keyring)
	}
	if s := src.ScaleIO; s != nil {
		or(&s.StorageMode, "ThinProvisioned")
		or(&s.FSType, "xfs")
	}
	if s := src.Ephemeral; s != nil && s.VolumeClaimTemplate != nil {
		DefaultClaim(&s.VolumeClaimTemplate.Spec)
	}
}

func defaultDownward(items []corev1.DownwardAPIVolumeFile) {
	for i := range items {
		defaultFieldRef(items[i].FieldRef)
	}
}

// DefaultHostPath fills in the type of a host path; s may be nil.
func DefaultHostPath(s *corev1.HostPathVolumeSource) {
	if s != nil {
		set(&s.Type, corev1.HostPathUnset)
	}
}

// DefaultAzureDisk fills in an Azure disk; s may be nil.
func DefaultAzureDisk(s *corev1.AzureDiskVolumeSource) {
	if s != nil {
		set(&s.CachingMode, corev1.AzureDataDiskCachingReadWrite)
		set(&s.FSType, "ext4")
		set(&s.ReadOnly, false)
		set(&s.Kind, corev1.AzureSharedBlobDisk)
	}
}

// DefaultRBD fills in the fields that both forms of a Ceph block device have.
func DefaultRBD(pool, user, keyring *string) {
	or(pool, "rbd")
	or(user, "admin")
	or(keyring, "/etc/ceph/keyring")
}
