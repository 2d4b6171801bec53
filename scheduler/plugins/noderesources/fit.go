// Package noderesources places pods by what they request: [Fit] refuses nodes
// without room and favours empty ones, [BalancedAllocation] favours nodes whose
// resources fill up evenly.
package noderesources

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/keelson-project/keelson/scheduler/framework"
)

// Fit filters by every requested resource and by the number of pods, and
// scores by the share of CPU and memory left free.
type Fit struct{}

// Name implements framework.Plugin.
func (Fit) Name() string { return "NodeResourcesFit" }

// Filter implements framework.FilterPlugin.
func (Fit) Filter(cs *framework.CycleState, n *framework.NodeInfo) *framework.Status {
	want, have, used := &cs.Pod.Request, &n.Allocatable, &n.Requested
	if int64(len(n.Pods)) < have.AllowedPods &&
		(want.MilliCPU == 0 || want.MilliCPU <= have.MilliCPU-used.MilliCPU) &&
		(want.Memory == 0 || want.Memory <= have.Memory-used.Memory) &&
		(want.EphemeralStorage == 0 || want.EphemeralStorage <= have.EphemeralStorage-used.EphemeralStorage) &&
		len(want.Scalar) == 0 {
		return nil
	}
	return explain(want, n)
}

// explain lists every resource that is short. A request beyond all the node
// has cannot be met by removing pods.
func explain(want *framework.Resource, n *framework.NodeInfo) *framework.Status {
	var reasons []string
	code := framework.Unschedulable
	if int64(len(n.Pods))+1 > n.Allocatable.AllowedPods {
		reasons = append(reasons, "Too many pods")
	}
	check := func(name corev1.ResourceName) {
		w := want.Get(name)
		if w <= 0 || w <= n.Allocatable.Get(name)-n.Requested.Get(name) {
			return
		}
		reasons = append(reasons, "Insufficient "+string(name))
		if w > n.Allocatable.Get(name) {
			code = framework.UnschedulableAndUnresolvable
		}
	}
	check(corev1.ResourceCPU)
	check(corev1.ResourceMemory)
	check(corev1.ResourceEphemeralStorage)
	if len(want.Scalar) > 0 {
		names := make([]corev1.ResourceName, 0, len(want.Scalar))
		for name := range want.Scalar {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			check(name)
		}
	}
	if len(reasons) == 0 {
		return nil
	}
	return framework.NewStatus(code, reasons...)
}

// Score implements framework.ScorePlugin: the mean share, in percent, of CPU and
// memory that would be free with the pod on the node.
func (Fit) Score(cs *framework.CycleState, nodes []*framework.NodeInfo, scores []int64) *framework.Status {
	cpu, memory := cs.Pod.NonZeroCPU, cs.Pod.NonZeroMemory
	for i, n := range nodes {
		var sum, weights int64
		if n.Allocatable.MilliCPU > 0 {
			sum += freeShare(n.NonZeroCPU+cpu, n.Allocatable.MilliCPU)
			weights++
		}
		if n.Allocatable.Memory > 0 {
			sum += freeShare(n.NonZeroMemory+memory, n.Allocatable.Memory)
			weights++
		}
		if weights > 0 {
			scores[i] = sum / weights
		}
	}
	return nil
}

func freeShare(used, capacity int64) int64 {
	if used > capacity {
		return 0
	}
	return (capacity - used) * framework.MaxScore / capacity
}

// Events implements framework.EventPlugin.
func (Fit) Events() []framework.EventInterest {
	return []framework.EventInterest{
		{Kind: framework.AssignedPod, Actions: framework.Deleted | framework.Updated, Hint: podFrees},
		{Kind: framework.Node, Actions: framework.Added | framework.Updated, Hint: nodeGrows},
	}
}

// podFrees says whether a pod that left or shrank gave back anything wanted.
func podFrees(pod *corev1.Pod, e framework.Event) framework.Hint {
	old, ok := e.Old.(*corev1.Pod)
	if !ok {
		return framework.Retry
	}
	if e.Action == framework.Deleted {
		return framework.Retry // room for one more pod, if nothing else
	}
	updated, ok := e.New.(*corev1.Pod)
	if !ok {
		return framework.Retry
	}
	before, after := framework.NewPodInfo(old).Request, framework.NewPodInfo(updated).Request
	want := framework.NewPodInfo(pod).Request
	if grew(&want, &after, &before) {
		return framework.Retry
	}
	return framework.Ignore
}

// nodeGrows says whether a node could hold the pod at all and, if it was there before, has more now.
func nodeGrows(pod *corev1.Pod, e framework.Event) framework.Hint {
	node, ok := e.New.(*corev1.Node)
	if !ok {
		return framework.Retry
	}
	want := framework.NewPodInfo(pod).Request
	has := framework.NewResource(node.Status.Allocatable)
	if explain(&want, &framework.NodeInfo{Node: node, Allocatable: has}) != nil {
		return framework.Ignore
	}
	old, ok := e.Old.(*corev1.Node)
	if !ok {
		return framework.Retry
	}
	had := framework.NewResource(old.Status.Allocatable)
	if has.AllowedPods > had.AllowedPods || grew(&want, &had, &has) {
		return framework.Retry
	}
	return framework.Ignore
}

// grew reports whether any wanted resource is more in b than in a.
func grew(want, a, b *framework.Resource) bool {
	if want.MilliCPU > 0 && b.MilliCPU > a.MilliCPU || want.Memory > 0 && b.Memory > a.Memory ||
		want.EphemeralStorage > 0 && b.EphemeralStorage > a.EphemeralStorage {
		return true
	}
	for name, v := range want.Scalar {
		if v > 0 && b.Scalar[name] > a.Scalar[name] {
			return true
		}
	}
	return false
}
