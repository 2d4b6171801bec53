package replicaset

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/keelson-project/keelson/controller/owned"
	"github.com/keelson-project/keelson/controller/reconcile"
)

func secondsOf(n int32) time.Duration { return time.Duration(n) * time.Second }

func (r *reconciler) reconcile(ctx context.Context, key reconcile.Key) error {
	set, err := r.get(key)
	if apierrors.IsNotFound(err) {
		r.expect.Forget(key)
		return nil
	}
	if err != nil {
		return err
	}
	selector, err := metav1.LabelSelectorAsSelector(set.Spec.Selector)
	if err != nil {
		return nil // stored so by somebody who skipped validation; nothing can match
	}
	// Asked before the pods are listed: what is seen after the question is in the list.
	pending := r.expect.Pending(key)
	active, terminating, err := r.claim(ctx, key, set, selector)
	if err != nil {
		return err
	}

	var sizeErr error
	switch {
	case set.DeletionTimestamp != nil:
	case pending > 0:
		r.loop.AddAfter(key, pending)
	default:
		sizeErr = r.resize(ctx, key, set, active)
	}

	now := time.Now()
	status := statusOf(set, active, len(terminating), sizeErr, now)
	if !r.countTerminating {
		status.TerminatingReplicas = nil
	}
	written, err := r.writeStatusOf(ctx, key, set, status)
	if err != nil {
		return err
	}
	if sizeErr != nil {
		return sizeErr
	}
	if set.Spec.MinReadySeconds > 0 && written.ReadyReplicas != written.AvailableReplicas {
		next, ok := owned.UntilAvailable(active, set.Spec.MinReadySeconds, now)
		if !ok {
			next = secondsOf(set.Spec.MinReadySeconds)
		}
		r.loop.AddAfter(key, next)
	}
	return nil
}

// claim returns the set's active pods, adopting and releasing as the selector says,
// and those of its pods that are going.
func (r *reconciler) claim(ctx context.Context, key reconcile.Key, set *appsv1.ReplicaSet, selector labels.Selector) (active, terminating []*corev1.Pod, err error) {
	var candidates []*corev1.Pod
	for _, pod := range append(r.pods.ControlledBy(set.UID), r.pods.Orphans(set.Namespace)...) {
		switch {
		case owned.IsActive(pod):
			candidates = append(candidates, pod)
		case owned.IsTerminating(pod) && metav1.IsControlledBy(pod, set) && selector.Matches(labels.Set(pod.Labels)):
			terminating = append(terminating, pod)
		}
	}
	active, err = owned.Claim[*corev1.Pod]{
		Owner:    set,
		Kind:     r.kind,
		Selector: selector,
		Live: func(ctx context.Context) (metav1.Object, error) {
			return r.live(ctx, key)
		},
		Patch: r.write.Patch,
	}.Of(ctx, candidates)
	return active, terminating, err
}

// resize makes or deletes pods until there are as many as the spec asks for, at most
// a burst of them.
func (r *reconciler) resize(ctx context.Context, key reconcile.Key, set *appsv1.ReplicaSet, active []*corev1.Pod) error {
	diff := len(active) - int(*set.Spec.Replicas)
	switch {
	case diff < 0:
		return r.grow(ctx, key, set, min(-diff, r.burst))
	case diff > 0:
		return r.shrink(ctx, key, set, active, min(diff, r.burst))
	}
	return nil
}

func (r *reconciler) grow(ctx context.Context, key reconcile.Key, set *appsv1.ReplicaSet, n int) error {
	r.expect.ExpectCreations(key, n)
	ref := metav1.NewControllerRef(set, r.kind)
	created, err := owned.SlowStart(n, func(int) error {
		_, err := r.write.Create(ctx, set.Namespace, owned.NewPod(&set.Spec.Template, set, ref), set)
		return err
	})
	for range n - created {
		r.expect.Created(key)
	}
	if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return nil // no creation can succeed until the set itself is gone
	}
	return err
}

func (r *reconciler) shrink(ctx context.Context, key reconcile.Key, set *appsv1.ReplicaSet, active []*corev1.Pod, n int) error {
	doomed := toDelete(active, r.relatives(set), n, time.Now())
	for _, pod := range doomed {
		r.expect.ExpectDeletion(key, reconcile.KeyOf(pod))
	}
	_, err := owned.AllAtOnce(len(doomed), func(i int) error {
		err := r.write.Delete(ctx, doomed[i], set)
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

// relatives returns the pods of all sets that have the same controller as this one:
// when a rollout is under way, a node is better left to one revision's pod.
func (r *reconciler) relatives(set *appsv1.ReplicaSet) []*corev1.Pod {
	var pods []*corev1.Pod
	for _, sibling := range r.siblings(set) {
		pods = append(pods, r.pods.ControlledBy(sibling.UID)...)
	}
	return pods
}

// writeStatusOf stores the status if it says anything new.
func (r *reconciler) writeStatusOf(ctx context.Context, key reconcile.Key, set *appsv1.ReplicaSet, status appsv1.ReplicaSetStatus) (appsv1.ReplicaSetStatus, error) {
	if equality.Semantic.DeepEqual(set.Status, status) {
		return status, nil
	}
	next := set.DeepCopy()
	for try := 0; ; try++ {
		next.Status = status
		written, err := r.writeStatus(ctx, next)
		if err == nil {
			return written.Status, nil
		}
		if !apierrors.IsConflict(err) || try > 0 {
			if apierrors.IsNotFound(err) {
				return status, nil
			}
			return status, fmt.Errorf("writing status: %w", err)
		}
		if next, err = r.live(ctx, key); err != nil {
			return status, err
		}
		if next.UID != set.UID {
			return status, reconcile.ErrTryAgain
		}
	}
}
