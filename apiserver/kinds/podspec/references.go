package podspec

import (
	"iter"

	corev1 "k8s.io/api/core/v1"
)

// Secrets are the names of the secrets that a pod refers to itself, some of
// them more than once. Those that its claims lead to are not among them.
func Secrets(pod *corev1.Pod) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, ref := range pod.Spec.ImagePullSecrets {
			if ref.Name != "" && !yield(ref.Name) {
				return
			}
		}
		for env := range Environments(&pod.Spec) {
			if env.Secret != "" && !yield(env.Secret) {
				return
			}
		}
		for i := range pod.Spec.Volumes {
			for name := range volumeSecrets(&pod.Spec.Volumes[i].VolumeSource) {
				if name != "" && !yield(name) {
					return
				}
			}
		}
	}
}

// ConfigMaps is Secrets for config maps.
func ConfigMaps(pod *corev1.Pod) iter.Seq[string] {
	return func(yield func(string) bool) {
		for env := range Environments(&pod.Spec) {
			if env.ConfigMap != "" && !yield(env.ConfigMap) {
				return
			}
		}
		for i := range pod.Spec.Volumes {
			v := &pod.Spec.Volumes[i].VolumeSource
			if v.ConfigMap != nil && v.ConfigMap.Name != "" && !yield(v.ConfigMap.Name) {
				return
			}
			if v.Projected == nil {
				continue
			}
			for _, s := range v.Projected.Sources {
				if s.ConfigMap != nil && s.ConfigMap.Name != "" && !yield(s.ConfigMap.Name) {
					return
				}
			}
		}
	}
}

// volumeSecrets are those of one volume; names may be empty.
func volumeSecrets(v *corev1.VolumeSource) iter.Seq[string] {
	local := func(ref *corev1.LocalObjectReference) iter.Seq[string] {
		return func(yield func(string) bool) {
			if ref != nil {
				yield(ref.Name)
			}
		}
	}
	switch {
	case v.Secret != nil:
		return local(&corev1.LocalObjectReference{Name: v.Secret.SecretName})
	case v.AzureFile != nil:
		return local(&corev1.LocalObjectReference{Name: v.AzureFile.SecretName})
	case v.CephFS != nil:
		return local(v.CephFS.SecretRef)
	case v.Cinder != nil:
		return local(v.Cinder.SecretRef)
	case v.FlexVolume != nil:
		return local(v.FlexVolume.SecretRef)
	case v.RBD != nil:
		return local(v.RBD.SecretRef)
	case v.ScaleIO != nil:
		return local(v.ScaleIO.SecretRef)
	case v.ISCSI != nil:
		return local(v.ISCSI.SecretRef)
	case v.StorageOS != nil:
		return local(v.StorageOS.SecretRef)
	case v.CSI != nil:
		return local(v.CSI.NodePublishSecretRef)
	case v.Projected != nil:
		return func(yield func(string) bool) {
			for _, s := range v.Projected.Sources {
				if s.Secret != nil && !yield(s.Secret.Name) {
					return
				}
			}
		}
	}
	return local(nil)
}

// EnvReference is one place where a container takes its environment from.
type EnvReference struct {
	// Kind of the container: "init container", "container" or "ephemeral
	// container".
	Kind, Container string
	// Variable is the name of the one that is taken; empty for all.
	Variable string
	// Secret and ConfigMap are names, of which one is set.
	Secret, ConfigMap string
}

// Environments are the references of all containers: init containers first,
// then containers, then ephemeral ones.
func Environments(spec *corev1.PodSpec) iter.Seq[EnvReference] {
	return func(yield func(EnvReference) bool) {
		one := func(kind, name string, env []corev1.EnvVar, from []corev1.EnvFromSource) bool {
			for _, e := range env {
				switch {
				case e.ValueFrom == nil:
				case e.ValueFrom.SecretKeyRef != nil:
					if !yield(EnvReference{kind, name, e.Name, e.ValueFrom.SecretKeyRef.Name, ""}) {
						return false
					}
				case e.ValueFrom.ConfigMapKeyRef != nil:
					if !yield(EnvReference{kind, name, e.Name, "", e.ValueFrom.ConfigMapKeyRef.Name}) {
						return false
					}
				}
			}
			for _, f := range from {
				if f.SecretRef != nil && !yield(EnvReference{kind, name, "", f.SecretRef.Name, ""}) {
					return false
				}
				if f.ConfigMapRef != nil && !yield(EnvReference{kind, name, "", "", f.ConfigMapRef.Name}) {
					return false
				}
			}
			return true
		}
		for i := range spec.InitContainers {
			if c := &spec.InitContainers[i]; !one("init container", c.Name, c.Env, c.EnvFrom) {
				return
			}
		}
		for i := range spec.Containers {
			if c := &spec.Containers[i]; !one("container", c.Name, c.Env, c.EnvFrom) {
				return
			}
		}
		for i := range spec.EphemeralContainers {
			if c := &spec.EphemeralContainers[i].EphemeralContainerCommon; !one("ephemeral container", c.Name, c.Env, c.EnvFrom) {
				return
			}
		}
	}
}
