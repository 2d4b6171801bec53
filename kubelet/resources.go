package kubelet

import (
	"strings"

	"github.com/keelson-project/keelson/internal/qos"

	corev1 "k8s.io/api/core/v1"
	helpers "k8s.io/component-helpers/resource"

	"github.com/keelson-project/keelson/kubelet/cgroup"
)

// containerResources are the limits of a container in the kernel's terms.
// capacity is the node's memory in bytes.
func containerResources(pod *corev1.Pod, c *corev1.Container, capacity int64) Resources {
	requests, limits := c.Resources.Requests, c.Resources.Limits
	cpuRequest, hasRequest := requests[corev1.ResourceCPU]
	cpuLimit := limits[corev1.ResourceCPU]
	if !hasRequest && !cpuLimit.IsZero() {
		cpuRequest = cpuLimit
	}
	memory := limits[corev1.ResourceMemory]
	r := Resources{
		CPUShares:   cgroup.Shares(cpuRequest.MilliValue()),
		CPUQuota:    cgroup.Quota(cpuLimit.MilliValue()),
		CPUPeriod:   cgroup.Period,
		MemoryLimit: memory.Value(),
		OOMScoreAdj: oomScoreAdj(pod, c, capacity),
	}
	for name, quantity := range limits {
		if size, ok := strings.CutPrefix(string(name), corev1.ResourceHugePagesPrefix); ok {
			if r.HugepageLimits == nil {
				r.HugepageLimits = make(map[string]uint64)
			}
			r.HugepageLimits[strings.TrimSuffix(size, "i")+"B"] = uint64(quantity.Value())
		}
	}
	return r
}

// oomScoreAdj says how willingly the kernel kills a container when memory runs
// out: guaranteed ones last, those without requests first, and between them
// the more a container asked for the later.
func oomScoreAdj(pod *corev1.Pod, c *corev1.Container, capacity int64) int {
	if pod.Spec.Priority != nil && *pod.Spec.Priority >= 2_000_000_000 {
		return -997 // critical for the node
	}
	switch qos.Of(&pod.Spec) {
	case corev1.PodQOSGuaranteed:
		return -997
	case corev1.PodQOSBestEffort:
		return 1000
	}
	if capacity <= 0 {
		return 999
	}
	request := c.Resources.Requests[corev1.ResourceMemory]
	adjust := 1000 - 1000*request.Value()/capacity
	return int(min(max(adjust, 3), 999))
}

// podCgroup is the cgroup of a pod and its limits.
func podCgroup(pod *corev1.Pod) cgroup.Pod {
	class := pod.Status.QOSClass
	if class == "" {
		class = qos.Of(&pod.Spec)
	}
	p := cgroup.Pod{UID: string(pod.UID), Class: strings.ToLower(string(class))}
	requests := helpers.PodRequests(pod, helpers.PodResourcesOptions{})
	limits := helpers.PodLimits(pod, helpers.PodResourcesOptions{})
	p.Shares = cgroup.Shares(requests.Cpu().MilliValue())
	if class == corev1.PodQOSBestEffort {
		p.Shares = cgroup.MinShares
		return p
	}
	cpuLimited, memoryLimited := pod.Spec.Resources != nil, pod.Spec.Resources != nil
	if pod.Spec.Resources == nil {
		cpuLimited, memoryLimited = true, true
		eachContainer(pod, func(c *corev1.Container) {
			if hasEphemeral(pod, c.Name) {
				return
			}
			cpu, memory := c.Resources.Limits[corev1.ResourceCPU], c.Resources.Limits[corev1.ResourceMemory]
			cpuLimited = cpuLimited && !cpu.IsZero()
			memoryLimited = memoryLimited && !memory.IsZero()
		})
	}
	if cpuLimited {
		p.Quota = cgroup.Quota(limits.Cpu().MilliValue())
	}
	if memoryLimited {
		p.Memory = limits.Memory().Value()
	}
	return p
}
