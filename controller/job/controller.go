package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	batchlisters "k8s.io/client-go/listers/batch/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/ptr"

	"github.com/keelson-project/keelson/controller/owned"
	"github.com/keelson-project/keelson/controller/reconcile"
)

const (
	// burst is how many pods are made or deleted before looking again.
	burst = 500
	// maxUncounted is how many pods are noted as uncounted at a time.
	maxUncounted = 500
)

var kind = batchv1.SchemeGroupVersion.WithKind("Job")

// Controller runs Jobs.
type Controller struct{}

// Name implements [reconcile.Controller].
func (Controller) Name() string { return "job" }

// New implements [reconcile.Controller].
func (c Controller) New(s *reconcile.Shared) (reconcile.Runner, error) {
	pods, err := owned.IndexPods(s.Informers)
	if err != nil {
		return nil, err
	}
	jobs := s.Informers.Batch().V1().Jobs()
	recorder := s.Recorder("job-controller")
	r := &reconciler{
		client:   s.Client,
		recorder: recorder,
		jobs:     jobs.Lister(),
		pods:     pods,
		write:    owned.PodControl{Client: s.Client, Recorder: recorder},
	}
	r.loop = reconcile.NewLoop(s, c.Name(), r.reconcile)
	r.freeing = reconcile.NewLoop(s, "job-orphans", r.free)
	err = errors.Join(
		reconcile.Handle(s, jobs.Informer(), func(old, cur *batchv1.Job) {
			if cur == nil {
				r.expect.Forget(reconcile.KeyOf(old))
				for _, pod := range r.pods.ControlledBy(old.UID) {
					r.freeing.Add(reconcile.KeyOf(pod))
				}
				return
			}
			r.loop.Add(reconcile.KeyOf(cur))
		}),
		reconcile.Handle(s, s.Informers.Core().V1().Pods().Informer(), r.podChanged),
	)
	return r, err
}

type reconciler struct {
	client   kubernetes.Interface
	recorder record.EventRecorder
	jobs     batchlisters.JobLister
	pods     owned.Pods
	write    owned.PodControl
	expect   owned.Expectations
	loop     *reconcile.Loop[reconcile.Key]
	freeing  *reconcile.Loop[reconcile.Key] // pods whose job is gone
}

// Run implements [reconcile.Runner].
func (r *reconciler) Run(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- r.freeing.Run(ctx) }()
	return errors.Join(r.loop.Run(ctx), <-done)
}

func (r *reconciler) owner(pod *corev1.Pod) *batchv1.Job {
	ref := metav1.GetControllerOfNoCopy(pod)
	if ref == nil || ref.Kind != kind.Kind {
		return nil
	}
	job, err := r.jobs.Jobs(pod.Namespace).Get(ref.Name)
	if err != nil || job.UID != ref.UID {
		return nil
	}
	return job
}

func (r *reconciler) podChanged(old, cur *corev1.Pod) {
	if old != nil {
		if job := r.owner(old); job != nil && (cur == nil || !metav1.IsControlledBy(cur, job)) {
			r.expect.Deleted(reconcile.KeyOf(job), reconcile.KeyOf(old))
			r.loop.Add(reconcile.KeyOf(job))
		}
	}
	if cur == nil {
		return
	}
	job := r.owner(cur)
	if job == nil {
		if hasFinalizer(cur) {
			r.freeing.Add(reconcile.KeyOf(cur))
		}
		if metav1.GetControllerOfNoCopy(cur) == nil && (old == nil || !maps.Equal(old.Labels, cur.Labels)) {
			r.offerOrphan(cur)
		}
		return
	}
	key := reconcile.KeyOf(job)
	if old == nil {
		r.expect.Created(key)
	}
	if cur.DeletionTimestamp != nil {
		r.expect.Deleted(key, reconcile.KeyOf(cur))
	}
	r.loop.Add(key)
}

func (r *reconciler) offerOrphan(pod *corev1.Pod) {
	all, err := r.jobs.Jobs(pod.Namespace).List(labels.Everything())
	if err != nil {
		return
	}
	for _, job := range all {
		selector, err := metav1.LabelSelectorAsSelector(job.Spec.Selector)
		if err == nil && !selector.Empty() && selector.Matches(labels.Set(pod.Labels)) {
			r.loop.Add(reconcile.KeyOf(job))
		}
	}
}

