// Package topologylabels tells pods the zone and region of the node they are
// bound to, as labels.
package topologylabels

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/keelson-project/keelson/apiserver/admission"
)

// Plugin is the admission plugin PodTopologyLabels.
type Plugin struct {
	// Node returns a node or an API status error; required.
	Node func(ctx context.Context, name string) (*corev1.Node, error)
}

// Name implements admission.Plugin.
func (Plugin) Name() string { return "PodTopologyLabels" }

// Handles implements admission.Plugin.
func (Plugin) Handles(op admission.Operation) bool { return op == admission.Create }

// Admit implements admission.Mutator. A pod gets the labels from its binding,
// or when it is made if it names its node.
func (p Plugin) Admit(ctx context.Context, a *admission.Attributes) error {
	switch obj := a.Object.(type) {
	case *corev1.Pod:
		if a.Is("", "pods", "") && obj.Spec.NodeName != "" {
			return p.copy(ctx, obj.Spec.NodeName, &obj.Labels)
		}
	case *corev1.Binding:
		if a.Is("", "pods", "binding") && obj.Target.Kind == "Node" {
			return p.copy(ctx, obj.Target.Name, &obj.Labels)
		}
	}
	return nil
}

// copy sets the labels in place of any that are there. A node that does not
// exist has none.
func (p Plugin) copy(ctx context.Context, name string, to *map[string]string) error {
	node, err := p.Node(ctx, name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, key := range []string{corev1.LabelTopologyZone, corev1.LabelTopologyRegion} {
		value, ok := node.Labels[key]
		if !ok {
			continue
		}
		if *to == nil {
			*to = map[string]string{}
		}
		(*to)[key] = value
	}
	return nil
}
