package replicaset

import (
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"

	"github.com/keelson-project/keelson/controller/owned"
)

// statusOf is the set's next status, given its pods and how resizing went.
func statusOf(set *appsv1.ReplicaSet, active []*corev1.Pod, terminating int, sizeErr error, now time.Time) appsv1.ReplicaSetStatus {
	status := appsv1.ReplicaSetStatus{
		ObservedGeneration:  set.Generation,
		Replicas:            int32(len(active)),
		TerminatingReplicas: ptr.To(int32(terminating)),
		Conditions:          slices.Clone(set.Status.Conditions),
	}
	template := labels.SelectorFromValidatedSet(set.Spec.Template.Labels)
	for _, pod := range active {
		if template.Matches(labels.Set(pod.Labels)) {
			status.FullyLabeledReplicas++
		}
		if owned.IsReady(pod) {
			status.ReadyReplicas++
		}
		if owned.IsAvailable(pod, set.Spec.MinReadySeconds, now) {
			status.AvailableReplicas++
		}
	}

	isFailure := func(c appsv1.ReplicaSetCondition) bool { return c.Type == appsv1.ReplicaSetReplicaFailure }
	failing := slices.ContainsFunc(status.Conditions, isFailure)
	switch {
	case sizeErr == nil && failing:
		status.Conditions = slices.DeleteFunc(status.Conditions, isFailure)
	case sizeErr != nil && !failing:
		reason := "FailedCreate"
		if len(active) > int(*set.Spec.Replicas) {
			reason = "FailedDelete"
		}
		status.Conditions = append(status.Conditions, appsv1.ReplicaSetCondition{
			Type:               appsv1.ReplicaSetReplicaFailure,
			Status:             corev1.ConditionTrue,
			LastTransitionTime: metav1.NewTime(now),
			Reason:             reason,
			Message:            sizeErr.Error(),
		})
	}
	return status
}
