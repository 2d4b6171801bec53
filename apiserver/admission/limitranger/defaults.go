package limitranger

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// annotation tells what was filled in.
const annotation = "kubernetes.io/limit-ranger"

// complete fills in what the containers of a pod leave out and the range has a
// default for.
func complete(pod *corev1.Pod, r *corev1.LimitRange) {
	requests, limits := corev1.ResourceList{}, corev1.ResourceList{}
	for i := range r.Spec.Limits {
		if limit := &r.Spec.Limits[i]; limit.Type == corev1.LimitTypeContainer {
			for name, q := range limit.DefaultRequest {
				requests[name] = q
			}
			for name, q := range limit.Default {
				limits[name] = q
			}
		}
	}
	var done []string
	each := func(what string, containers []corev1.Container) {
		for i := range containers {
			c := &containers[i]
			if added := fill(&c.Resources.Requests, requests); len(added) > 0 {
				done = append(done, fmt.Sprintf("%s request for %s %s", strings.Join(added, ", "), what, c.Name))
			}
			if added := fill(&c.Resources.Limits, limits); len(added) > 0 {
				done = append(done, fmt.Sprintf("%s limit for %s %s", strings.Join(added, ", "), what, c.Name))
			}
		}
	}
	each("container", pod.Spec.Containers)
	each("init container", pod.Spec.InitContainers)
	if len(done) > 0 {
		if pod.Annotations == nil {
			pod.Annotations = map[string]string{}
		}
		pod.Annotations[annotation] = "LimitRanger plugin set: " + strings.Join(done, "; ")
	}
}

// fill adds to have what it lacks of defaults, and returns the names in order.
func fill(have *corev1.ResourceList, defaults corev1.ResourceList) (added []string) {
	for name, q := range defaults {
		if _, has := (*have)[name]; has {
			continue
		}
		if *have == nil {
			*have = corev1.ResourceList{}
		}
		(*have)[name] = q.DeepCopy()
		added = append(added, string(name))
	}
	slices.Sort(added)
	return added
}

// totals is what a pod as a whole asks for: its containers together, or what
// its init containers need one after the other if that is more; and what the
// pod says itself, where it does.
func totals(pod *corev1.Pod, of func(*corev1.ResourceRequirements) corev1.ResourceList) corev1.ResourceList {
	sum, sidecars, most := corev1.ResourceList{}, corev1.ResourceList{}, corev1.ResourceList{}
	for i := range pod.Spec.Containers {
		add(sum, of(&pod.Spec.Containers[i].Resources))
	}
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		own := of(&c.Resources)
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			add(sum, own)
			add(sidecars, own)
			raise(most, sidecars)
			continue
		}
		together := corev1.ResourceList{}
		add(together, own)
		add(together, sidecars)
		raise(most, together)
	}
	raise(sum, most)
	if pod.Spec.Resources != nil {
		for name, q := range of(pod.Spec.Resources) {
			if name == corev1.ResourceCPU || name == corev1.ResourceMemory {
				sum[name] = q
			}
		}
	}
	return sum
}

func add(to, what corev1.ResourceList) {
	for name, q := range what {
		sum := q.DeepCopy()
		sum.Add(to[name])
		to[name] = sum
	}
}

func raise(to, what corev1.ResourceList) {
	for name, q := range what {
		if have, ok := to[name]; !ok || q.Cmp(have) > 0 {
			to[name] = q.DeepCopy()
		}
	}
}