// free takes the finalizer off a pod that no job counts any more.
func (r *reconciler) free(ctx context.Context, key reconcile.Key) error {
	pod, err := r.client.CoreV1().Pods(key.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if !hasFinalizer(pod) {
		return nil
	}
	if ref := metav1.GetControllerOf(pod); ref != nil && ref.Kind == kind.Kind {
		job, err := r.client.BatchV1().Jobs(key.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
		switch {
		case err == nil && job.UID == ref.UID:
			return nil // only the cache did not know the job
		case err != nil && !apierrors.IsNotFound(err):
			return err
		}
	}
	return r.dropFinalizer(ctx, pod)
}

func (r *reconciler) dropFinalizer(ctx context.Context, pod *corev1.Pod) error {
	data, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid":                                 pod.UID,
		"$deleteFromPrimitiveList/finalizers": []string{batchv1.JobTrackingFinalizer},
	}})
	if err != nil {
		return err
	}
	_, err = r.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, data, metav1.PatchOptions{})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // another pod took the name
	}
	return err
}

func (r *reconciler) reconcile(ctx context.Context, key reconcile.Key) error {
	cached, err := r.jobs.Jobs(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		r.expect.Forget(key)
		return nil
	}
	if err != nil {
		return err
	}
	if ptr.Deref(cached.Spec.ManagedBy, batchv1.JobControllerName) != batchv1.JobControllerName {
		return nil
	}
	job := cached.DeepCopy()
	selector, err := metav1.LabelSelectorAsSelector(job.Spec.Selector)
	if err != nil {
		return nil // stored so by somebody who skipped validation; nothing can match
	}
	pending := r.expect.Pending(key)
	pods, err := owned.Claim[*corev1.Pod]{
		Owner: job, Kind: kind, Selector: selector, Patch: r.write.Patch,
		Finalizers: []string{batchv1.JobTrackingFinalizer},
		Live: func(ctx context.Context) (metav1.Object, error) {
			return r.client.BatchV1().Jobs(key.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
		},
	}.Of(ctx, append(r.pods.ControlledBy(job.UID), r.pods.Orphans(job.Namespace)...))
	if err != nil {
		return err
	}
	if isFinished(job) {
		var errs []error
		for _, pod := range pods {
			if hasFinalizer(pod) && !owned.IsActive(pod) {
				errs = append(errs, r.dropFinalizer(ctx, pod))
			}
		}
		return errors.Join(errs...)
	}

	now := time.Now()
	if job.Status.StartTime == nil && !ptr.Deref(job.Spec.Suspend, false) {
		job.Status.StartTime = ptr.To(metav1.NewTime(now))
	}
	if left := untilDeadline(job, now); left > 0 {
		r.loop.AddAfter(key, left)
	}
	t := countPods(job, pods)
	fatal := t.countFailures(job)
	fate := outcome(job, &t, fatal, now)
	var manageErr error
	switch {
	case fate != nil:
		setCondition(job, fate)
		if fate.Type == batchv1.JobFailureTarget {
			manageErr = r.remove(ctx, key, job, t.active) // they count as failed
		} else {
			manageErr = r.dismiss(ctx, key, job, t.active)
		}
	case pending > 0:
		r.loop.AddAfter(key, pending)
	case job.DeletionTimestamp == nil:
		r.noteSuspension(job, now)
		manageErr = r.manage(ctx, key, job, &t, pods, now)
	}
	return errors.Join(manageErr, r.settle(ctx, cached, job, &t, fate, now))
}

// noteSuspension records that the job was suspended or resumed.
func (r *reconciler) noteSuspension(job *batchv1.Job, now time.Time) {
	suspended := conditionOf(job, batchv1.JobSuspended) != nil
	switch want := ptr.Deref(job.Spec.Suspend, false); {
	case want && !suspended:
		setCondition(job, newCondition(batchv1.JobSuspended, corev1.ConditionTrue, "JobSuspended", "Job suspended", now))
		r.recorder.Event(job, corev1.EventTypeNormal, "Suspended", "Job suspended")
		job.Status.StartTime = nil
	case !want && suspended:
		setCondition(job, newCondition(batchv1.JobSuspended, corev1.ConditionFalse, "JobResumed", "Job resumed", now))
		r.recorder.Event(job, corev1.EventTypeNormal, "Resumed", "Job resumed")
		job.Status.StartTime = ptr.To(metav1.NewTime(now))
	}
}

// wanted is how many pods should be active.
func wanted(job *batchv1.Job, t *tally) int {
	parallelism := int(ptr.Deref(job.Spec.Parallelism, 1))
	switch {
	case ptr.Deref(job.Spec.Suspend, false):
		return 0
	case job.Spec.Completions != nil:
		return max(0, min(parallelism, int(*job.Spec.Completions-t.succeeded)))
	case t.succeeded > 0:
		return min(parallelism, len(t.active)) // the work is done; those that run may end
	}
	return parallelism
}

// manage makes or deletes pods.
func (r *reconciler) manage(ctx context.Context, key reconcile.Key, job *batchv1.Job, t *tally, pods []*corev1.Pod, now time.Time) error {
	want := wanted(job, t)
	if extra := len(t.active) - want; extra > 0 {
		return r.dismiss(ctx, key, job, notReadyFirst(t.active)[:extra])
	}
	missing := want - len(t.active)
	if onlyReplacesFailed(job) {
		missing -= len(t.terminating)
	}
	if missing <= 0 {
		return nil
	}
	if wait := backoff(pods, now); wait > 0 {
		r.loop.AddAfter(key, wait)
		return nil
	}
	return r.create(ctx, key, job, t, min(missing, burst))
}

// onlyReplacesFailed: a pod that is being deleted is replaced when it has ended, not
// before.
func onlyReplacesFailed(job *batchv1.Job) bool {
	return job.Spec.PodReplacementPolicy != nil && *job.Spec.PodReplacementPolicy == batchv1.Failed
}

func (r *reconciler) create(ctx context.Context, key reconcile.Key, job *batchv1.Job, t *tally, n int) error {
	indexes := make([]int, n)
	for i := range indexes {
		indexes[i] = -1
	}
	if isIndexed(job) {
		indexes = freeIndexes(job, t, n)
	}
	r.expect.ExpectCreations(key, len(indexes))
	created, err := owned.SlowStart(len(indexes), func(i int) error {
		_, err := r.write.Create(ctx, job.Namespace, newPod(job, indexes[i]), job)
		return err
	})
	for range len(indexes) - created {
		r.expect.Created(key)
	}
	if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return nil
	}
	return err
}

