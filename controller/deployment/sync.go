package deployment

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keelson-project/keelson/controller/owned"
	"github.com/keelson-project/keelson/controller/reconcile"
)

func (r *reconciler) reconcile(ctx context.Context, key reconcile.Key) error {
	cached, err := r.deployments.Deployments(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	d := cached.DeepCopy()
	selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
	if err != nil {
		return nil // stored so by somebody who skipped validation; nothing can match
	}
	if selector.Empty() {
		r.recorder.Event(d, corev1.EventTypeWarning, "SelectingAll", "This deployment is selecting all pods. A non-empty selector is required.")
		d.Status.ObservedGeneration = max(d.Status.ObservedGeneration, d.Generation)
		return r.store(ctx, cached, d)
	}
	sets, err := r.claim(ctx, d, selector)
	if err != nil {
		return err
	}

	syncErr := r.sync(ctx, d, sets)
	// Also after an error: conditions and the collision count tell of it.
	if err := r.store(ctx, cached, d); err != nil {
		return err
	}
	if syncErr != nil {
		return syncErr
	}
	if wait, running := nextCheck(d, time.Now()); running {
		r.loop.AddAfter(key, wait)
	}
	return nil
}

// sync does the next step for d and leaves the resulting status in it.
func (r *reconciler) sync(ctx context.Context, d *appsv1.Deployment, sets []*appsv1.ReplicaSet) error {
	current, old := split(d, sets)
	if d.DeletionTimestamp != nil {
		d.Status = count(d, current, old, time.Now())
		return nil
	}
	notePause(d, time.Now())
	if current != nil {
		var err error
		if current, err = r.refresh(ctx, d, current, maxRevision(old)+1); err != nil {
			return err
		}
	}
	if _, asked := d.Annotations[appsv1.DeprecatedRollbackTo]; asked && !d.Spec.Paused {
		return r.rollBack(ctx, d, join(old, current))
	}
	if d.Spec.Paused || wasScaled(d, join(old, current)) {
		return r.scaleAll(ctx, d, current, old)
	}
	if isRolling(d) {
		return r.roll(ctx, d, current, old)
	}
	return r.recreate(ctx, d, current, old)
}

// scaleAll follows a change of size outside a rollout.
func (r *reconciler) scaleAll(ctx context.Context, d *appsv1.Deployment, current *appsv1.ReplicaSet, old []*appsv1.ReplicaSet) error {
	plan := rescale(d, current, old)
	if _, err := r.apply(ctx, d, plan); err != nil {
		return err
	}
	current, old = renew(plan, current, old)
	if d.Spec.Paused {
		if err := r.prune(ctx, d, old); err != nil {
			return err
		}
	}
	d.Status = count(d, current, old, time.Now())
	return nil
}

// roll moves on a rolling update by one step: the current set grows, or the old ones
// shrink.
func (r *reconciler) roll(ctx context.Context, d *appsv1.Deployment, current *appsv1.ReplicaSet, old []*appsv1.ReplicaSet) error {
	current, err := r.ensureCurrent(ctx, d, current, old)
	if err != nil {
		return err
	}
	plan := []size{{current, growth(d, current, join(old, current))}}
	if plan[0].replicas == *current.Spec.Replicas {
		plan = shrinkOld(d, current, old)
	}
	scaled, err := r.apply(ctx, d, plan)
	if err != nil {
		return err
	}
	current, old = renew(plan, current, old)
	if !scaled && isComplete(d, &d.Status) {
		if err := r.prune(ctx, d, old); err != nil {
			return err
		}
	}
	d.Status = rolloutStatus(d, current, old, time.Now())
	return nil
}

// recreate moves on a Recreate update: all old pods end before the first new one
// starts.
func (r *reconciler) recreate(ctx context.Context, d *appsv1.Deployment, current *appsv1.ReplicaSet, old []*appsv1.ReplicaSet) error {
	var plan []size
	for _, set := range active(old) {
		plan = append(plan, size{set, 0})
	}
	scaled, err := r.apply(ctx, d, plan)
	if err != nil {
		return err
	}
	current, old = renew(plan, current, old)
	if !scaled && !r.anyRunning(old) {
		if current, err = r.ensureCurrent(ctx, d, current, old); err != nil {
			return err
		}
		plan = []size{{current, *d.Spec.Replicas}}
		if _, err := r.apply(ctx, d, plan); err != nil {
			return err
		}
		current, old = renew(plan, current, old)
		if isComplete(d, &d.Status) {
			if err := r.prune(ctx, d, old); err != nil {
				return err
			}
		}
	}
	d.Status = rolloutStatus(d, current, old, time.Now())
	return nil
}

func (r *reconciler) anyRunning(sets []*appsv1.ReplicaSet) bool {
	for _, set := range sets {
		for _, pod := range r.pods.ControlledBy(set.UID) {
			if !owned.IsFinished(pod) {
				return true
			}
		}
	}
	return false
}

// refresh brings the annotations of the existing current set up to date and notes its
// revision on d.
func (r *reconciler) refresh(ctx context.Context, d *appsv1.Deployment, current *appsv1.ReplicaSet, revision int64) (*appsv1.ReplicaSet, error) {
	next := current.DeepCopy()
	if annotate(d, next, revision) || next.Spec.MinReadySeconds != d.Spec.MinReadySeconds {
		next.Spec.MinReadySeconds = d.Spec.MinReadySeconds
		var err error
		if next, err = r.client.AppsV1().ReplicaSets(next.Namespace).Update(ctx, next, metav1.UpdateOptions{}); err != nil {
			return nil, err
		}
	}
	noteRevision(d, next.Annotations[revisionAnnotation])
	if hasDeadline(d) && condition(&d.Status, appsv1.DeploymentProgressing) == nil {
		setCondition(&d.Status, progressing(corev1.ConditionTrue, reasonFoundSet, fmt.Sprintf("Found new replica set %q", next.Name), time.Now()))
	}
	return next, nil
}

func noteRevision(d *appsv1.Deployment, revision string) {
	if d.Annotations == nil {
		d.Annotations = make(map[string]string)
	}
	d.Annotations[revisionAnnotation] = revision
}

// ensureCurrent creates the set of the current template if there is none, at the size
// the strategy allows at once.
func (r *reconciler) ensureCurrent(ctx context.Context, d *appsv1.Deployment, current *appsv1.ReplicaSet, old []*appsv1.ReplicaSet) (*appsv1.ReplicaSet, error) {
	if current != nil {
		return current, nil
	}
	set := newSet(d)
	*set.Spec.Replicas = growth(d, set, join(old, set))
	revision := maxRevision(old) + 1
	annotate(d, set, revision)
	annotateSize(d, set)

	created, err := r.client.AppsV1().ReplicaSets(d.Namespace).Create(ctx, set, metav1.CreateOptions{})
	switch {
	case apierrors.IsAlreadyExists(err):
		if created, err = r.existing(ctx, d, set); err != nil {
			return nil, err
		}
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return nil, err
	case err != nil:
		message := fmt.Sprintf("Failed to create new replica set %q: %v", set.Name, err)
		if hasDeadline(d) {
			setCondition(&d.Status, progressing(corev1.ConditionFalse, reasonSetFailed, message, time.Now()))
		}
		r.recorder.Event(d, corev1.EventTypeWarning, reasonSetFailed, message)
		return nil, err
	default:
		if *created.Spec.Replicas > 0 {
			r.recorder.Eventf(d, corev1.EventTypeNormal, "ScalingReplicaSet", "Scaled up replica set %s from 0 to %d", created.Name, *created.Spec.Replicas)
		}
		if hasDeadline(d) {
			setCondition(&d.Status, progressing(corev1.ConditionTrue, reasonNewSet, fmt.Sprintf("Created new replica set %q", created.Name), time.Now()))
		}
	}
	noteRevision(d, strconv.FormatInt(revision, 10))
	return created, nil
}

// existing looks at the set that has the name we wanted: ours already, only not in the
// cache yet; or another with the same hash, which the next name must avoid.
func (r *reconciler) existing(ctx context.Context, d *appsv1.Deployment, wanted *appsv1.ReplicaSet) (*appsv1.ReplicaSet, error) {
	have, err := r.client.AppsV1().ReplicaSets(d.Namespace).Get(ctx, wanted.Name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	if controllerUID(have) == d.UID && sameTemplate(&have.Spec.Template, &d.Spec.Template) {
		return have, nil
	}
	collisions := int32(1)
	if d.Status.CollisionCount != nil {
		collisions += *d.Status.CollisionCount
	}
	d.Status.CollisionCount = &collisions
	return nil, fmt.Errorf("replica set %s exists and has another template: %w", wanted.Name, reconcile.ErrTryAgain)
}

// apply gives sets their planned size and replaces them in the plan by what the server
// made of them. It reports whether any size changed.
func (r *reconciler) apply(ctx context.Context, d *appsv1.Deployment, plan []size) (bool, error) {
	scaled := false
	for i, step := range plan {
		was := *step.set.Spec.Replicas
		next := step.set.DeepCopy()
		*next.Spec.Replicas = step.replicas
		if !annotateSize(d, next) && was == step.replicas {
			continue
		}
		updated, err := r.client.AppsV1().ReplicaSets(next.Namespace).Update(ctx, next, metav1.UpdateOptions{})
		if err != nil {
			return scaled, fmt.Errorf("scaling replica set %s/%s: %w", next.Namespace, next.Name, err)
		}
		plan[i].set = updated
		if was == step.replicas {
			continue
		}
		scaled = true
		direction := "up"
		if step.replicas < was {
			direction = "down"
		}
		r.recorder.Eventf(d, corev1.EventTypeNormal, "ScalingReplicaSet", "Scaled %s replica set %s from %d to %d", direction, updated.Name, was, step.replicas)
	}
	return scaled, nil
}

// renew puts the sets of an applied plan in the place of those it was made for.
func renew(plan []size, current *appsv1.ReplicaSet, old []*appsv1.ReplicaSet) (*appsv1.ReplicaSet, []*appsv1.ReplicaSet) {
	old = slices.Clone(old)
	for _, step := range plan {
		if current != nil && current.Name == step.set.Name {
			current = step.set
			continue
		}
		for i := range old {
			if old[i].Name == step.set.Name {
				old[i] = step.set
			}
		}
	}
	return current, old
}

// prune deletes the earliest of the old sets beyond the history limit, if empty.
func (r *reconciler) prune(ctx context.Context, d *appsv1.Deployment, old []*appsv1.ReplicaSet) error {
	for _, set := range excess(d, old) {
		err := r.client.AppsV1().ReplicaSets(set.Namespace).Delete(ctx, set.Name, metav1.DeleteOptions{
			Preconditions: &metav1.Preconditions{UID: &set.UID},
		})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("deleting old replica set %s/%s: %w", set.Namespace, set.Name, err)
		}
	}
	return nil
}

// excess returns the empty ones among the earliest sets beyond the history limit.
func excess(d *appsv1.Deployment, old []*appsv1.ReplicaSet) []*appsv1.ReplicaSet {
	if d.Spec.RevisionHistoryLimit == nil || *d.Spec.RevisionHistoryLimit == math.MaxInt32 {
		return nil
	}
	alive := slices.DeleteFunc(slices.Clone(old), func(set *appsv1.ReplicaSet) bool { return set.DeletionTimestamp != nil })
	n := len(alive) - int(*d.Spec.RevisionHistoryLimit)
	if n <= 0 {
		return nil
	}
	slices.SortFunc(alive, byRevision)
	return slices.DeleteFunc(alive[:n], func(set *appsv1.ReplicaSet) bool {
		return set.Status.Replicas != 0 || *set.Spec.Replicas != 0 || set.Generation > set.Status.ObservedGeneration
	})
}
