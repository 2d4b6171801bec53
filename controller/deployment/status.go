package deployment

import (
	"fmt"
	"math"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	reasonNewSet    = "NewReplicaSetCreated"
	reasonFoundSet  = "FoundNewReplicaSet"
	reasonUpdated   = "ReplicaSetUpdated"
	reasonComplete  = "NewReplicaSetAvailable"
	reasonSetFailed = "ReplicaSetCreateError"
	reasonTimedOut  = "ProgressDeadlineExceeded"
	reasonPaused    = "DeploymentPaused"
	reasonResumed   = "DeploymentResumed"
)

// changed reports whether the status or the revision differ.
func changed(before, after *appsv1.Deployment) bool {
	return before.Annotations[revisionAnnotation] != after.Annotations[revisionAnnotation] ||
		!equality.Semantic.DeepEqual(before.Status, after.Status)
}

func hasDeadline(d *appsv1.Deployment) bool {
	return d.Spec.ProgressDeadlineSeconds != nil && *d.Spec.ProgressDeadlineSeconds != math.MaxInt32
}

func condition(status *appsv1.DeploymentStatus, of appsv1.DeploymentConditionType) *appsv1.DeploymentCondition {
	i := slices.IndexFunc(status.Conditions, func(c appsv1.DeploymentCondition) bool { return c.Type == of })
	if i < 0 {
		return nil
	}
	return &status.Conditions[i]
}

func removeCondition(status *appsv1.DeploymentStatus, of appsv1.DeploymentConditionType) {
	status.Conditions = slices.DeleteFunc(status.Conditions, func(c appsv1.DeploymentCondition) bool { return c.Type == of })
}

// setCondition puts the condition in place of the one of its type, unless that has the
// same status and reason. The transition time changes with the status only.
func setCondition(status *appsv1.DeploymentStatus, c appsv1.DeploymentCondition) {
	if have := condition(status, c.Type); have != nil {
		if have.Status == c.Status && have.Reason == c.Reason {
			return
		}
		if have.Status == c.Status {
			c.LastTransitionTime = have.LastTransitionTime
		}
	}
	removeCondition(status, c.Type)
	status.Conditions = append(status.Conditions, c)
}

func newCondition(of appsv1.DeploymentConditionType, status corev1.ConditionStatus, reason, message string, now time.Time) appsv1.DeploymentCondition {
	return appsv1.DeploymentCondition{
		Type:               of,
		Status:             status,
		LastUpdateTime:     metav1.NewTime(now),
		LastTransitionTime: metav1.NewTime(now),
		Reason:             reason,
		Message:            message,
	}
}

func progressing(status corev1.ConditionStatus, reason, message string, now time.Time) appsv1.DeploymentCondition {
	return newCondition(appsv1.DeploymentProgressing, status, reason, message, now)
}

// notePause records pausing and resuming, so that time spent paused does not count
// against the deadline. A missed deadline stays on record.
func notePause(d *appsv1.Deployment, now time.Time) {
	if !hasDeadline(d) {
		return
	}
	have := condition(&d.Status, appsv1.DeploymentProgressing)
	if have != nil && have.Reason == reasonTimedOut {
		return
	}
	wasPaused := have != nil && have.Reason == reasonPaused
	switch {
	case d.Spec.Paused && !wasPaused:
		setCondition(&d.Status, progressing(corev1.ConditionUnknown, reasonPaused, "Deployment is paused", now))
	case !d.Spec.Paused && wasPaused:
		setCondition(&d.Status, progressing(corev1.ConditionUnknown, reasonResumed, "Deployment is resumed", now))
	}
}

// count is the status that follows from the sets, with the Available condition.
func count(d *appsv1.Deployment, current *appsv1.ReplicaSet, old []*appsv1.ReplicaSet, now time.Time) appsv1.DeploymentStatus {
	all := join(old, current)
	status := appsv1.DeploymentStatus{
		ObservedGeneration:  d.Generation,
		Replicas:            sum(all, actualReplicas),
		ReadyReplicas:       sum(all, readyReplicas),
		AvailableReplicas:   sum(all, availableReplicas),
		TerminatingReplicas: terminating(all),
		CollisionCount:      d.Status.CollisionCount,
		Conditions:          slices.Clone(d.Status.Conditions),
	}
	status.UnavailableReplicas = max(0, sum(all, specReplicas)-status.AvailableReplicas)
	if current != nil {
		status.UpdatedReplicas = current.Status.Replicas
	}
	if status.AvailableReplicas >= *d.Spec.Replicas-maxUnavailable(d) {
		setCondition(&status, newCondition(appsv1.DeploymentAvailable, corev1.ConditionTrue,
			"MinimumReplicasAvailable", "Deployment has minimum availability.", now))
	} else {
		setCondition(&status, newCondition(appsv1.DeploymentAvailable, corev1.ConditionFalse,
			"MinimumReplicasUnavailable", "Deployment does not have minimum availability.", now))
	}
	return status
}