// freeIndexes are the first n indexes that have neither succeeded nor a pod.
func freeIndexes(job *batchv1.Job, t *tally, n int) []int {
	taken := maps.Clone(t.indexes)
	for _, pod := range t.active {
		taken[indexOf(pod)] = struct{}{}
	}
	if onlyReplacesFailed(job) {
		for _, pod := range t.terminating {
			taken[indexOf(pod)] = struct{}{}
		}
	}
	var free []int
	for i := 0; i < int(*job.Spec.Completions) && len(free) < n; i++ {
		if _, ok := taken[i]; !ok {
			free = append(free, i)
		}
	}
	return free
}

// newPod is a pod of the job, for a completion index if that is not negative.
func newPod(job *batchv1.Job, index int) *corev1.Pod {
	pod := owned.NewPod(&job.Spec.Template, job, metav1.NewControllerRef(job, kind))
	if !hasFinalizer(pod) {
		pod.Finalizers = append(pod.Finalizers, batchv1.JobTrackingFinalizer)
	}
	if index < 0 {
		return pod
	}
	text := strconv.Itoa(index)
	pod.Annotations[batchv1.JobCompletionIndexAnnotation] = text
	pod.Labels[batchv1.JobCompletionIndexAnnotation] = text
	pod.Spec.Hostname = job.Name + "-" + text
	pod.GenerateName = job.Name + "-" + text + "-"
	env := corev1.EnvVar{Name: "JOB_COMPLETION_INDEX", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{
		FieldPath: fmt.Sprintf("metadata.labels['%s']", batchv1.JobCompletionIndexAnnotation),
	}}}
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			if !slices.ContainsFunc(containers[i].Env, func(e corev1.EnvVar) bool { return e.Name == env.Name }) {
				containers[i].Env = append(containers[i].Env, env)
			}
		}
	}
	return pod
}

func notReadyFirst(pods []*corev1.Pod) []*corev1.Pod {
	rank := func(pod *corev1.Pod) int {
		if owned.IsReady(pod) {
			return 1
		}
		return 0
	}
	return slices.SortedStableFunc(slices.Values(pods), func(a, b *corev1.Pod) int { return rank(a) - rank(b) })
}

