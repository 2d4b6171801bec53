// Package limitranger gives containers the requests and limits that the limit
// ranges of their namespace have for those who name none, and refuses pods and
// claims outside of them.
package limitranger

import (
	"context"
	"iter"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"

	"github.com/keelson-project/keelson/apiserver/admission"
)

// Plugin is the admission plugin LimitRanger.
type Plugin struct {
	// Ranges returns the limit ranges of a namespace; required.
	Ranges func(ctx context.Context, namespace string) (iter.Seq[*corev1.LimitRange], error)
}

// Name implements admission.Plugin.
func (Plugin) Name() string { return "LimitRanger" }

// Handles implements admission.Plugin.
func (Plugin) Handles(op admission.Operation) bool {
	return op == admission.Create || op == admission.Update
}

// Admit implements admission.Mutator.
func (p Plugin) Admit(ctx context.Context, a *admission.Attributes) error {
	pod, ok := a.Object.(*corev1.Pod)
	if !ok {
		return nil
	}
	return p.each(ctx, a, func(r *corev1.LimitRange) error {
		complete(pod, r)
		return nil
	})
}

// Validate implements admission.Validator.
func (p Plugin) Validate(ctx context.Context, a *admission.Attributes) error {
	return p.each(ctx, a, func(r *corev1.LimitRange) error {
		var errs []error
		for i := range r.Spec.Limits {
			limit := &r.Spec.Limits[i]
			switch obj := a.Object.(type) {
			case *corev1.Pod:
				errs = append(errs, checkPod(obj, limit)...)
			case *corev1.PersistentVolumeClaim:
				errs = append(errs, checkClaim(obj, limit)...)
			}
		}
		return utilerrors.NewAggregate(errs)
	})
}

// each calls f for the limit ranges that concern a write; its first error is
// the refusal.
func (p Plugin) each(ctx context.Context, a *admission.Attributes, f func(*corev1.LimitRange) error) error {
	if !concerns(a) {
		return nil
	}
	ranges, err := p.Ranges(ctx, a.Namespace)
	if err != nil {
		return admission.Forbidden(a, err)
	}
	for r := range ranges {
		if err := f(r); err != nil {
			return admission.Forbidden(a, err)
		}
	}
	return nil
}

// concerns says which writes limits apply to: new pods and claims, changed
// claims, and pods that are resized. A pod's resources change in no other way.
func concerns(a *admission.Attributes) bool {
	switch a.Object.(type) {
	case *corev1.Pod:
		if a.Operation == admission.Create && a.Subresource != "" || a.Operation == admission.Update && a.Subresource != "resize" {
			return false
		}
	case *corev1.PersistentVolumeClaim:
		if a.Subresource != "" {
			return false
		}
	default:
		return false
	}
	if a.OldObject == nil {
		return true
	}
	old, err := meta.Accessor(a.OldObject)
	return err == nil && old.GetDeletionTimestamp() == nil
}

// checkClaim compares what a claim requests with one limit.
func checkClaim(claim *corev1.PersistentVolumeClaim, limit *corev1.LimitRangeItem) []error {
	if limit.Type != corev1.LimitTypePersistentVolumeClaim {
		return nil
	}
	u := usage{of: limit.Type, requests: claim.Spec.Resources.Requests}
	return slices.Concat(u.atLeast(limit.Min), u.requestAtMost(limit.Max))
}

// checkPod compares a pod, or each of its containers, with one limit.
func checkPod(pod *corev1.Pod, limit *corev1.LimitRangeItem) (errs []error) {
	check := func(requests, limits corev1.ResourceList) {
		u := usage{limit.Type, requests, limits}
		errs = slices.Concat(errs, u.atLeast(limit.Min), u.atMost(limit.Max), u.ratioAtMost(limit.MaxLimitRequestRatio))
	}
	switch limit.Type {
	case corev1.LimitTypeContainer:
		for _, containers := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
			for i := range containers {
				check(containers[i].Resources.Requests, containers[i].Resources.Limits)
			}
		}
	case corev1.LimitTypePod:
		check(totals(pod, func(r *corev1.ResourceRequirements) corev1.ResourceList { return r.Requests }),
			totals(pod, func(r *corev1.ResourceRequirements) corev1.ResourceList { return r.Limits }))
	}
	return errs
}
