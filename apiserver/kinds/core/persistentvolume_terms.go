package core

import (
	corev1 "k8s.io/api/core/v1"
)

// VolumeOfClaim and VolumeWithSecret are what persistent volumes are found by:
// the claim that they are for, and the secrets that kubelets need to mount
// them.
func VolumeOfClaim(namespace, name string) string { return "claim " + namespace + "/" + name }

// VolumeWithSecret is the term of a secret, see VolumeOfClaim.
func VolumeWithSecret(namespace, name string) string { return "secret " + namespace + "/" + name }

func volumeTerms(pv *corev1.PersistentVolume) []string {
	claim := pv.Spec.ClaimRef
	if claim == nil {
		return nil
	}
	terms := []string{VolumeOfClaim(claim.Namespace, claim.Name)}
	add := func(namespace, name string) {
		if namespace == "" {
			namespace = claim.Namespace
		}
		if name != "" {
			terms = append(terms, VolumeWithSecret(namespace, name))
		}
	}
	s := &pv.Spec.PersistentVolumeSource
	if f := s.AzureFile; f != nil {
		namespace := ""
		if f.SecretNamespace != nil {
			namespace = *f.SecretNamespace
		}
		add(namespace, f.SecretName)
	}
	for _, ref := range volumeSecrets(s) {
		if ref != nil {
			add(ref.Namespace, ref.Name)
		}
	}
	if s.StorageOS != nil && s.StorageOS.SecretRef != nil {
		add(s.StorageOS.SecretRef.Namespace, s.StorageOS.SecretRef.Name)
	}
	return terms
}

// volumeSecrets are references that kubelets follow; some may be nil.
func volumeSecrets(s *corev1.PersistentVolumeSource) []*corev1.SecretReference {
	switch {
	case s.CephFS != nil:
		return []*corev1.SecretReference{s.CephFS.SecretRef}
	case s.Cinder != nil:
		return []*corev1.SecretReference{s.Cinder.SecretRef}
	case s.FlexVolume != nil:
		return []*corev1.SecretReference{s.FlexVolume.SecretRef}
	case s.RBD != nil:
		return []*corev1.SecretReference{s.RBD.SecretRef}
	case s.ScaleIO != nil:
		return []*corev1.SecretReference{s.ScaleIO.SecretRef}
	case s.ISCSI != nil:
		return []*corev1.SecretReference{s.ISCSI.SecretRef}
	case s.CSI != nil:
		return []*corev1.SecretReference{s.CSI.NodePublishSecretRef, s.CSI.NodeStageSecretRef, s.CSI.NodeExpandSecretRef}
	}
	return nil
}
