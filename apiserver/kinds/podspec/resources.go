package podspec

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelper "k8s.io/component-helpers/resource"
)

// DefaultPodResources completes the resources of the pod as a whole, where
// they are set, from those of its containers.
func DefaultPodResources(spec *corev1.PodSpec) {
	r := spec.Resources
	if r == nil || len(r.Requests) == 0 && len(r.Limits) == 0 {
		return
	}
	of := &corev1.Pod{Spec: corev1.PodSpec{Containers: spec.Containers, InitContainers: spec.InitContainers}}
	limits := resourcehelper.AggregateContainerLimits(of, resourcehelper.PodResourcesOptions{})
	for name, q := range limits {
		if _, requested := r.Requests[name]; isHugePages(name) && !requested {
			add(&r.Limits, name, q)
		}
	}
	for name, q := range resourcehelper.AggregateContainerRequests(of, resourcehelper.PodResourcesOptions{}) {
		if resourcehelper.IsSupportedPodLevelResource(name) && !isHugePages(name) {
			add(&r.Requests, name, q)
		}
	}
	for name, q := range r.Limits {
		if resourcehelper.IsSupportedPodLevelResource(name) {
			add(&r.Requests, name, q.DeepCopy())
		}
	}
	for name, request := range r.Requests {
		if _, limited := r.Limits[name]; limited || !resourcehelper.IsSupportedPodLevelResource(name) || !allLimit(spec, name) {
			continue
		}
		limit, ok := limits[name]
		if !ok {
			continue
		}
		if request.Cmp(limit) > 0 {
			limit = request
		}
		add(&r.Limits, name, limit)
	}
}

// allLimit reports whether every container limits a resource.
func allLimit(spec *corev1.PodSpec, name corev1.ResourceName) bool {
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			if _, ok := list[i].Resources.Limits[name]; !ok {
				return false
			}
		}
	}
	return true
}

// QOS is the quality of service class that follows from the resources of a
// pod.
func QOS(spec *corev1.PodSpec) corev1.PodQOSClass {
	requests, limits := corev1.ResourceList{}, corev1.ResourceList{}
	guaranteed := true
	count := func(r *corev1.ResourceRequirements) {
		sum(requests, r.Requests)
		limited := sum(limits, r.Limits)
		guaranteed = guaranteed && limited == 2
	}
	if spec.Resources != nil {
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

// add sets what a list does not say yet.
func add(list *corev1.ResourceList, name corev1.ResourceName, q resource.Quantity) {
	if *list == nil {
		*list = corev1.ResourceList{}
	}
	if _, ok := (*list)[name]; !ok {
		(*list)[name] = q
	}
}

func isHugePages(name corev1.ResourceName) bool {
	return strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix)
}
