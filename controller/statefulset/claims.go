package statefulset

import (
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func claimName(set *appsv1.StatefulSet, template string, ordinal int) string {
	return fmt.Sprintf("%s-%s-%d", template, set.Name, ordinal)
}

// claims are the volume claims of the pod of that ordinal.
func claims(set *appsv1.StatefulSet, ordinal int) []*corev1.PersistentVolumeClaim {
	var all []*corev1.PersistentVolumeClaim
	for i := range set.Spec.VolumeClaimTemplates {
		claim := set.Spec.VolumeClaimTemplates[i].DeepCopy()
		claim.Name = claimName(set, claim.Name, ordinal)
		claim.Namespace = set.Namespace
		if claim.Labels == nil {
			claim.Labels = make(map[string]string)
		}
		maps.Copy(claim.Labels, set.Spec.Selector.MatchLabels)
		all = append(all, claim)
	}
	return all
}

// claimOwners are the owners a claim should have, of those that this controller
// decides on, by the set's retention policy: the set, where its end shall be the
// claim's; the pod, once it is beyond the set's size and shall take the claim along.
func claimOwners(set *appsv1.StatefulSet, pod *corev1.Pod, refs []metav1.OwnerReference) []metav1.OwnerReference {
	whenDeleted, whenScaled := appsv1.RetainPersistentVolumeClaimRetentionPolicyType, appsv1.RetainPersistentVolumeClaimRetentionPolicyType
	if policy := set.Spec.PersistentVolumeClaimRetentionPolicy; policy != nil {
		whenDeleted, whenScaled = policy.WhenDeleted, policy.WhenScaled
	}
	const del = appsv1.DeletePersistentVolumeClaimRetentionPolicyType
	ours := func(ref metav1.OwnerReference) bool {
		return ref.APIVersion == kind.GroupVersion().String() && ref.Kind == kind.Kind && ref.Name == set.Name ||
			ref.APIVersion == "v1" && ref.Kind == "Pod" && ref.Name == pod.Name
	}
	rest := slices.DeleteFunc(slices.Clone(refs), ours)
	foreign := slices.ContainsFunc(rest, func(ref metav1.OwnerReference) bool { return ref.Controller != nil && *ref.Controller })
	// References to a former set or pod of the name: the claim is about to go.
	stale := slices.ContainsFunc(refs, func(ref metav1.OwnerReference) bool {
		return ours(ref) && !slices.Contains([]types.UID{set.UID, pod.UID}, ref.UID)
	})
	switch {
	case stale:
		return refs
	case foreign:
		return rest
	}
	i := ordinalOf(set, pod.Name) - start(set)
	scaledDown := i < 0 || i >= int(*set.Spec.Replicas)
	if whenDeleted == del && !(scaledDown && whenScaled == del) {
		rest = append(rest, *metav1.NewControllerRef(set, kind))
	}
	if whenScaled == del && scaledDown {
		rest = append(rest, *metav1.NewControllerRef(pod, corev1.SchemeGroupVersion.WithKind("Pod")))
	}
	return rest
}

func sameOwners(a, b []metav1.OwnerReference) bool {
	uids := func(refs []metav1.OwnerReference) []types.UID {
		var some []types.UID
		for _, ref := range refs {
			some = append(some, ref.UID)
		}
		slices.Sort(some)
		return some
	}
	return slices.Equal(uids(a), uids(b))
}
