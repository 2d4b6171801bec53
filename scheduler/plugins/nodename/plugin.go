// Package nodename holds a pod to the node its spec names. Pods with a node
// name normally never reach the scheduler; this covers snapshots made by hand.
package nodename

import (
	"context"

	corev1 "k8s.io/api/core/v1"

	"github.com/keelson-project/keelson/scheduler/framework"
)

var refused = framework.NewStatus(framework.UnschedulableAndUnresolvable, "node(s) didn't match the requested node name")

// Plugin is the filter.
type Plugin struct{}

// Name implements framework.Plugin.
func (Plugin) Name() string { return "NodeName" }

// PreFilter implements framework.PreFilterPlugin.
func (Plugin) PreFilter(_ context.Context, cs *framework.CycleState) (*framework.PreFilterResult, *framework.Status) {
	if cs.Pod.Pod.Spec.NodeName == "" {
		return nil, framework.NewStatus(framework.Skip)
	}
	return nil, nil
}

// Filter implements framework.FilterPlugin.
func (Plugin) Filter(cs *framework.CycleState, n *framework.NodeInfo) *framework.Status {
	if name := cs.Pod.Pod.Spec.NodeName; name != "" && name != n.Node.Name {
		return refused
	}
	return nil
}

// Events implements framework.EventPlugin.
func (Plugin) Events() []framework.EventInterest {
	return []framework.EventInterest{{Kind: framework.Node, Actions: framework.Added, Hint: func(pod *corev1.Pod, e framework.Event) framework.Hint {
		if n, ok := e.New.(*corev1.Node); ok && n.Name != pod.Spec.NodeName {
			return framework.Ignore
		}
		return framework.Retry
	}}}
}
