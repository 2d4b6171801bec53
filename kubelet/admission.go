package kubelet

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	helpers "k8s.io/component-helpers/resource"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

// admit takes a pod onto the node if it fits beside those that are there, or
// tells why it does not. A pod that has containers already is always taken.
func (k *Kubelet) admit(pod *corev1.Pod, sandboxes []Sandbox) *waitReason {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(sandboxes) == 0 {
		others := make([]*corev1.Pod, 0, len(k.admitted))
		for uid, other := range k.admitted {
			if uid != pod.UID {
				others = append(others, other)
			}
		}
		if why := admitPod(pod, others, k.node, k.machine.allocatable); why != nil {
			return why
		}
	}
	k.admitted[pod.UID] = pod
	return nil
}

// release forgets an admitted pod, whose resources are free again.
func (k *Kubelet) release(uid types.UID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.admitted, uid)
}

// admitPod decides whether a pod fits on a node beside others. node may be nil
// as long as it is not known.
func admitPod(pod *corev1.Pod, others []*corev1.Pod, node *corev1.Node, allocatable corev1.ResourceList) *waitReason {
	if node != nil {
		match, err := nodeaffinity.GetRequiredNodeAffinity(pod).Match(node)
		if err != nil || !match {
			return &waitReason{"NodeAffinity", "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"}
		}
		for i := range node.Spec.Taints {
			taint := &node.Spec.Taints[i]
			if taint.Effect == corev1.TaintEffectNoExecute && !tolerates(pod, taint) {
				return &waitReason{"TaintToleration", "Pod was rejected: Predicate TaintToleration failed: node(s) had taint that the pod didn't tolerate"}
			}
		}
	}
	used := make(corev1.ResourceList)
	ports := make(map[string]bool)
	for _, other := range others {
		add(used, helpers.PodRequests(other, helpers.PodResourcesOptions{}))
		eachHostPort(other, func(key string) { ports[key] = true })
	}
	clash := false
	eachHostPort(pod, func(key string) { clash = clash || ports[key] })
	if clash {
		return &waitReason{"NodePorts", "Pod was rejected: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"}
	}
	if limit, ok := allocatable[corev1.ResourcePods]; ok && int64(len(others))+1 > limit.Value() {
		return &waitReason{"OutOfpods", fmt.Sprintf(
			"Pod was rejected: Node didn't have enough resource: pods, requested: 1, used: %d, capacity: %d", len(others), limit.Value())}
	}
	for name, want := range helpers.PodRequests(pod, helpers.PodResourcesOptions{}) {
		have, ok := allocatable[name]
		if want.IsZero() || !ok && isLocal(name) {
			continue
		}
		sum := used[name]
		sum.Add(want)
		if sum.Cmp(have) > 0 {
			before := used[name]
			return &waitReason{"OutOf" + string(name), fmt.Sprintf(
				"Pod was rejected: Node didn't have enough resource: %s, requested: %d, used: %d, capacity: %d",
				name, amount(name, want), amount(name, before), amount(name, have))}
		}
	}
	return nil
}

// isLocal reports whether a resource is one that each node has, even if it is
// not measured.
func isLocal(name corev1.ResourceName) bool {
	return name == corev1.ResourceCPU || name == corev1.ResourceMemory || name == corev1.ResourceEphemeralStorage
}

// amount is a quantity in the unit that messages use.
func amount(name corev1.ResourceName, q resource.Quantity) int64 {
	if name == corev1.ResourceCPU {
		return q.MilliValue()
	}
	return q.Value()
}

func add(sum, list corev1.ResourceList) {
	for name, q := range list {
		total := sum[name]
		total.Add(q)
		sum[name] = total
	}
}

func tolerates(pod *corev1.Pod, taint *corev1.Taint) bool {
	for i := range pod.Spec.Tolerations {
		t := &pod.Spec.Tolerations[i]
		if t.Effect != "" && t.Effect != taint.Effect || t.Key != "" && t.Key != taint.Key {
			continue
		}
		if t.Operator == corev1.TolerationOpExists || t.Key != "" && t.Value == taint.Value && (t.Operator == "" || t.Operator == corev1.TolerationOpEqual) {
			return true
		}
	}
	return false
}

// eachHostPort calls f with a key for each port of the node that a pod takes.
func eachHostPort(pod *corev1.Pod, f func(key string)) {
	eachContainer(pod, func(c *corev1.Container) {
		for _, p := range c.Ports {
			if p.HostPort != 0 {
				f(fmt.Sprintf("%s/%d/%s", p.HostIP, p.HostPort, p.Protocol))
			}
		}
	})
}
