// Package cronjob makes Jobs by a schedule.
package cronjob

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	batchlisters "k8s.io/client-go/listers/batch/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/tools/reference"
	"k8s.io/utils/ptr"

	"github.com/keelson-project/keelson/controller/reconcile"
)

// manyMissed is how many missed starts are worth a warning.
const manyMissed = 100

var kind = batchv1.SchemeGroupVersion.WithKind("CronJob")

// Controller runs CronJobs.
type Controller struct{}

// Name implements [reconcile.Controller].
func (Controller) Name() string { return "cronjob" }

// New implements [reconcile.Controller].
func (c Controller) New(s *reconcile.Shared) (reconcile.Runner, error) {
	crons := s.Informers.Batch().V1().CronJobs()
	jobs := s.Informers.Batch().V1().Jobs()
	r := &reconciler{
		client:   s.Client,
		recorder: s.Recorder("cronjob-controller"),
		crons:    crons.Lister(),
		jobs:     jobs.Lister(),
	}
	r.loop = reconcile.NewLoop(s, c.Name(), r.reconcile)
	err := errors.Join(
		reconcile.Handle(s, crons.Informer(), func(_, cur *batchv1.CronJob) {
			if cur != nil {
				r.loop.Add(reconcile.KeyOf(cur))
			}
		}),
		reconcile.Handle(s, jobs.Informer(), func(old, cur *batchv1.Job) {
			for _, job := range []*batchv1.Job{old, cur} {
				if job == nil {
					continue
				}
				if ref := metav1.GetControllerOfNoCopy(job); ref != nil && ref.Kind == kind.Kind {
					r.loop.Add(reconcile.Key{Namespace: job.Namespace, Name: ref.Name})
				}
			}
		}),
	)
	return r.loop, err
}

type reconciler struct {
	client   kubernetes.Interface
	recorder record.EventRecorder
	crons    batchlisters.CronJobLister
	jobs     batchlisters.JobLister
	loop     *reconcile.Loop[reconcile.Key]
}

func finished(job *batchv1.Job) (batchv1.JobConditionType, bool) {
	for _, c := range job.Status.Conditions {
		if (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) && c.Status == corev1.ConditionTrue {
			return c.Type, true
		}
	}
	return "", false
}

