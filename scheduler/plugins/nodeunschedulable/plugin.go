// Package nodeunschedulable keeps pods off cordoned nodes.
package nodeunschedulable

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/keelson-project/keelson/scheduler/framework"
	"github.com/keelson-project/keelson/scheduler/plugins/tainttoleration"
)

var refused = framework.NewStatus(framework.UnschedulableAndUnresolvable, "node(s) were unschedulable")

// Plugin is the filter. Pods that tolerate the taint
// node.kubernetes.io/unschedulable:NoSchedule pass.
type Plugin struct{}

// Name implements framework.Plugin.
func (Plugin) Name() string { return "NodeUnschedulable" }

// Filter implements framework.FilterPlugin.
func (Plugin) Filter(cs *framework.CycleState, n *framework.NodeInfo) *framework.Status {
	if !n.Unschedulable || tolerates(cs.Pod.Pod) {
		return nil
	}
	return refused
}

// Events implements framework.EventPlugin.
func (Plugin) Events() []framework.EventInterest {
	return []framework.EventInterest{{Kind: framework.Node, Actions: framework.Added | framework.Updated, Hint: func(pod *corev1.Pod, e framework.Event) framework.Hint {
		node, _ := e.New.(*corev1.Node)
		if old, ok := e.Old.(*corev1.Node); ok && !old.Spec.Unschedulable {
			return framework.Ignore
		}
		if node != nil && node.Spec.Unschedulable && !tolerates(pod) {
			return framework.Ignore
		}
		return framework.Retry
	}}}
}

func tolerates(pod *corev1.Pod) bool {
	return tainttoleration.Tolerates(pod.Spec.Tolerations, &corev1.Taint{
		Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule,
	})
}