// terminating sums the sets' terminating replicas; nil if one that has been looked at
// does not tell.
func terminating(sets []*appsv1.ReplicaSet) *int32 {
	var total int32
	for _, set := range sets {
		switch {
		case set.Status.TerminatingReplicas != nil:
			total += *set.Status.TerminatingReplicas
		case set.Status.ObservedGeneration != 0:
			return nil
		}
	}
	return &total
}

// isComplete reports whether all replicas are updated and available and no old ones
// are left.
func isComplete(d *appsv1.Deployment, status *appsv1.DeploymentStatus) bool {
	return status.UpdatedReplicas == *d.Spec.Replicas &&
		status.Replicas == *d.Spec.Replicas &&
		status.AvailableReplicas == *d.Spec.Replicas &&
		status.ObservedGeneration >= d.Generation
}

// isProgress reports whether the rollout moved on between the two.
func isProgress(before, after *appsv1.DeploymentStatus) bool {
	return after.UpdatedReplicas > before.UpdatedReplicas ||
		after.Replicas-after.UpdatedReplicas < before.Replicas-before.UpdatedReplicas ||
		after.ReadyReplicas > before.ReadyReplicas ||
		after.AvailableReplicas > before.AvailableReplicas
}

// isTimedOut reports whether the deadline since the last progress has passed.
func isTimedOut(d *appsv1.Deployment, status *appsv1.DeploymentStatus, now time.Time) bool {
	have := condition(status, appsv1.DeploymentProgressing)
	switch {
	case !hasDeadline(d) || have == nil || have.Reason == reasonComplete:
		return false
	case have.Reason == reasonTimedOut:
		return true
	}
	return deadline(d, have).Before(now)
}

func deadline(d *appsv1.Deployment, have *appsv1.DeploymentCondition) time.Time {
	return have.LastUpdateTime.Add(time.Duration(*d.Spec.ProgressDeadlineSeconds) * time.Second)
}

// rolloutStatus is the status in a rollout: the counts, how it gets on, and failures
// of the sets.
func rolloutStatus(d *appsv1.Deployment, current *appsv1.ReplicaSet, old []*appsv1.ReplicaSet, now time.Time) appsv1.DeploymentStatus {
	status := count(d, current, old, now)
	if !hasDeadline(d) {
		removeCondition(&status, appsv1.DeploymentProgressing)
	} else {
		judge(d, current, &status, now)
	}
	if failure := firstFailure(current, old); failure != nil {
		setCondition(&status, *failure)
	} else {
		removeCondition(&status, appsv1.DeploymentReplicaFailure)
	}
	return status
}

// judge sets the Progressing condition.
func judge(d *appsv1.Deployment, current *appsv1.ReplicaSet, status *appsv1.DeploymentStatus, now time.Time) {
	have := condition(&d.Status, appsv1.DeploymentProgressing)
	if status.Replicas == status.UpdatedReplicas && have != nil && have.Reason == reasonComplete {
		return // the rollout is over; what happens now is no progress and no lack of it
	}
	what := fmt.Sprintf("Deployment %q", d.Name)
	if current != nil {
		what = fmt.Sprintf("ReplicaSet %q", current.Name)
	}
	switch {
	case isComplete(d, status):
		setCondition(status, progressing(corev1.ConditionTrue, reasonComplete, what+" has successfully progressed.", now))
	case isProgress(&d.Status, status):
		next := progressing(corev1.ConditionTrue, reasonUpdated, what+" is progressing.", now)
		if have != nil && have.Status == corev1.ConditionTrue {
			next.LastTransitionTime = have.LastTransitionTime
		}
		// Replaced even where the reason stays: the update time is what counts.
		removeCondition(status, appsv1.DeploymentProgressing)
		setCondition(status, next)
	case isTimedOut(d, status, now):
		setCondition(status, progressing(corev1.ConditionFalse, reasonTimedOut, what+" has timed out progressing.", now))
	}
}

// firstFailure is the failure of a set, the current one's before others'.
func firstFailure(current *appsv1.ReplicaSet, old []*appsv1.ReplicaSet) *appsv1.DeploymentCondition {
	sets := old
	if current != nil {
		sets = append([]*appsv1.ReplicaSet{current}, old...)
	}
	for _, set := range sets {
		for _, c := range set.Status.Conditions {
			if c.Type == appsv1.ReplicaSetReplicaFailure {
				return &appsv1.DeploymentCondition{
					Type:               appsv1.DeploymentReplicaFailure,
					Status:             c.Status,
					LastTransitionTime: c.LastTransitionTime,
					LastUpdateTime:     c.LastTransitionTime,
					Reason:             c.Reason,
					Message:            c.Message,
				}
			}
		}
	}
	return nil
}

// nextCheck is how long until the deadline passes, and false if none is running.
func nextCheck(d *appsv1.Deployment, now time.Time) (time.Duration, bool) {
	have := condition(&d.Status, appsv1.DeploymentProgressing)
	if !hasDeadline(d) || d.Spec.Paused || have == nil || have.Reason == reasonTimedOut || have.Reason == reasonComplete || isComplete(d, &d.Status) {
		return 0, false
	}
	// A second more, since times in the API have no fractions.
	return max(0, deadline(d, have).Sub(now)) + time.Second, true
}
