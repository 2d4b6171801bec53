// Package nodetaint keeps pods off a new node until it has been seen ready.
package nodetaint

import (
	"context"

	corev1 "k8s.io/api/core/v1"

	"github.com/keelson-project/keelson/apiserver/admission"
)

// Plugin is the admission plugin TaintNodesByCondition.
type Plugin struct{}

// Name implements admission.Plugin.
func (Plugin) Name() string { return "TaintNodesByCondition" }

// Handles implements admission.Plugin.
func (Plugin) Handles(op admission.Operation) bool { return op == admission.Create }

// Admit implements admission.Mutator.
func (Plugin) Admit(_ context.Context, a *admission.Attributes) error {
	node, ok := a.Object.(*corev1.Node)
	if !ok || a.Subresource != "" {
		return nil
	}
	want := corev1.Taint{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule}
	for _, t := range node.Spec.Taints {
		if t.MatchTaint(&want) {
			return nil
		}
	}
	node.Spec.Taints = append(node.Spec.Taints, want)
	return nil
}