// dismiss deletes pods that are needed no more, so that they count neither way.
func (r *reconciler) dismiss(ctx context.Context, key reconcile.Key, job *batchv1.Job, pods []*corev1.Pod) error {
	if _, err := owned.AllAtOnce(len(pods), func(i int) error { return r.dropFinalizer(ctx, pods[i]) }); err != nil {
		return err
	}
	return r.remove(ctx, key, job, pods)
}

// remove deletes pods, a burst of them at most.
func (r *reconciler) remove(ctx context.Context, key reconcile.Key, job *batchv1.Job, pods []*corev1.Pod) error {
	doomed := pods[:min(len(pods), burst)]
	for _, pod := range doomed {
		r.expect.ExpectDeletion(key, reconcile.KeyOf(pod))
	}
	_, err := owned.AllAtOnce(len(doomed), func(i int) error {
		err := r.write.Delete(ctx, doomed[i], job)
		if err != nil {
			r.expect.Deleted(key, reconcile.KeyOf(doomed[i]))
		}
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	})
	return err
}

// settle writes the status, then takes the finalizer off pods that are noted in it.
func (r *reconciler) settle(ctx context.Context, cached, job *batchv1.Job, t *tally, fate *batchv1.JobCondition, now time.Time) error {
	s := &job.Status
	s.Active = int32(len(t.active))
	s.Ready = ptr.To(t.ready)
	s.Terminating = ptr.To(int32(len(t.terminating)))
	s.Failed += t.settledFailed
	uncounted := t.uncounted
	held := slices.Clone(t.held)
	room := maxUncounted - len(uncounted.Succeeded) - len(uncounted.Failed)
	left := false
	for _, pod := range t.freshFailed {
		if room <= 0 {
			left = true
			break
		}
		room--
		held = append(held, pod)
		if action, _ := failureAction(job.Spec.PodFailurePolicy, pod); action != batchv1.PodFailurePolicyActionIgnore {
			uncounted.Failed = append(uncounted.Failed, pod.UID)
		}
	}
	if isIndexed(job) {
		// Indexes are their own record: a pod may be freed once its index is stored.
		s.CompletedIndexes = t.indexes.String()
		s.Succeeded = int32(len(t.indexes))
		held = append(held, t.freshSucceeded...)
	} else {
		s.Succeeded += t.settledSucceeded
		for _, pod := range t.freshSucceeded {
			if room <= 0 {
				left = true
				break
			}
			room--
			held = append(held, pod)
			uncounted.Succeeded = append(uncounted.Succeeded, pod.UID)
		}
	}
	s.UncountedTerminatedPods = &uncounted
	settled := len(held) == 0 && !left && len(uncounted.Succeeded)+len(uncounted.Failed) == 0
	if fate != nil && settled && len(t.active)+len(t.terminating) == 0 {
		r.finish(job, fate, now)
	}
	if !equality.Semantic.DeepEqual(cached.Status, *s) {
		if _, err := r.client.BatchV1().Jobs(job.Namespace).UpdateStatus(ctx, job, metav1.UpdateOptions{}); err != nil {
			if apierrors.IsNotFound(err) {
				return nil
			}
			return fmt.Errorf("writing status: %w", err)
		}
		r.announce(cached, job)
	}
	_, err := owned.AllAtOnce(len(held), func(i int) error { return r.dropFinalizer(ctx, held[i]) })
	return err
}

// finish turns the fate into the final condition.
func (r *reconciler) finish(job *batchv1.Job, fate *batchv1.JobCondition, now time.Time) {
	if fate.Type == batchv1.JobSuccessCriteriaMet {
		setCondition(job, newCondition(batchv1.JobComplete, corev1.ConditionTrue, fate.Reason, fate.Message, now))
		job.Status.CompletionTime = ptr.To(metav1.NewTime(now))
		return
	}
	setCondition(job, newCondition(batchv1.JobFailed, corev1.ConditionTrue, fate.Reason, fate.Message, now))
}

// announce tells of the job's end.
func (r *reconciler) announce(before, after *batchv1.Job) {
	if isFinished(before) || !isFinished(after) {
		return
	}
	if failed := conditionOf(after, batchv1.JobFailed); failed != nil {
		r.recorder.Event(after, corev1.EventTypeWarning, failed.Reason, failed.Message)
		return
	}
	if after.Spec.Completions != nil && after.Status.Succeeded > *after.Spec.Completions {
		r.recorder.Event(after, corev1.EventTypeWarning, "TooManySucceededPods", "Too many succeeded pods running after completion count reached")
	}
	r.recorder.Event(after, corev1.EventTypeNormal, "Completed", "Job completed")
}
