package core

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

func validateNamespace(ns *corev1.Namespace) field.ErrorList {
	e := &check.Errors{}
	for _, f := range ns.Spec.Finalizers {
		finalizer(e, field.NewPath("spec", "finalizers"), string(f))
	}
	return e.List
}

func finalizer(e *check.Errors, p *field.Path, name string) {
	e.Add(apivalidation.ValidateFinalizerName(name, p)...)
	if !strings.Contains(name, "/") && name != string(corev1.FinalizerKubernetes) && name != metav1.FinalizerOrphanDependents && name != metav1.FinalizerDeleteDependents {
		e.Invalid(p, name, "name is neither a standard finalizer name nor is it fully qualified")
	}
}

func validateNamespaceStatus(ns *corev1.Namespace) field.ErrorList {
	e, at := &check.Errors{}, field.NewPath("status", "Phase")
	if phase := ns.Status.Phase; ns.DeletionTimestamp.IsZero() && phase != corev1.NamespaceActive {
		e.Invalid(at, phase, "may only be 'Active' if `deletionTimestamp` is empty")
	} else if !ns.DeletionTimestamp.IsZero() && phase != corev1.NamespaceTerminating {
		e.Invalid(at, phase, "may only be 'Terminating' if `deletionTimestamp` is not empty")
	}
	return e.List
}

// ValidateNamespaceFinalize returns what is wrong with a change made through
// the finalize subresource, beyond metadata.
func ValidateNamespaceFinalize(ns *corev1.Namespace) field.ErrorList {
	e := &check.Errors{}
	for i, f := range ns.Spec.Finalizers {
		finalizer(e, field.NewPath("spec", "finalizers").Index(i), string(f))
	}
	return e.List
}
