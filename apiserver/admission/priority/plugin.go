// Package priority turns the name of a pod's priority class into its number.
package priority

import (
	"context"
	"fmt"
	"iter"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/keelson-project/keelson/apiserver/admission"
)

// Plugin is the admission plugin Priority.
type Plugin struct {
	// Class returns a priority class or an API status error, Default the one
	// that [Default] finds, or nil; required.
	Class   func(ctx context.Context, name string) (*schedulingv1.PriorityClass, error)
	Default func(ctx context.Context) (*schedulingv1.PriorityClass, error)
}

// Name implements admission.Plugin.
func (Plugin) Name() string { return "Priority" }

// Handles implements admission.Plugin.
func (Plugin) Handles(op admission.Operation) bool {
	return op == admission.Create || op == admission.Update
}

// Admit implements admission.Mutator.
func (p Plugin) Admit(ctx context.Context, a *admission.Attributes) error {
	pod, ok := a.Object.(*corev1.Pod)
	if !ok || a.Subresource != "" {
		return nil
	}
	if a.Operation == admission.Update {
		// The number is the server's to know: who writes without it keeps it.
		if old, ok := a.OldObject.(*corev1.Pod); ok {
			if pod.Spec.Priority == nil {
				pod.Spec.Priority = old.Spec.Priority
			}
			if pod.Spec.PreemptionPolicy == nil {
				pod.Spec.PreemptionPolicy = old.Spec.PreemptionPolicy
			}
		}
		return nil
	}
	var number int32
	policy := corev1.PreemptLowerPriority
	class, err := p.classOf(ctx, a, pod.Spec.PriorityClassName)
	if err != nil {
		return err
	}
	if class != nil {
		number = class.Value
		pod.Spec.PriorityClassName = class.Name
		if class.PreemptionPolicy != nil {
			policy = *class.PreemptionPolicy
		}
	}
	if pod.Spec.Priority != nil && *pod.Spec.Priority != number {
		return admission.Forbidden(a, fmt.Errorf("the integer value of priority (%d) must not be provided in pod spec; priority admission controller computed %d from the given PriorityClass name", *pod.Spec.Priority, number))
	}
	if pod.Spec.PreemptionPolicy != nil && *pod.Spec.PreemptionPolicy != policy {
		return admission.Forbidden(a, fmt.Errorf("the string value of PreemptionPolicy (%s) must not be provided in pod spec; priority admission controller computed %s from the given PriorityClass name", *pod.Spec.PreemptionPolicy, policy))
	}
	pod.Spec.Priority, pod.Spec.PreemptionPolicy = &number, &policy
	return nil
}

// classOf returns the class named, the default one if none is, or nil.
func (p Plugin) classOf(ctx context.Context, a *admission.Attributes, name string) (*schedulingv1.PriorityClass, error) {
	if name != "" {
		class, err := p.Class(ctx, name)
		if apierrors.IsNotFound(err) {
			return nil, admission.Forbidden(a, fmt.Errorf("no PriorityClass with name %v was found", name))
		}
		return class, err
	}
	return p.Default(ctx)
}

// Default returns the class that is marked as the default. Of several, which
// a race can make, the lowest counts.
func Default(all iter.Seq[*schedulingv1.PriorityClass]) (found *schedulingv1.PriorityClass) {
	for c := range all {
		if c.GlobalDefault && (found == nil || c.Value < found.Value) {
			found = c
		}
	}
	return found
}

// Validate implements admission.Validator: there is one default class.
func (p Plugin) Validate(ctx context.Context, a *admission.Attributes) error {
	class, ok := a.Object.(*schedulingv1.PriorityClass)
	if !ok || a.Subresource != "" || !class.GlobalDefault {
		return nil
	}
	is, err := p.Default(ctx)
	if err != nil || is == nil || a.Operation == admission.Update && is.Name == class.Name {
		return err
	}
	return admission.Forbidden(a, fmt.Errorf("PriorityClass %v is already marked as default. Only one default can exist", is.Name))
}
