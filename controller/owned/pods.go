package owned

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// PodCondition returns the pod's condition of that type, or nil.
func PodCondition(pod *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == kind {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

// IsReady reports whether the pod's Ready condition is true.
func IsReady(pod *corev1.Pod) bool {
	c := PodCondition(pod, corev1.PodReady)
	return c != nil && c.Status == corev1.ConditionTrue
}

// ReadySince returns when the pod became ready, zero if it is not.
func ReadySince(pod *corev1.Pod) time.Time {
	c := PodCondition(pod, corev1.PodReady)
	if c == nil || c.Status != corev1.ConditionTrue {
		return time.Time{}
	}
	return c.LastTransitionTime.Time
}

// IsAvailable reports whether the pod has been ready for minReadySeconds at now.
func IsAvailable(pod *corev1.Pod, minReadySeconds int32, now time.Time) bool {
	if !IsReady(pod) {
		return false
	}
	if minReadySeconds == 0 {
		return true
	}
	since := ReadySince(pod)
	return !since.IsZero() && !since.Add(time.Duration(minReadySeconds)*time.Second).After(now)
}

// UntilAvailable returns the time until the next of the ready pods becomes available,
// and false if none is waiting.
func UntilAvailable(pods []*corev1.Pod, minReadySeconds int32, now time.Time) (time.Duration, bool) {
	var next time.Duration
	found := false
	for _, pod := range pods {
		since := ReadySince(pod)
		if since.IsZero() {
			continue
		}
		left := since.Add(time.Duration(minReadySeconds) * time.Second).Sub(now)
		if left > 0 && (!found || left < next) {
			next, found = left, true
		}
	}
	return next, found
}

// IsFinished reports whether all containers of the pod have ended for good.
func IsFinished(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// IsActive reports whether the pod neither has finished nor is being deleted.
func IsActive(pod *corev1.Pod) bool {
	return !IsFinished(pod) && pod.DeletionTimestamp == nil
}

// IsTerminating reports whether the pod is being deleted and has not finished.
func IsTerminating(pod *corev1.Pod) bool {
	return !IsFinished(pod) && pod.DeletionTimestamp != nil
}

// Restarts returns the highest restart count among the containers, and among the
// sidecars (init containers that keep running).
func Restarts(pod *corev1.Pod) (containers, sidecars int32) {
	for _, c := range pod.Status.ContainerStatuses {
		containers = max(containers, c.RestartCount)
	}
	for _, c := range pod.Spec.InitContainers {
		if c.RestartPolicy == nil || *c.RestartPolicy != corev1.ContainerRestartPolicyAlways {
			continue
		}
		for _, status := range pod.Status.InitContainerStatuses {
			if status.Name == c.Name {
				sidecars = max(sidecars, status.RestartCount)
			}
		}
	}
	return containers, sidecars
}
