// Package nodeports keeps two pods from taking the same port of a node.
package nodeports

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/keelson-project/keelson/scheduler/framework"
)

var refused = framework.NewStatus(framework.Unschedulable, "node(s) didn't have free ports for the requested pod ports")

// Plugin is the filter.
type Plugin struct{}

// Name implements framework.Plugin.
func (Plugin) Name() string { return "NodePorts" }

// PreFilter implements framework.PreFilterPlugin.
func (Plugin) PreFilter(_ context.Context, cs *framework.CycleState) (*framework.PreFilterResult, *framework.Status) {
	if len(cs.Pod.HostPorts) == 0 {
		return nil, framework.NewStatus(framework.Skip)
	}
	return nil, nil
}

// Filter implements framework.FilterPlugin.
func (Plugin) Filter(cs *framework.CycleState, n *framework.NodeInfo) *framework.Status {
	if n.PortsConflict(cs.Pod.HostPorts) {
		return refused
	}
	return nil
}

// Events implements framework.EventPlugin.
func (Plugin) Events() []framework.EventInterest {
	return []framework.EventInterest{
		{Kind: framework.Node, Actions: framework.Added},
		{Kind: framework.AssignedPod, Actions: framework.Deleted, Hint: func(pod *corev1.Pod, e framework.Event) framework.Hint {
			gone, ok := e.Old.(*corev1.Pod)
			if !ok {
				return framework.Retry
			}
			freed := framework.NewPodInfo(gone).HostPorts
			for _, want := range framework.NewPodInfo(pod).HostPorts {
				if slices.ContainsFunc(freed, func(f framework.HostPort) bool { return f.Port == want.Port && f.Protocol == want.Protocol }) {
					return framework.Retry
				}
			}
			return framework.Ignore
		}},
	}
}
