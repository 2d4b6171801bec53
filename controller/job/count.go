package job

import (
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/keelson-project/keelson/controller/owned"
)

// tally is where a job stands.
type tally struct {
	active, terminating []*corev1.Pod
	// fresh have ended and are not in the status in any way yet.
	freshSucceeded, freshFailed []*corev1.Pod
	// held have ended, are noted as uncounted, and still have the finalizer.
	held []*corev1.Pod
	// settled were noted as uncounted and have lost the finalizer, or are gone.
	settledSucceeded, settledFailed int32
	// uncounted is what stays noted.
	uncounted batchv1.UncountedTerminatedPods
	// indexes that have succeeded, of an indexed job, fresh ones included.
	indexes indexSet
	ready   int32
	// succeeded and failed are the totals, fresh and uncounted ones included.
	succeeded, failed int32
}

func hasFinalizer(pod *corev1.Pod) bool {
	return slices.Contains(pod.Finalizers, batchv1.JobTrackingFinalizer)
}

// countPods sorts a job's pods.
func countPods(job *batchv1.Job, pods []*corev1.Pod) tally {
	t := tally{succeeded: job.Status.Succeeded, failed: job.Status.Failed}
	if isIndexed(job) {
		t.indexes = parseIndexes(job.Status.CompletedIndexes, int(*job.Spec.Completions))
	}
	var noted batchv1.UncountedTerminatedPods
	if job.Status.UncountedTerminatedPods != nil {
		noted = *job.Status.UncountedTerminatedPods
	}
	holding := make(map[types.UID]bool)
	for _, pod := range pods {
		if hasFinalizer(pod) {
			holding[pod.UID] = true
		}
		switch {
		case owned.IsActive(pod):
			t.active = append(t.active, pod)
			if owned.IsReady(pod) {
				t.ready++
			}
			continue
		case owned.IsTerminating(pod):
			t.terminating = append(t.terminating, pod)
			if onlyReplacesFailed(job) {
				continue // its end is still to come
			}
			// Somebody deleted it: that is a failure, whether or not it ever ends. Those
			// that this controller deletes have lost the finalizer before.
		}
		succeeded := pod.Status.Phase == corev1.PodSucceeded
		switch {
		case !hasFinalizer(pod):
		case slices.Contains(noted.Succeeded, pod.UID) || slices.Contains(noted.Failed, pod.UID):
			t.held = append(t.held, pod)
		case succeeded && isIndexed(job):
			i := indexOf(pod)
			if _, have := t.indexes[i]; !have && i >= 0 && i < int(*job.Spec.Completions) {
				t.indexes[i] = struct{}{}
			}
			t.freshSucceeded = append(t.freshSucceeded, pod)
		case succeeded:
			t.freshSucceeded = append(t.freshSucceeded, pod)
		default:
			t.freshFailed = append(t.freshFailed, pod)
		}
	}
	for _, uid := range noted.Succeeded {
		if holding[uid] {
			t.uncounted.Succeeded = append(t.uncounted.Succeeded, uid)
		} else {
			t.settledSucceeded++
		}
	}
	for _, uid := range noted.Failed {
		if holding[uid] {
			t.uncounted.Failed = append(t.uncounted.Failed, uid)
		} else {
			t.settledFailed++
		}
	}
	t.failed += int32(len(noted.Failed))
	t.succeeded += int32(len(noted.Succeeded))
	if isIndexed(job) {
		t.succeeded = int32(len(t.indexes))
	} else {
		t.succeeded += int32(len(t.freshSucceeded))
	}
	return t
}

// countFailures adds the fresh failures that count by the job's failure policy. It
// returns the message of a rule that fails the whole job, if one matched.
func (t *tally) countFailures(job *batchv1.Job) (fatal string) {
	for _, pod := range t.freshFailed {
		action, message := failureAction(job.Spec.PodFailurePolicy, pod)
		if action == batchv1.PodFailurePolicyActionFailJob && fatal == "" {
			fatal = message
		}
		if action != batchv1.PodFailurePolicyActionIgnore {
			t.failed++
		}
	}
	return fatal
}
