package apps

import (
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

// validateStatefulSet checks a new set.
func validateStatefulSet(s *appsv1.StatefulSet) field.ErrorList {
	e := &check.Errors{}
	statefulSetSpec(e, s, true)
	return e.List
}

// statefulSetSpec checks the specification of a set; what cannot change is
// only looked at in a new one.
func statefulSetSpec(e *check.Errors, s *appsv1.StatefulSet, created bool) {
	switch policy, at := s.Spec.PodManagementPolicy, below("podManagementPolicy"); policy {
	case "":
		e.Required(at, "")
	case appsv1.OrderedReadyPodManagement, appsv1.ParallelPodManagement:
	default:
		e.Invalid(at, policy, fmt.Sprintf("must be '%s' or '%s'", appsv1.OrderedReadyPodManagement, appsv1.ParallelPodManagement))
	}
	u, at := &s.Spec.UpdateStrategy, below("updateStrategy")
	switch rolling := u.RollingUpdate; u.Type {
	case "":
		e.Required(at, "")
	case appsv1.OnDeleteStatefulSetStrategyType:
		if rolling != nil {
			e.Invalid(at.Child("rollingUpdate"), rolling, "only allowed for updateStrategy 'RollingUpdate'")
		}
	case appsv1.RollingUpdateStatefulSetStrategyType:
		if rolling == nil {
			break
		}
		e.OptionalNonnegative(at.Child("rollingUpdate", "partition"), rolling.Partition)
		if m := rolling.MaxUnavailable; m != nil {
			at := at.Child("rollingUpdate", "maxUnavailable")
			e.IntOrPercent(at, *m)
			if check.IntOrPercentValue(*m) == 0 {
				e.Invalid(at, *m, "cannot be 0")
			}
			e.AtMost100Percent(at, *m)
		}
	default:
		e.Invalid(at, *u, "must be 'RollingUpdate' or 'OnDelete'")
	}
	if r := s.Spec.PersistentVolumeClaimRetentionPolicy; r != nil {
		at := below("persistentVolumeClaimRetentionPolicy")
		check.OneOf(e, at.Child("whenDeleted"), r.WhenDeleted, appsv1.RetainPersistentVolumeClaimRetentionPolicyType, appsv1.DeletePersistentVolumeClaimRetentionPolicyType)
		check.OneOf(e, at.Child("whenScaled"), r.WhenScaled, appsv1.RetainPersistentVolumeClaimRetentionPolicyType, appsv1.DeletePersistentVolumeClaimRetentionPolicyType)
	}
	if created {
		for i := range s.Spec.VolumeClaimTemplates {
			podspec.ValidateClaim(e, below("volumeClaimTemplates").Index(i).Child("spec"), &s.Spec.VolumeClaimTemplates[i].Spec, nil)
		}
	}
	e.OptionalNonnegative(below("replicas"), s.Spec.Replicas)
	e.Nonnegative(below("minReadySeconds"), int64(s.Spec.MinReadySeconds))
	if o := s.Spec.Ordinals; o != nil {
		e.Nonnegative(below("ordinals.start"), int64(o.Start))
	}
	if name := s.Spec.ServiceName; created && name != "" {
		e.DNSLabel(below("serviceName"), name)
	}
	if selects(e, s.Spec.Selector, &s.Spec.Template, "statefulset", "") {
		t := statefulTemplate(s)
		e.Add(podspec.ValidateTemplate(t, below("template"))...)
		// Said once more, as it has always been.
		e.Labels(below("template", "labels"), t.Labels)
		e.Annotations(below("template", "annotations"), t.Annotations)
	}
	podspec.RunsForEver(e, below("template"), &s.Spec.Template, "StatefulSet")
}

// statefulTemplate is the template with the volumes its pods will have of
// their own claims, and without the names that will be set for each.
func statefulTemplate(s *appsv1.StatefulSet) *corev1.PodTemplateSpec {
	t := s.Spec.Template
	t.Spec.Hostname, t.Spec.Subdomain = "", ""
	if len(s.Spec.VolumeClaimTemplates) == 0 {
		return &t
	}
	var volumes []corev1.Volume
	has := func(name string) bool {
		return slices.ContainsFunc(volumes, func(v corev1.Volume) bool { return v.Name == name })
	}
	for _, claim := range s.Spec.VolumeClaimTemplates {
		if !has(claim.Name) {
			volumes = append(volumes, corev1.Volume{Name: claim.Name, VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name},
			}})
		}
	}
	claims := len(volumes)
	for _, v := range s.Spec.Template.Spec.Volumes {
		if !slices.ContainsFunc(volumes[:claims], func(c corev1.Volume) bool { return c.Name == v.Name }) {
			volumes = append(volumes, v)
		}
	}
	t.Spec.Volumes = volumes
	return &t
}

func validateStatefulSetUpdate(s, old *appsv1.StatefulSet) field.ErrorList {
	e := &check.Errors{}
	statefulSetSpec(e, s, false)
	e.Same(below("selector"), s.Spec.Selector, old.Spec.Selector)
	e.Same(below("volumeClaimTemplates"), s.Spec.VolumeClaimTemplates, old.Spec.VolumeClaimTemplates)
	e.Same(below("serviceName"), s.Spec.ServiceName, old.Spec.ServiceName)
	e.Same(below("podManagementPolicy"), s.Spec.PodManagementPolicy, old.Spec.PodManagementPolicy)
	return e.List
}

