// Package ttlafterfinished deletes Jobs some time after they finished, if their spec
// says so.
package ttlafterfinished

import (
	"context"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	batchlisters "k8s.io/client-go/listers/batch/v1"

	"github.com/keelson-project/keelson/controller/reconcile"
)

// Controller deletes finished Jobs.
type Controller struct{}

// Name implements [reconcile.Controller].
func (Controller) Name() string { return "ttlafterfinished" }

// New implements [reconcile.Controller].
func (c Controller) New(s *reconcile.Shared) (reconcile.Runner, error) {
	jobs := s.Informers.Batch().V1().Jobs()
	r := &reconciler{client: s.Client, jobs: jobs.Lister()}
	r.loop = reconcile.NewLoop(s, c.Name(), r.reconcile)
	err := reconcile.Handle(s, jobs.Informer(), func(_, cur *batchv1.Job) {
		if cur == nil {
			return
		}
		if _, ok := expiry(cur); ok {
			r.loop.Add(reconcile.KeyOf(cur))
		}
	})
	return r.loop, err
}

type reconciler struct {
	client kubernetes.Interface
	jobs   batchlisters.JobLister
	loop   *reconcile.Loop[reconcile.Key]
}

// expiry is when the job is to be deleted; false if it has not finished, or stays.
func expiry(job *batchv1.Job) (time.Time, bool) {
	if job.Spec.TTLSecondsAfterFinished == nil || job.DeletionTimestamp != nil {
		return time.Time{}, false
	}
	for _, c := range job.Status.Conditions {
		if (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) && c.Status == corev1.ConditionTrue && !c.LastTransitionTime.IsZero() {
			return c.LastTransitionTime.Add(time.Duration(*job.Spec.TTLSecondsAfterFinished) * time.Second), true
		}
	}
	return time.Time{}, false
}

func (r *reconciler) reconcile(ctx context.Context, key reconcile.Key) error {
	job, err := r.jobs.Jobs(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	at, ok := expiry(job)
	if !ok {
		return nil
	}
	if left := time.Until(at); left > 0 {
		r.loop.AddAfter(key, left)
		return nil
	}
	// The cache may be behind: the time may just have been raised.
	job, err = r.client.BatchV1().Jobs(key.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	at, ok = expiry(job)
	if !ok || time.Until(at) > 0 {
		return nil // its update is on the way to the cache
	}
	policy := metav1.DeletePropagationForeground
	err = r.client.BatchV1().Jobs(key.Namespace).Delete(ctx, key.Name, metav1.DeleteOptions{
		PropagationPolicy: &policy,
		Preconditions:     &metav1.Preconditions{UID: &job.UID, ResourceVersion: &job.ResourceVersion},
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting finished job %s: %w", key, err)
	}
	return nil
}