func (r *reconciler) reconcile(ctx context.Context, key reconcile.Key) error {
	cached, err := r.crons.CronJobs(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	cron := cached.DeepCopy()
	all, err := r.jobs.Jobs(key.Namespace).List(labels.Everything())
	if err != nil {
		return err
	}
	mine := slices.DeleteFunc(all, func(job *batchv1.Job) bool { return !metav1.IsControlledBy(job, cron) })
	r.follow(cron, mine)
	pruneErr := r.prune(ctx, cron, mine)
	var startErr error
	if cron.DeletionTimestamp == nil && !ptr.Deref(cron.Spec.Suspend, false) {
		startErr = r.start(ctx, key, cron, mine, time.Now())
	}
	var storeErr error
	if !equality.Semantic.DeepEqual(cached.Status, cron.Status) {
		_, storeErr = r.client.BatchV1().CronJobs(key.Namespace).UpdateStatus(ctx, cron, metav1.UpdateOptions{})
		if apierrors.IsNotFound(storeErr) {
			storeErr = nil
		}
	}
	return errors.Join(pruneErr, startErr, storeErr)
}

// follow brings the list of active jobs up to date with the jobs.
func (r *reconciler) follow(cron *batchv1.CronJob, mine []*batchv1.Job) {
	known := make(map[string]*batchv1.Job, len(mine))
	for _, job := range mine {
		known[job.Name] = job
		listed := slices.ContainsFunc(cron.Status.Active, func(ref corev1.ObjectReference) bool { return ref.UID == job.UID })
		how, over := finished(job)
		if over && listed {
			r.recorder.Eventf(cron, corev1.EventTypeNormal, "SawCompletedJob", "Saw completed job: %s, condition: %v", job.Name, how)
		}
		if over && how == batchv1.JobComplete && job.Status.CompletionTime != nil &&
			(cron.Status.LastSuccessfulTime == nil || cron.Status.LastSuccessfulTime.Before(job.Status.CompletionTime)) {
			cron.Status.LastSuccessfulTime = job.Status.CompletionTime
		}
		if !over && !listed {
			if ref, err := reference.GetReference(scheme.Scheme, job); err == nil {
				cron.Status.Active = append(cron.Status.Active, *ref)
			}
		}
	}
	cron.Status.Active = slices.DeleteFunc(cron.Status.Active, func(ref corev1.ObjectReference) bool {
		job := known[ref.Name]
		if job == nil || job.UID != ref.UID {
			r.recorder.Eventf(cron, corev1.EventTypeNormal, "MissingJob", "Active job went missing: %v", ref.Name)
			return true
		}
		_, over := finished(job)
		return over
	})
}

// prune deletes finished jobs beyond the history limits, the earliest first.
func (r *reconciler) prune(ctx context.Context, cron *batchv1.CronJob, mine []*batchv1.Job) error {
	var errs []error
	for _, keep := range []struct {
		how   batchv1.JobConditionType
		limit *int32
	}{
		{batchv1.JobComplete, cron.Spec.SuccessfulJobsHistoryLimit},
		{batchv1.JobFailed, cron.Spec.FailedJobsHistoryLimit},
	} {
		if keep.limit == nil {
			continue
		}
		var some []*batchv1.Job
		for _, job := range mine {
			if how, over := finished(job); over && how == keep.how && job.DeletionTimestamp == nil {
				some = append(some, job)
			}
		}
		slices.SortFunc(some, func(a, b *batchv1.Job) int {
			at := func(job *batchv1.Job) time.Time { return ptr.Deref(job.Status.StartTime, job.CreationTimestamp).Time }
			return cmp.Or(at(a).Compare(at(b)), cmp.Compare(a.Name, b.Name))
		})
		for _, job := range some[:max(0, len(some)-int(*keep.limit))] {
			errs = append(errs, r.delete(ctx, cron, job))
		}
	}
	return errors.Join(errs...)
}

func (r *reconciler) delete(ctx context.Context, cron *batchv1.CronJob, job *batchv1.Job) error {
	policy := metav1.DeletePropagationBackground
	err := r.client.BatchV1().Jobs(job.Namespace).Delete(ctx, job.Name, metav1.DeleteOptions{
		PropagationPolicy: &policy, Preconditions: &metav1.Preconditions{UID: &job.UID},
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		r.recorder.Eventf(cron, corev1.EventTypeWarning, "FailedDelete", "Deleted job: %v", err)
		return fmt.Errorf("deleting job %s/%s: %w", job.Namespace, job.Name, err)
	}
	r.recorder.Eventf(cron, corev1.EventTypeNormal, "SuccessfulDelete", "Deleted job %v", job.Name)
	return nil
}

// start makes the job that is due, if one is, and sees to the next.
func (r *reconciler) start(ctx context.Context, key reconcile.Key, cron *batchv1.CronJob, mine []*batchv1.Job, now time.Time) error {
	zone := time.Local
	if cron.Spec.TimeZone != nil {
		loaded, err := time.LoadLocation(*cron.Spec.TimeZone)
		if err != nil {
			r.recorder.Eventf(cron, corev1.EventTypeWarning, "UnknownTimeZone", "invalid timeZone: %q: %s", *cron.Spec.TimeZone, err)
			return nil
		}
		zone = loaded
	}
	plan, err := parse(cron.Spec.Schedule, zone)
	if err != nil {
		r.recorder.Eventf(cron, corev1.EventTypeWarning, "UnparseableSchedule", "unparseable schedule: %q : %s", cron.Spec.Schedule, err)
		return nil
	}
	from := cron.CreationTimestamp.Time
	if cron.Status.LastScheduleTime != nil {
		from = cron.Status.LastScheduleTime.Time
	}
	var grace time.Duration
	if cron.Spec.StartingDeadlineSeconds != nil {
		grace = time.Duration(*cron.Spec.StartingDeadlineSeconds) * time.Second
		if earliest := now.Add(-grace); earliest.After(from) {
			from = earliest
		}
	}
	missed, due := plan.missed(from, now, manyMissed)
	if next := plan.next(now); !next.IsZero() {
		r.loop.AddAfter(key, next.Sub(now)+100*time.Millisecond)
	}
	if missed > manyMissed {
		r.recorder.Eventf(cron, corev1.EventTypeWarning, "TooManyMissedTimes", "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew")
	}
	if missed == 0 {
		return nil
	}
	if grace > 0 && due.Add(grace).Before(now) {
		r.recorder.Eventf(cron, corev1.EventTypeWarning, "MissSchedule", "Missed scheduled time to start a job: %s", due.UTC().Format(time.RFC1123Z))
		return nil
	}
	if len(cron.Status.Active) > 0 {
		switch cron.Spec.ConcurrencyPolicy {
		case batchv1.ForbidConcurrent:
			r.recorder.Eventf(cron, corev1.EventTypeNormal, "JobAlreadyActive", "Not starting job because prior execution is running and concurrency policy is Forbid")
			return nil // the end of the running one wakes the cron job up
		case batchv1.ReplaceConcurrent:
			for _, job := range mine {
				if _, over := finished(job); !over {
					if err := r.delete(ctx, cron, job); err != nil {
						return err
					}
				}
			}
			cron.Status.Active = nil
		}
	}
	return r.create(ctx, cron, due)
}

// create makes the job of one moment. Its name holds the moment, so that it is made
// once.
func (r *reconciler) create(ctx context.Context, cron *batchv1.CronJob, due time.Time) error {
	annotations := maps.Clone(cron.Spec.JobTemplate.Annotations)
	if annotations == nil {
		annotations = make(map[string]string)
	}
	annotations[batchv1.CronJobScheduledTimestampAnnotation] = due.Format(time.RFC3339)
	job, err := r.client.BatchV1().Jobs(cron.Namespace).Create(ctx, &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Name:              fmt.Sprintf("%s-%d", cron.Name, due.Unix()/60),
			Labels:            maps.Clone(cron.Spec.JobTemplate.Labels),
			Annotations:       annotations,
			CreationTimestamp: metav1.NewTime(due),
			OwnerReferences:   []metav1.OwnerReference{*metav1.NewControllerRef(cron, kind)},
		},
		Spec: *cron.Spec.JobTemplate.Spec.DeepCopy(),
	}, metav1.CreateOptions{})
	switch {
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return nil
	case apierrors.IsAlreadyExists(err):
		// Made before; only the note of it got lost, or is on its way to the cache.
	case err != nil:
		r.recorder.Eventf(cron, corev1.EventTypeWarning, "FailedCreate", "Error creating job: %v", err)
		return fmt.Errorf("creating job for %s/%s: %w", cron.Namespace, cron.Name, err)
	default:
		r.recorder.Eventf(cron, corev1.EventTypeNormal, "SuccessfulCreate", "Created job %v", job.Name)
		if ref, err := reference.GetReference(scheme.Scheme, job); err == nil {
			cron.Status.Active = append(cron.Status.Active, *ref)
		}
	}
	cron.Status.LastScheduleTime = ptr.To(metav1.NewTime(due))
	return nil
}
