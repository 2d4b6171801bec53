// Package schedulinggates holds pods back while their spec lists scheduling gates.
package schedulinggates

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/keelson-project/keelson/scheduler/framework"
)

// Plugin is the gate.
type Plugin struct{}

// Name implements framework.Plugin.
func (Plugin) Name() string { return "SchedulingGates" }

// PreEnqueue implements framework.PreEnqueuePlugin.
func (Plugin) PreEnqueue(pod *corev1.Pod) *framework.Status {
	if len(pod.Spec.SchedulingGates) == 0 {
		return nil
	}
	names := make([]string, len(pod.Spec.SchedulingGates))
	for i, g := range pod.Spec.SchedulingGates {
		names[i] = g.Name
	}
	return framework.NewStatus(framework.UnschedulableAndUnresolvable, fmt.Sprintf("waiting for scheduling gates: %v", names))
}

// Events implements framework.EventPlugin: only an update of the pod itself helps.
func (Plugin) Events() []framework.EventInterest { return nil }
