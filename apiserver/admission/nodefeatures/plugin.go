// Package nodefeatures refuses changes of running pods that need a feature
// which their node has not declared to have.
package nodefeatures

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/component-helpers/nodedeclaredfeatures"

	"github.com/keelson-project/keelson/apiserver/admission"
)

// Plugin is the admission plugin NodeDeclaredFeatureValidator. Make one with
// New.
type Plugin struct {
	node     func(ctx context.Context, name string) (*corev1.Node, error)
	features *nodedeclaredfeatures.Framework
	version  *version.Version
}

// New makes the plugin for servers of a Kubernetes version such as "v1.37.2":
// features that every node of that version must have are not asked for. Node
// returns a node or an API status error.
func New(kubernetes string, node func(ctx context.Context, name string) (*corev1.Node, error)) (*Plugin, error) {
	v, err := version.ParseSemantic(kubernetes)
	if err != nil {
		return nil, fmt.Errorf("nodefeatures: %w", err)
	}
	return &Plugin{node, nodedeclaredfeatures.DefaultFramework, v}, nil
}

// Name implements admission.Plugin.
func (*Plugin) Name() string { return "NodeDeclaredFeatureValidator" }

// Handles implements admission.Plugin.
func (*Plugin) Handles(op admission.Operation) bool { return op == admission.Update }

// Validate implements admission.Validator.
func (p *Plugin) Validate(ctx context.Context, a *admission.Attributes) error {
	if !a.Is("", "pods", "") && !a.Is("", "pods", "resize") {
		return nil
	}
	pod, ok := a.Object.(*corev1.Pod)
	old, wasOne := a.OldObject.(*corev1.Pod)
	// The generation counts changes of the spec.
	if !ok || !wasOne || pod.Spec.NodeName == "" || pod.Generation == old.Generation {
		return nil
	}
	needed, err := p.features.InferForPodUpdate(
		&nodedeclaredfeatures.PodInfo{Spec: &old.Spec, Status: &old.Status}, &nodedeclaredfeatures.PodInfo{Spec: &pod.Spec, Status: &pod.Status}, p.version)
	if err != nil {
		return admission.Forbidden(a, fmt.Errorf("failed to infer pod capability requirements: %w", err))
	}
	if needed.IsEmpty() {
		return nil
	}
	node, err := p.node(ctx, pod.Spec.NodeName)
	if apierrors.IsNotFound(err) {
		return admission.Forbidden(a, fmt.Errorf("node %q not found", pod.Spec.NodeName))
	}
	if err != nil {
		return admission.Forbidden(a, fmt.Errorf("failed to get node %q: %w", pod.Spec.NodeName, err))
	}
	match, err := p.features.MatchNode(needed, node)
	if err != nil {
		return admission.Forbidden(a, fmt.Errorf("failed to match pod requirements against node %q: %w", node.Name, err))
	}
	if !match.IsMatch {
		return admission.Forbidden(a, fmt.Errorf("pod update requires features %s which are not available on node %q", strings.Join(match.UnsatisfiedRequirements, ", "), node.Name))
	}
	return nil
}
