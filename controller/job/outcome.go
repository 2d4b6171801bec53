package job

import (
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

func conditionOf(job *batchv1.Job, of batchv1.JobConditionType) *batchv1.JobCondition {
	i := slices.IndexFunc(job.Status.Conditions, func(c batchv1.JobCondition) bool {
		return c.Type == of && c.Status == corev1.ConditionTrue
	})
	if i < 0 {
		return nil
	}
	return &job.Status.Conditions[i]
}

// isFinished reports whether the job is over.
func isFinished(job *batchv1.Job) bool {
	return conditionOf(job, batchv1.JobComplete) != nil || conditionOf(job, batchv1.JobFailed) != nil
}

// failureAction is what the policy says about a pod that failed; Count where no rule
// matches.
func failureAction(policy *batchv1.PodFailurePolicy, pod *corev1.Pod) (batchv1.PodFailurePolicyAction, string) {
	if policy == nil {
		return batchv1.PodFailurePolicyActionCount, ""
	}
	for i, rule := range policy.Rules {
		switch {
		case rule.OnExitCodes != nil:
			if c := exitMatching(pod, rule.OnExitCodes); c != nil {
				return rule.Action, fmt.Sprintf("Container %s for pod %s/%s failed with exit code %v matching %v rule at index %d",
					c.Name, pod.Namespace, pod.Name, c.State.Terminated.ExitCode, rule.Action, i)
			}
		default:
			for _, c := range pod.Status.Conditions {
				if slices.ContainsFunc(rule.OnPodConditions, func(p batchv1.PodFailurePolicyOnPodConditionsPattern) bool {
					return p.Type == c.Type && p.Status == c.Status
				}) {
					return rule.Action, fmt.Sprintf("Pod %s/%s has condition %v matching %v rule at index %d", pod.Namespace, pod.Name, c.Type, rule.Action, i)
				}
			}
		}
	}
	return batchv1.PodFailurePolicyActionCount, ""
}

func exitMatching(pod *corev1.Pod, want *batchv1.PodFailurePolicyOnExitCodesRequirement) *corev1.ContainerStatus {
	for _, list := range [][]corev1.ContainerStatus{pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses} {
		for i := range list {
			end := list[i].State.Terminated
			if end == nil || end.ExitCode == 0 || want.ContainerName != nil && *want.ContainerName != list[i].Name {
				continue
			}
			if slices.Contains(want.Values, end.ExitCode) == (want.Operator == batchv1.PodFailurePolicyOnExitCodesOpIn) {
				return &list[i]
			}
		}
	}
	return nil
}

// outcome is the condition that decides the job's fate, nil while it is open.
func outcome(job *batchv1.Job, t *tally, fatal string, now time.Time) *batchv1.JobCondition {
	if have := conditionOf(job, batchv1.JobFailureTarget); have != nil {
		return have
	}
	if have := conditionOf(job, batchv1.JobSuccessCriteriaMet); have != nil {
		return have
	}
	fail := func(reason, message string) *batchv1.JobCondition {
		return newCondition(batchv1.JobFailureTarget, corev1.ConditionTrue, reason, message, now)
	}
	switch {
	case fatal != "":
		return fail(batchv1.JobReasonPodFailurePolicy, fatal)
	case t.failed > ptr.Deref(job.Spec.BackoffLimit, 6) || restartsExceed(job, t):
		return fail(batchv1.JobReasonBackoffLimitExceeded, "Job has reached the specified backoff limit")
	case untilDeadline(job, now) == 0:
		return fail(batchv1.JobReasonDeadlineExceeded, "Job was active longer than specified deadline")
	}
	if message, met := successPolicyMet(job, t); met {
		return newCondition(batchv1.JobSuccessCriteriaMet, corev1.ConditionTrue, batchv1.JobReasonSuccessPolicy, message, now)
	}
	done := false
	if job.Spec.Completions == nil {
		done = t.succeeded > 0 && len(t.active) == 0
	} else {
		done = t.succeeded >= *job.Spec.Completions && len(t.active) == 0
	}
	if done {
		return newCondition(batchv1.JobSuccessCriteriaMet, corev1.ConditionTrue, batchv1.JobReasonCompletionsReached, "Reached expected number of succeeded pods", now)
	}
	return nil
}

// restartsExceed: where pods restart their containers themselves, restarts count.
func restartsExceed(job *batchv1.Job, t *tally) bool {
	if job.Spec.Template.Spec.RestartPolicy != corev1.RestartPolicyOnFailure {
		return false
	}
	var restarts int32
	for _, pod := range t.active {
		for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
			for _, c := range list {
				restarts += c.RestartCount
			}
		}
	}
	limit := ptr.Deref(job.Spec.BackoffLimit, 6)
	return limit == 0 && restarts > 0 || limit > 0 && restarts >= limit
}

