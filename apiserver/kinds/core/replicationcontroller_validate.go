package core

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

func validateReplicationController(rc *corev1.ReplicationController) field.ErrorList {
	e, p, spec := &check.Errors{}, field.NewPath("spec"), &rc.Spec
	if len(spec.Selector) == 0 {
		e.Required(p.Child("selector"), "")
	}
	t, at := spec.Template, p.Child("template")
	if t == nil {
		e.Required(at, "")
		return e.List
	}
	if len(spec.Selector) > 0 && !labels.SelectorFromSet(spec.Selector).Matches(labels.Set(t.Labels)) {
		e.Invalid(at.Child("metadata", "labels"), t.Labels, "`selector` does not match template `labels`")
	}
	e.Add(podspec.ValidateTemplate(t, at)...)
	podspec.RunsForEver(e, at, t, "ReplicationController")
	return e.List
}

func validateReplicationControllerStatus(rc *corev1.ReplicationController) field.ErrorList {
	e, p, s := &check.Errors{}, field.NewPath("status"), &rc.Status
	counts := []check.Count{
		{Name: "replicas", N: s.Replicas}, {Name: "fullyLabeledReplicas", N: s.FullyLabeledReplicas},
		{Name: "readyReplicas", N: s.ReadyReplicas}, {Name: "availableReplicas", N: s.AvailableReplicas},
	}
	e.Counts(p, counts...)
	e.Nonnegative(p.Child("observedGeneration"), s.ObservedGeneration)
	e.CountsWithin(p, s.Replicas, "readyReplicas", counts[1:]...)
	return e.List
}
