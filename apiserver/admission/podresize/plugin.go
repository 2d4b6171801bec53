// Package podresize refuses to resize a pod to more than its node has.
package podresize

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-helpers/resource"

	"github.com/keelson-project/keelson/apiserver/admission"
)

// The causes that a refusal names.
const (
	NodeCapacity        metav1.CauseType = "NodeCapacity"
	UnsupportedPlatform metav1.CauseType = "UnsupportedPlatform"
)

// Plugin is the admission plugin PodResizeValidator.
type Plugin struct {
	// Node returns a node or an API status error; required.
	Node func(ctx context.Context, name string) (*corev1.Node, error)
}

// Name implements admission.Plugin.
func (Plugin) Name() string { return "PodResizeValidator" }

// Handles implements admission.Plugin.
func (Plugin) Handles(op admission.Operation) bool { return op == admission.Update }

// Validate implements admission.Validator.
func (p Plugin) Validate(ctx context.Context, a *admission.Attributes) error {
	pod, ok := a.Object.(*corev1.Pod)
	old, wasOne := a.OldObject.(*corev1.Pod)
	// The generation counts changes of the spec.
	if !ok || !wasOne || !a.Is("", "pods", "resize") || pod.Spec.NodeName == "" || pod.Generation == old.Generation {
		return nil
	}
	node, err := p.Node(ctx, pod.Spec.NodeName)
	if apierrors.IsNotFound(err) {
		return admission.Forbidden(a, fmt.Errorf("node %q not found", pod.Spec.NodeName))
	}
	if err != nil {
		return admission.Forbidden(a, fmt.Errorf("failed to get node %q: %w", pod.Spec.NodeName, err))
	}
	if os, ok := node.Labels[corev1.LabelOSStable]; ok && os != "linux" {
		return refuse(a, UnsupportedPlatform, fmt.Errorf("pod resize is only supported on linux nodes, node %q is %q", node.Name, os))
	}
	if err := fits(pod, node.Status.Allocatable); err != nil {
		return refuse(a, NodeCapacity, err)
	}
	return nil
}

func refuse(a *admission.Attributes, cause metav1.CauseType, why error) error {
	err := admission.Forbidden(a, why)
	if status := (*apierrors.StatusError)(nil); errors.As(err, &status) {
		status.ErrStatus.Details.Causes = append(status.ErrStatus.Details.Causes, metav1.StatusCause{Type: cause})
	}
	return err
}

func fits(pod *corev1.Pod, has corev1.ResourceList) error {
	wants := resource.PodRequests(pod, resource.PodResourcesOptions{})
	var short []string
	if cpu := wants[corev1.ResourceCPU]; cpu.Cmp(*has.Cpu()) > 0 {
		short = append(short, fmt.Sprintf("cpu, requested: %d, allocatable: %d", cpu.MilliValue(), has.Cpu().MilliValue()))
	}
	if memory := wants[corev1.ResourceMemory]; memory.Cmp(*has.Memory()) > 0 {
		short = append(short, fmt.Sprintf("memory, requested: %d, allocatable: %d", memory.Value(), has.Memory().Value()))
	}
	if len(short) > 0 {
		return fmt.Errorf("node didn't have enough allocatable resources: %s", strings.Join(short, "; "))
	}
	return nil
}