// untilDeadline is the time left of activeDeadlineSeconds, -1 if there is no limit.
func untilDeadline(job *batchv1.Job, now time.Time) time.Duration {
	if job.Spec.ActiveDeadlineSeconds == nil || job.Status.StartTime == nil || ptr.Deref(job.Spec.Suspend, false) {
		return -1
	}
	end := job.Status.StartTime.Add(time.Duration(*job.Spec.ActiveDeadlineSeconds) * time.Second)
	return max(0, end.Sub(now))
}

func successPolicyMet(job *batchv1.Job, t *tally) (string, bool) {
	if job.Spec.SuccessPolicy == nil || !isIndexed(job) || len(t.indexes) == 0 {
		return "", false
	}
	for i, rule := range job.Spec.SuccessPolicy.Rules {
		want, have := -1, len(t.indexes)
		if rule.SucceededIndexes != nil {
			required := parseIndexes(*rule.SucceededIndexes, int(*job.Spec.Completions))
			if len(required) == 0 {
				continue
			}
			want, have = len(required), 0
			for index := range required {
				if _, ok := t.indexes[index]; ok {
					have++
				}
			}
		}
		if rule.SucceededCount != nil {
			want = int(*rule.SucceededCount)
		}
		if want >= 0 && have >= want {
			return fmt.Sprintf("Matched rules at index %d", i), true
		}
	}
	return "", false
}

func newCondition(of batchv1.JobConditionType, status corev1.ConditionStatus, reason, message string, now time.Time) *batchv1.JobCondition {
	return &batchv1.JobCondition{
		Type: of, Status: status, Reason: reason, Message: message,
		LastProbeTime: metav1.NewTime(now), LastTransitionTime: metav1.NewTime(now),
	}
}

// setCondition puts the condition in place of the one of its type, if it differs.
func setCondition(job *batchv1.Job, c *batchv1.JobCondition) {
	for i := range job.Status.Conditions {
		if have := &job.Status.Conditions[i]; have.Type == c.Type {
			if have.Status != c.Status || have.Reason != c.Reason || have.Message != c.Message {
				*have = *c
			}
			return
		}
	}
	job.Status.Conditions = append(job.Status.Conditions, *c)
}

const (
	firstBackoff = 10 * time.Second
	lastBackoff  = 10 * time.Minute
)

// backoff is how long to wait before new pods are made, after the failures seen since
// the last success.
func backoff(all []*corev1.Pod, now time.Time) time.Duration {
	var lastSuccess time.Time
	var failures []time.Time
	for _, pod := range all {
		switch pod.Status.Phase {
		case corev1.PodSucceeded:
			if at := endOf(pod); at.After(lastSuccess) {
				lastSuccess = at
			}
		case corev1.PodFailed:
			failures = append(failures, endOf(pod))
		}
	}
	n := 0
	var last time.Time
	for _, at := range failures {
		if at.After(lastSuccess) {
			n++
			if at.After(last) {
				last = at
			}
		}
	}
	if n == 0 {
		return 0
	}
	pause := min(lastBackoff, firstBackoff<<min(n-1, 10))
	return max(0, last.Add(pause).Sub(now))
}

// endOf is when the pod's last container ended; when that is not known, when it was
// made.
func endOf(pod *corev1.Pod) time.Time {
	var end time.Time
	for _, c := range pod.Status.ContainerStatuses {
		if t := c.State.Terminated; t != nil && t.FinishedAt.After(end) {
			end = t.FinishedAt.Time
		}
	}
	if end.IsZero() {
		for _, c := range pod.Status.Conditions {
			if c.Type == corev1.PodReady && c.LastTransitionTime.After(end) {
				end = c.LastTransitionTime.Time
			}
		}
	}
	if end.IsZero() {
		end = pod.CreationTimestamp.Time
	}
	return end
}
