// Package qos tells the quality of service class of pods.
package qos

import (
	corev1 "k8s.io/api/core/v1"
	resourcehelper "k8s.io/component-helpers/resource"
)

// Of is the quality of service class that follows from the resources of a pod.
func Of(spec *corev1.PodSpec) corev1.PodQOSClass {
	requests, limits := corev1.ResourceList{}, corev1.ResourceList{}
	guaranteed := true
	count := func(r *corev1.ResourceRequirements) {
		sum(requests, r.Requests)
		limited := sum(limits, r.Limits)
		guaranteed = guaranteed && limited == 2
	}
	if wholePod(spec.Resources) {
		count(spec.Resources)
	} else {
		for i := range spec.InitContainers {
			count(&spec.InitContainers[i].Resources)
		}
		for i := range spec.Containers {
			count(&spec.Containers[i].Resources)
		}
	}
	if len(requests) == 0 && len(limits) == 0 {
		return corev1.PodQOSBestEffort
	}
	for name, q := range requests {
		if limit, ok := limits[name]; !ok || limit.Cmp(q) != 0 {
			guaranteed = false
		}
	}
	if guaranteed && len(requests) == len(limits) {
		return corev1.PodQOSGuaranteed
	}
	return corev1.PodQOSBurstable
}

// sum adds CPU and memory above zero and counts which of them there are.
func sum(to, list corev1.ResourceList) (found int) {
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		if q, ok := list[name]; ok && q.Sign() > 0 {
			found++
			total := to[name]
			total.Add(q)
			to[name] = total
		}
	}
	return found
}

// wholePod reports whether r says something about a pod as a whole.
func wholePod(r *corev1.ResourceRequirements) bool {
	if r == nil {
		return false
	}
	for _, list := range []corev1.ResourceList{r.Requests, r.Limits} {
		for name := range list {
			if resourcehelper.IsSupportedPodLevelResource(name) {
				return true
			}
		}
	}
	return false
}
