package controller_test

import (
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/keelson-project/keelson/controller"
)

func newJob(change func(*batchv1.JobSpec)) *batchv1.Job {
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "work"}, Spec: batchv1.JobSpec{Template: template("work", "one")}}
	job.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
	change(&job.Spec)
	return job
}

func (w *world) job(job *batchv1.Job) {
	w.Helper()
	_, err := w.client.BatchV1().Jobs("default").Create(w.Context(), job, metav1.CreateOptions{})
	w.check(err)
	w.settle()
}

func (w *world) getJob() *batchv1.Job {
	w.Helper()
	job, err := w.client.BatchV1().Jobs("default").Get(w.Context(), "work", metav1.GetOptions{})
	w.check(err)
	return job
}

// end ends every running pod of the phase given.
func (w *world) end(phase corev1.PodPhase) {
	w.Helper()
	for _, pod := range w.pods() {
		if pod.Status.Phase != corev1.PodRunning {
			continue
		}
		pod.Status.Phase = phase
		pod.Status.Conditions = nil
		_, err := w.client.CoreV1().Pods("default").UpdateStatus(w.Context(), &pod, metav1.UpdateOptions{})
		w.check(err)
	}
	w.settle()
}

func jobReasons(job *batchv1.Job) map[batchv1.JobConditionType]string {
	reasons := make(map[batchv1.JobConditionType]string)
	for _, c := range job.Status.Conditions {
		if c.Status == corev1.ConditionTrue {
			reasons[c.Type] = c.Reason
		}
	}
	return reasons
}

func TestJobCompletes(t *testing.T) {
	bubble(t, controller.Config{}, func(w *world) {
		w.node("n1", nil)
		w.job(newJob(func(s *batchv1.JobSpec) { s.Completions, s.Parallelism = ptr.To(int32(3)), ptr.To(int32(2)) }))
		if got := w.getJob().Status; got.Active != 2 || got.StartTime == nil || *got.Ready != 2 {
			t.Errorf("status %+v", got)
		}
		w.end(corev1.PodSucceeded)
		if got := w.getJob().Status; got.Active != 1 || got.Succeeded != 2 {
			t.Errorf("status %+v", got)
		}
		w.end(corev1.PodSucceeded)
		got := w.getJob()
		reasons := jobReasons(got)
		if got.Status.Succeeded != 3 || got.Status.CompletionTime == nil || reasons[batchv1.JobComplete] != "CompletionsReached" {
			t.Errorf("status %+v", got.Status)
		}
		for _, pod := range w.pods() {
			if len(pod.Finalizers) > 0 {
				t.Errorf("pod %s of a finished job has finalizers %v", pod.Name, pod.Finalizers)
			}
		}
	})
}

func TestJobBacksOffAndFails(t *testing.T) {
	bubble(t, controller.Config{}, func(w *world) {
		w.node("n1", nil)
		w.job(newJob(func(s *batchv1.JobSpec) { s.BackoffLimit = ptr.To(int32(1)) }))
		w.end(corev1.PodFailed)
		if got := w.getJob().Status; got.Active != 0 || got.Failed != 1 {
			t.Errorf("status right after a failure: %+v", got)
		}
		w.pass(11 * time.Second)
		if got := w.getJob().Status; got.Active != 1 {
			t.Errorf("status after the pause: %+v", got)
		}
		w.end(corev1.PodFailed)
		got := w.getJob()
		if reasons := jobReasons(got); got.Status.Failed != 2 || reasons[batchv1.JobFailed] != "BackoffLimitExceeded" {
			t.Errorf("status %+v", got.Status)
		}
	})
}

func TestIndexedJob(t *testing.T) {
	bubble(t, controller.Config{}, func(w *world) {
		w.node("n1", nil)
		w.job(newJob(func(s *batchv1.JobSpec) {
			s.CompletionMode = ptr.To(batchv1.IndexedCompletion)
			s.Completions, s.Parallelism = ptr.To(int32(4)), ptr.To(int32(4))
		}))
		seen := map[string]bool{}
		for _, pod := range w.pods() {
			index := pod.Annotations[batchv1.JobCompletionIndexAnnotation]
			seen[index] = true
			if pod.Spec.Hostname != "work-"+index {
				t.Errorf("pod of index %s has hostname %s", index, pod.Spec.Hostname)
			}
		}
		if len(seen) != 4 {
			t.Errorf("indexes %v", seen)
		}
		w.end(corev1.PodSucceeded)
		if got := w.getJob(); got.Status.CompletedIndexes != "0-3" || jobReasons(got)[batchv1.JobComplete] == "" {
			t.Errorf("status %+v", got.Status)
		}
	})
}

func TestJobSuspendsAndMeetsItsDeadline(t *testing.T) {
	bubble(t, controller.Config{}, func(w *world) {
		w.node("n1", nil)
		w.job(newJob(func(s *batchv1.JobSpec) {
			s.Suspend, s.ActiveDeadlineSeconds = ptr.To(true), ptr.To(int64(60))
		}))
		w.pass(2 * time.Minute)
		job := w.getJob()
		if len(w.pods()) != 0 || jobReasons(job)[batchv1.JobSuspended] != "JobSuspended" {
			t.Errorf("%d pods, status %+v", len(w.pods()), job.Status)
		}
		job.Spec.Suspend = ptr.To(false)
		_, err := w.client.BatchV1().Jobs("default").Update(w.Context(), job, metav1.UpdateOptions{})
		w.check(err)
		w.settle()
		if got := w.getJob().Status; got.Active != 1 {
			t.Errorf("resumed: status %+v", got)
		}
		w.pass(time.Minute)
		if got := w.getJob(); jobReasons(got)[batchv1.JobFailed] != "DeadlineExceeded" || got.Status.Active != 0 {
			t.Errorf("after the deadline: status %+v", got.Status)
		}
	})
}

func TestDeletedJobFreesItsPods(t *testing.T) {
	bubble(t, controller.Config{}, func(w *world) {
		w.node("n1", nil)
		w.job(newJob(func(s *batchv1.JobSpec) { s.Parallelism = ptr.To(int32(3)) }))
		policy := metav1.DeletePropagationBackground
		w.check(w.client.BatchV1().Jobs("default").Delete(w.Context(), "work", metav1.DeleteOptions{PropagationPolicy: &policy}))
		w.settle()
		if _, err := w.client.BatchV1().Jobs("default").Get(w.Context(), "work", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("job: %v", err)
		}
		if n := len(w.pods()); n != 0 {
			t.Errorf("%d pods are left", n)
		}
	})
}
