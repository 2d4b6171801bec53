package podspec

import (
	corev1 "k8s.io/api/core/v1"
)

// Drop clears the fields of a pod specification that belong to features which
// are off by default, unless the old one, nil for a new object, uses them
// already; and the annotations that once held init containers.
func Drop(spec, old *corev1.PodSpec, annotations map[string]string) {
	for _, feature := range []func(*corev1.PodSpec, gated){
		schedulingGroups, evictionResponders, fileOwners, emptyDirModes, grpcModes, httpProtocols, stopSignals, bindOptions,
	} {
		dropUnused(spec, old, feature)
	}
	for _, key := range []string{"init-containers", "init-container-statuses"} {
		delete(annotations, "pod.beta.kubernetes.io/"+key)
		delete(annotations, "pod.alpha.kubernetes.io/"+key)
	}
}

// DropTemplate is Drop for a template; both may be nil.
func DropTemplate(t, old *corev1.PodTemplateSpec) {
	if t == nil {
		return
	}
	var spec *corev1.PodSpec
	if old != nil {
		spec = &old.Spec
	}
	Drop(&t.Spec, spec, t.Annotations)
}

// DropStatus is Drop for the status of a pod.
func DropStatus(status, old *corev1.PodStatus) {
	for _, feature := range []func(*corev1.PodStatus, gated){imageDigests, mappedClaims, volumeHealth} {
		dropUnused(status, old, feature)
	}
}

// gated is told of a field: whether it is set, and how to clear it.
type gated func(set bool, drop func())

func dropUnused[T any](obj, old *T, each func(*T, gated)) {
	if old != nil {
		used := false
		each(old, func(set bool, _ func()) { used = used || set })
		if used {
			return
		}
	}
	each(obj, func(set bool, drop func()) {
		if set {
			drop()
		}
	})
}

func pointer[T any](f gated, p **T) { f(*p != nil, func() { *p = nil }) }

func schedulingGroups(s *corev1.PodSpec, f gated) { pointer(f, &s.SchedulingGroup) }

func evictionResponders(s *corev1.PodSpec, f gated) {
	f(len(s.EvictionResponders) > 0, func() { s.EvictionResponders = nil })
}

// fileOwners are the users that files in volumes belong to. A volume or source
// that is of two kinds at once, which validation refuses, is looked at as the
// first of them.
func fileOwners(s *corev1.PodSpec, f gated) {
	paths := func(items []corev1.KeyToPath) {
		for i := range items {
			pointer(f, &items[i].User)
		}
	}
	files := func(items []corev1.DownwardAPIVolumeFile) {
		for i := range items {
			pointer(f, &items[i].User)
		}
	}
	for i := range s.Volumes {
		switch v := &s.Volumes[i]; {
		case v.Secret != nil:
			pointer(f, &v.Secret.DefaultUser)
			paths(v.Secret.Items)
		case v.ConfigMap != nil:
			pointer(f, &v.ConfigMap.DefaultUser)
			paths(v.ConfigMap.Items)
		case v.DownwardAPI != nil:
			pointer(f, &v.DownwardAPI.DefaultUser)
			files(v.DownwardAPI.Items)
		case v.Projected != nil:
			pointer(f, &v.Projected.DefaultUser)
			for j := range v.Projected.Sources {
				switch from := &v.Projected.Sources[j]; {
				case from.Secret != nil:
					paths(from.Secret.Items)
				case from.DownwardAPI != nil:
					files(from.DownwardAPI.Items)
				case from.ConfigMap != nil:
					paths(from.ConfigMap.Items)
				case from.ServiceAccountToken != nil:
					pointer(f, &from.ServiceAccountToken.User)
				case from.ClusterTrustBundle != nil:
					pointer(f, &from.ClusterTrustBundle.User)
				case from.PodCertificate != nil:
					pointer(f, &from.PodCertificate.User)
				}
			}
		}
	}
}

func emptyDirModes(s *corev1.PodSpec, f gated) {
	for i := range s.Volumes {
		if x := s.Volumes[i].EmptyDir; x != nil {
			pointer(f, &x.Mode)
		}
	}
}

// containers visits all containers of a pod.
func containers(s *corev1.PodSpec, visit func(*corev1.Container)) {
	for i := range s.InitContainers {
		visit(&s.InitContainers[i])
	}
	for i := range s.Containers {
		visit(&s.Containers[i])
	}
	for i := range s.EphemeralContainers {
		visit((*corev1.Container)(&s.EphemeralContainers[i].EphemeralContainerCommon))
	}
}

func grpcModes(s *corev1.PodSpec, f gated) {
	containers(s, func(c *corev1.Container) {
		for _, p := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
			if p != nil && p.GRPC != nil {
				pointer(f, &p.GRPC.Mode)
			}
		}
	})
}

func httpProtocols(s *corev1.PodSpec, f gated) {
	containers(s, func(c *corev1.Container) {
		for _, p := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
			if p != nil && p.HTTPGet != nil {
				pointer(f, &p.HTTPGet.Protocol)
			}
		}
		if c.Lifecycle == nil {
			return
		}
		for _, h := range []*corev1.LifecycleHandler{c.Lifecycle.PostStart, c.Lifecycle.PreStop} {
			if h != nil && h.HTTPGet != nil {
				pointer(f, &h.HTTPGet.Protocol)
			}
		}
	})
}

func stopSignals(s *corev1.PodSpec, f gated) {
	containers(s, func(c *corev1.Container) {
		if c.Lifecycle == nil {
			return
		}
		f(c.Lifecycle.StopSignal != nil, func() {
			if c.Lifecycle.StopSignal = nil; *c.Lifecycle == (corev1.Lifecycle{}) {
				c.Lifecycle = nil
			}
		})
	})
}

func bindOptions(s *corev1.PodSpec, f gated) {
	containers(s, func(c *corev1.Container) {
		for i := range c.VolumeMounts {
			m := &c.VolumeMounts[i]
			f(m.BindMountOptions != nil, func() { m.BindMountOptions = nil })
		}
	})
}

// imageDigests say which image is mounted as a volume.
func imageDigests(s *corev1.PodStatus, f gated) {
	for _, list := range [][]corev1.ContainerStatus{s.ContainerStatuses, s.InitContainerStatuses, s.EphemeralContainerStatuses} {
		for i := range list {
			for j := range list[i].VolumeMounts {
				m := &list[i].VolumeMounts[j]
				f(m.VolumeStatus != nil, func() { m.VolumeStatus = nil })
			}
		}
	}
}

func mappedClaims(s *corev1.PodStatus, f gated) {
	f(len(s.NodeAllocatableResourceClaimStatuses) > 0, func() { s.NodeAllocatableResourceClaimStatuses = nil })
}

func volumeHealth(s *corev1.PodStatus, f gated) {
	f(len(s.VolumeHealth) > 0, func() { s.VolumeHealth = nil })
}
