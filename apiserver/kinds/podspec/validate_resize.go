package podspec

import (
	"slices"

	"github.com/keelson-project/keelson/internal/qos"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

// ValidateResize returns what is wrong with a change of the resources that a
// pod and its containers have.
func ValidateResize(pod, old *corev1.Pod) field.ErrorList {
	if _, mirror := old.Annotations[corev1.MirrorPodAnnotationKey]; mirror {
		return field.ErrorList{field.Forbidden(field.NewPath(""), "static pods cannot be resized")}
	}
	if old.Spec.OS != nil && old.Spec.OS.Name == corev1.Windows {
		return field.ErrorList{field.Forbidden(field.NewPath(""), "windows pods cannot be resized")}
	}
	e, p := &check.Errors{List: Validate(pod)}, field.NewPath("spec")
	before := old.Status.QOSClass
	if before == "" {
		before = qos.Of(&old.Spec)
	}
	if before != qos.Of(&pod.Spec) {
		e.Invalid(p, pod.Status.QOSClass, "Pod QOS Class may not change as a result of resizing")
	}
	if !mayResize(&old.Status) {
		e.Forbidden(p, "Pod running on node without support for resize")
	}
	rest := pod.Spec.DeepCopy()
	if hasResources(&old.Spec) || hasResources(&pod.Spec) {
		resizedPod(e, p, rest, &pod.Spec, &old.Spec)
	}
	if sameNames(e, p, &pod.Spec, &old.Spec) {
		resizedContainers(e, p, rest, &pod.Spec, &old.Spec)
	} else {
		return e.List
	}
	if !equality.Semantic.DeepEqual(pod.Spec.Volumes, old.Spec.Volumes) {
		e.Forbidden(p.Child("volumes"), "volumes are immutable on resize when InPlacePodVerticalScalingMemoryBackedVolumes feature gate is disabled")
	}
	if len(e.List) == 0 && !equality.Semantic.DeepEqual(rest, &old.Spec) {
		e.Forbidden(p, onlyCPUAndMemory)
	}
	return e.List
}

const onlyCPUAndMemory = "only cpu and memory resources are mutable"

// mayResize reports whether the node of a pod can resize it, as far as the
// status tells.
func mayResize(s *corev1.PodStatus) bool {
	i := slices.IndexFunc(s.ContainerStatuses, func(c corev1.ContainerStatus) bool { return c.State.Running != nil })
	return i < 0 || s.ContainerStatuses[i].Resources != nil
}

func hasResources(s *corev1.PodSpec) bool {
	return s.Resources != nil && len(s.Resources.Requests)+len(s.Resources.Limits) > 0
}

// resizedPod checks the resources of the pod as a whole, and takes back in
// rest what may change of them.
func resizedPod(e *check.Errors, p *field.Path, rest, now, old *corev1.PodSpec) {
	if old.Resources != nil {
		at := p.Child("resources")
		if now.Resources == nil {
			e.Forbidden(at, "pod-level resources cannot be removed")
			return
		}
		if removed(now.Resources.Requests, old.Resources.Requests) {
			e.Forbidden(at.Child("requests"), "pod-level resource requests cannot be removed")
		}
		if removed(now.Resources.Limits, old.Resources.Limits) {
			e.Forbidden(at.Child("limits"), "pod-level resource limits cannot be removed")
		}
	}
	if r := rest.Resources; r != nil {
		was := corev1.ResourceRequirements{}
		if old.Resources != nil {
			was = *old.Resources
		}
		r.Requests, r.Limits = withoutCompute(r.Requests, was.Requests), withoutCompute(r.Limits, was.Limits)
		if old.Resources == nil && len(r.Requests)+len(r.Limits)+len(r.Claims) == 0 {
			rest.Resources = nil
		}
	}
	if !equality.Semantic.DeepEqual(rest.Resources, old.Resources) {
		e.Forbidden(p, onlyCPUAndMemory+" at pod-level")
	}
}

// sameNames refuses containers that have come, gone, moved or been renamed.
func sameNames(e *check.Errors, p *field.Path, now, old *corev1.PodSpec) bool {
	same := true
	for _, x := range []struct {
		what     string
		now, old []corev1.Container
	}{{"containers", now.Containers, old.Containers}, {"initContainers", now.InitContainers, old.InitContainers}} {
		if len(x.now) != len(x.old) {
			same = false
			e.Forbidden(p.Child(x.what), x.what+" may not be added or removed on resize")
			continue
		}
		for i := range x.old {
			if x.now[i].Name != x.old[i].Name {
				same = false
				e.Forbidden(p.Child(x.what).Index(i).Child("name"), x.what+" may not be renamed or reordered on resize")
			}
		}
	}
	return same
}

// resizedContainers checks the resources of the containers, and takes back in
// rest what may change of them.
func resizedContainers(e *check.Errors, p *field.Path, rest, now, old *corev1.PodSpec) {
	keep := func(at *field.Path, r, was *corev1.ResourceRequirements) {
		if removed(r.Requests, was.Requests) {
			e.Forbidden(at.Child("resources", "requests"), "resource requests cannot be removed")
		}
		if removed(r.Limits, was.Limits) {
			e.Forbidden(at.Child("resources", "limits"), "resource limits cannot be removed")
		}
	}
	for i := range old.InitContainers {
		keep(p.Child("initContainers").Index(i), &now.InitContainers[i].Resources, &old.InitContainers[i].Resources)
	}
	for i := range old.Containers {
		keep(p.Child("containers").Index(i), &now.Containers[i].Resources, &old.Containers[i].Resources)
	}
	takeBack := func(c *corev1.Container, was *corev1.ResourceRequirements) {
		c.Resources.Limits = withoutCompute(c.Resources.Limits, was.Limits)
		c.Resources.Requests = withoutCompute(c.Resources.Requests, was.Requests)
	}
	for i := range rest.Containers {
		takeBack(&rest.Containers[i], &old.Containers[i].Resources)
		if !equality.Semantic.DeepEqual(rest.Containers[i], old.Containers[i]) {
			e.Forbidden(p, onlyCPUAndMemory)
		}
	}
	for i := range rest.InitContainers {
		c, was, at := &rest.InitContainers[i], &old.InitContainers[i], p.Child("initContainers").Index(i)
		changed := !equality.Semantic.DeepEqual(c, was)
		takeBack(c, &was.Resources)
		if !equality.Semantic.DeepEqual(c, was) {
			e.Forbidden(at, "only cpu and memory resources for init or sidecar containers are mutable")
		}
		if !changed || isSidecar(c) {
			continue
		}
		for _, r := range c.ResizePolicy {
			if r.RestartPolicy == corev1.RestartContainer {
				e.Forbidden(at, "non-sidecar init containers with a resize policy of RestartContainer cannot be resized")
			}
		}
	}
}

func removed(now, old corev1.ResourceList) bool {
	for name := range old {
		if _, ok := now[name]; !ok {
			return true
		}
	}
	return false
}

// withoutCompute returns a list with the CPU and memory of another.
func withoutCompute(list, old corev1.ResourceList) corev1.ResourceList {
	if list == nil && old == nil {
		return nil
	}
	out := corev1.ResourceList{}
	for name, q := range list {
		if name != corev1.ResourceCPU && name != corev1.ResourceMemory {
			out[name] = q
		}
	}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		if q, ok := old[name]; ok {
			out[name] = q
		}
	}
	return out
}
