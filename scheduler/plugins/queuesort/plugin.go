// Package queuesort orders waiting pods by priority, then by how long they wait.
package queuesort

import "github.com/keelson-project/keelson/scheduler/framework"

// Plugin is the queue order.
type Plugin struct{}

// Name implements framework.Plugin.
func (Plugin) Name() string { return "PrioritySort" }

// Less implements framework.QueueSortPlugin.
func (Plugin) Less(a, b framework.QueuedPod) bool {
	if pa, pb := a.Info.Priority(), b.Info.Priority(); pa != pb {
		return pa > pb
	}
	if !a.Since.Equal(b.Since) {
		return a.Since.Before(b.Since)
	}
	return a.Sequence < b.Sequence
}
