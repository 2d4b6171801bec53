// Package runtimeclass gives pods what their runtime class demands: the
// overhead that is added to what their containers use, and where they run.
package runtimeclass

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/keelson-project/keelson/apiserver/admission"
)

// Plugin is the admission plugin RuntimeClass.
type Plugin struct {
	// Class returns a runtime class or an API status error; required.
	Class func(ctx context.Context, name string) (*nodev1.RuntimeClass, error)
}

// Name implements admission.Plugin.
func (Plugin) Name() string { return "RuntimeClass" }

// Handles implements admission.Plugin.
func (Plugin) Handles(op admission.Operation) bool { return op == admission.Create }

// Admit implements admission.Mutator.
func (p Plugin) Admit(ctx context.Context, a *admission.Attributes) error {
	pod, class, err := p.find(ctx, a)
	if err != nil || class == nil {
		return err
	}
	if class.Overhead != nil {
		if len(pod.Spec.Overhead) > 0 && !apiequality.Semantic.DeepEqual(class.Overhead.PodFixed, pod.Spec.Overhead) {
			return admission.Forbidden(a, errOtherOverhead)
		}
		pod.Spec.Overhead = class.Overhead.PodFixed.DeepCopy()
	}
	if class.Scheduling != nil {
		if err := schedule(pod, class.Scheduling); err != nil {
			return admission.Forbidden(a, err)
		}
	}
	return nil
}

// Validate implements admission.Validator.
func (p Plugin) Validate(ctx context.Context, a *admission.Attributes) error {
	pod, class, err := p.find(ctx, a)
	switch {
	case err != nil || pod == nil:
		return err
	case class != nil && class.Overhead != nil:
		if !apiequality.Semantic.DeepEqual(class.Overhead.PodFixed, pod.Spec.Overhead) {
			return admission.Forbidden(a, errOtherOverhead)
		}
	case pod.Spec.Overhead != nil:
		return admission.Forbidden(a, errors.New("pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"))
	}
	return nil
}

var errOtherOverhead = errors.New("pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")

// find returns the pod of a write and the class that it names; nil where there
// is none.
func (p Plugin) find(ctx context.Context, a *admission.Attributes) (*corev1.Pod, *nodev1.RuntimeClass, error) {
	pod, ok := a.Object.(*corev1.Pod)
	if !ok || a.Subresource != "" {
		return nil, nil, nil
	}
	if pod.Spec.RuntimeClassName == nil {
		return pod, nil, nil
	}
	class, err := p.Class(ctx, *pod.Spec.RuntimeClassName)
	if apierrors.IsNotFound(err) {
		err = admission.Forbidden(a, fmt.Errorf("pod rejected: RuntimeClass %q not found", *pod.Spec.RuntimeClassName))
	}
	return pod, class, err
}

// schedule keeps a pod to the nodes that have the runtime.
func schedule(pod *corev1.Pod, s *nodev1.Scheduling) error {
	for _, key := range slices.Sorted(maps.Keys(s.NodeSelector)) {
		value := s.NodeSelector[key]
		if own, set := pod.Spec.NodeSelector[key]; set && own != value {
			return fmt.Errorf("conflict: runtimeClass.scheduling.nodeSelector[%s] = %s; pod.spec.nodeSelector[%s] = %s", key, value, key, own)
		}
		if pod.Spec.NodeSelector == nil {
			pod.Spec.NodeSelector = map[string]string{}
		}
		pod.Spec.NodeSelector[key] = value
	}
	pod.Spec.Tolerations = withoutRedundant(slices.Concat(pod.Spec.Tolerations, s.Tolerations))
	return nil
}

// withoutRedundant leaves out tolerations that another one includes; of equal
// ones the first stays.
func withoutRedundant(all []corev1.Toleration) []corev1.Toleration {
	var kept []corev1.Toleration
	for i := range all {
		t := &all[i]
		before := slices.ContainsFunc(kept, func(k corev1.Toleration) bool { return includes(&k, t) })
		after := slices.ContainsFunc(all[i+1:], func(k corev1.Toleration) bool {
			return !apiequality.Semantic.DeepEqual(&k, t) && includes(&k, t)
		})
		if !before && !after {
			kept = append(kept, *t)
		}
	}
	return kept
}

// includes reports whether one toleration covers whatever another does.
func includes(wide, t *corev1.Toleration) bool {
	if apiequality.Semantic.DeepEqual(wide, t) {
		return true
	}
	anyKey := wide.Key == "" && wide.Operator == corev1.TolerationOpExists
	if wide.Key != t.Key && !anyKey || wide.Effect != t.Effect && wide.Effect != "" {
		return false
	}
	if s := wide.TolerationSeconds; wide.Effect == corev1.TaintEffectNoExecute && s != nil && (t.TolerationSeconds == nil || *t.TolerationSeconds > *s) {
		return false
	}
	switch wide.Operator {
	case corev1.TolerationOpExists:
		return true
	case corev1.TolerationOpEqual, "":
		return t.Operator == corev1.TolerationOpEqual && t.Value == wide.Value
	}
	return false
}