func validateStatefulSetStatus(s, old *appsv1.StatefulSet) field.ErrorList {
	e, p, st := &check.Errors{}, field.NewPath("status"), &s.Status
	counts := []check.Count{
		{Name: "replicas", N: st.Replicas}, {Name: "readyReplicas", N: st.ReadyReplicas}, {Name: "currentReplicas", N: st.CurrentReplicas},
		{Name: "updatedReplicas", N: st.UpdatedReplicas}, {Name: "availableReplicas", N: st.AvailableReplicas},
	}
	e.Counts(p, counts...)
	e.Nonnegative(p.Child("observedGeneration"), st.ObservedGeneration)
	e.OptionalNonnegative(p.Child("collisionCount"), st.CollisionCount)
	e.CountsWithin(p, st.Replicas, "status.readyReplicas", counts[1:]...)
	e.NotDecremented(p.Child("collisionCount"), st.CollisionCount, old.Status.CollisionCount)
	return e.List
}

func validateDaemonSet(ds *appsv1.DaemonSet) field.ErrorList {
	e, t := &check.Errors{}, &ds.Spec.Template
	e.Selector(below("selector"), ds.Spec.Selector)
	if s, err := metav1.LabelSelectorAsSelector(ds.Spec.Selector); err == nil && !s.Matches(labels.Set(t.Labels)) {
		e.Invalid(below("template", "metadata", "labels"), t.Labels, "`selector` does not match template `labels`")
	}
	if s := ds.Spec.Selector; s != nil && len(s.MatchLabels)+len(s.MatchExpressions) == 0 {
		e.Invalid(below("selector"), s, "empty selector is invalid for daemonset")
	}
	e.Add(podspec.ValidateTemplate(t, below("template"))...)
	podspec.RunsForEver(e, below("template"), t, "DaemonSet")
	e.Nonnegative(below("minReadySeconds"), int64(ds.Spec.MinReadySeconds))
	e.Nonnegative(below("templateGeneration"), templateGeneration(ds))
	daemonStrategy(e, &ds.Spec.UpdateStrategy)
	e.OptionalNonnegative(below("revisionHistoryLimit"), ds.Spec.RevisionHistoryLimit)
	return e.List
}

func daemonStrategy(e *check.Errors, s *appsv1.DaemonSetUpdateStrategy) {
	at := below("updateStrategy")
	switch rolling := s.RollingUpdate; s.Type {
	case appsv1.OnDeleteDaemonSetStrategyType:
	case appsv1.RollingUpdateDaemonSetStrategyType:
		at := at.Child("rollingUpdate")
		if rolling == nil {
			e.Required(at, "")
			return
		}
		unavailable, surge := value(rolling.MaxUnavailable), value(rolling.MaxSurge)
		e.IntOrPercent(at.Child("maxUnavailable"), unavailable)
		e.IntOrPercent(at.Child("maxSurge"), surge)
		e.AtMost100Percent(at.Child("maxUnavailable"), unavailable)
		e.AtMost100Percent(at.Child("maxSurge"), surge)
		switch down, up := check.IntOrPercentValue(unavailable) != 0, check.IntOrPercentValue(surge) != 0; {
		case down && up:
			e.Invalid(at.Child("maxSurge"), surge, "may not be set when maxUnavailable is non-zero")
		case !down && !up:
			e.Required(at.Child("maxUnavailable"), "cannot be 0 when maxSurge is 0")
		}
	default:
		unsupported(e, at, s, "RollingUpdate", "OnDelete")
	}
}

func validateDaemonSetUpdate(ds, old *appsv1.DaemonSet) field.ErrorList {
	e := &check.Errors{}
	e.Same(below("selector"), ds.Spec.Selector, old.Spec.Selector)
	return append(e.List, validateDaemonSet(ds)...)
}

func validateDaemonSetStatus(ds, old *appsv1.DaemonSet) field.ErrorList {
	e, p, s := &check.Errors{}, field.NewPath("status"), &ds.Status
	for _, c := range []struct {
		name string
		n    int64
	}{
		{"currentNumberScheduled", int64(s.CurrentNumberScheduled)}, {"numberMisscheduled", int64(s.NumberMisscheduled)},
		{"desiredNumberScheduled", int64(s.DesiredNumberScheduled)}, {"numberReady", int64(s.NumberReady)},
		{"observedGeneration", s.ObservedGeneration}, {"updatedNumberScheduled", int64(s.UpdatedNumberScheduled)},
		{"numberAvailable", int64(s.NumberAvailable)}, {"numberUnavailable", int64(s.NumberUnavailable)},
	} {
		e.Nonnegative(p.Child(c.name), c.n)
	}
	e.OptionalNonnegative(p.Child("collisionCount"), s.CollisionCount)
	e.NotDecremented(p.Child("collisionCount"), s.CollisionCount, old.Status.CollisionCount)
	return e.List
}
