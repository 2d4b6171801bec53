// Package statefulset runs StatefulSets: pods with names and volumes that stay, made,
// removed and updated in order.
//
// plan.go decides on the next step and claims.go on volume claims, without I/O.
package statefulset

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	appslisters "k8s.io/client-go/listers/apps/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/ptr"

	"github.com/keelson-project/keelson/controller/history"
	"github.com/keelson-project/keelson/controller/owned"
	"github.com/keelson-project/keelson/controller/reconcile"
)

var kind = appsv1.SchemeGroupVersion.WithKind("StatefulSet")

// Controller runs StatefulSets.
type Controller struct{}

// Name implements [reconcile.Controller].
func (Controller) Name() string { return "statefulset" }

// New implements [reconcile.Controller].
func (c Controller) New(s *reconcile.Shared) (reconcile.Runner, error) {
	pods, err := owned.IndexPods(s.Informers)
	if err != nil {
		return nil, err
	}
	sets := s.Informers.Apps().V1().StatefulSets()
	claims := s.Informers.Core().V1().PersistentVolumeClaims()
	revisions := s.Informers.Apps().V1().ControllerRevisions()
	r := &reconciler{
		client:   s.Client,
		recorder: s.Recorder("statefulset-controller"),
		sets:     sets.Lister(),
		claims:   claims.Lister(),
		pods:     pods,
		history:  history.Keeper{Client: s.Client, Lister: revisions.Lister()},
	}
	r.loop = reconcile.NewLoop(s, c.Name(), r.reconcile)
	err = errors.Join(
		reconcile.Handle(s, sets.Informer(), func(_, cur *appsv1.StatefulSet) {
			if cur != nil {
				r.loop.Add(reconcile.KeyOf(cur))
			}
		}),
		reconcile.Handle(s, s.Informers.Core().V1().Pods().Informer(), r.podChanged),
		// Registered so that the cache is filled; what changes in revisions is our doing.
		reconcile.Handle(s, revisions.Informer(), func(_, _ *appsv1.ControllerRevision) {}),
		reconcile.Handle(s, claims.Informer(), func(_, _ *corev1.PersistentVolumeClaim) {}),
	)
	return r.loop, err
}

type reconciler struct {
	client   kubernetes.Interface
	recorder record.EventRecorder
	sets     appslisters.StatefulSetLister
	claims   corelisters.PersistentVolumeClaimLister
	pods     owned.Pods
	history  history.Keeper
	loop     *reconcile.Loop[reconcile.Key]
}

func (r *reconciler) owner(pod *corev1.Pod) *appsv1.StatefulSet {
	ref := metav1.GetControllerOfNoCopy(pod)
	if ref == nil || ref.Kind != kind.Kind {
		return nil
	}
	set, err := r.sets.StatefulSets(pod.Namespace).Get(ref.Name)
	if err != nil || set.UID != ref.UID {
		return nil
	}
	return set
}

func (r *reconciler) podChanged(old, cur *corev1.Pod) {
	for _, pod := range []*corev1.Pod{old, cur} {
		if pod == nil {
			continue
		}
		if set := r.owner(pod); set != nil {
			r.loop.Add(reconcile.KeyOf(set))
		}
	}
	if cur == nil || metav1.GetControllerOfNoCopy(cur) != nil || old != nil && maps.Equal(old.Labels, cur.Labels) {
		return
	}
	all, err := r.sets.StatefulSets(cur.Namespace).List(labels.Everything())
	if err != nil {
		return
	}
	for _, set := range all {
		if ordinalOf(set, cur.Name) >= 0 {
			r.loop.Add(reconcile.KeyOf(set))
		}
	}
}

func (r *reconciler) reconcile(ctx context.Context, key reconcile.Key) error {
	set, err := r.sets.StatefulSets(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	selector, err := metav1.LabelSelectorAsSelector(set.Spec.Selector)
	if err != nil {
		return nil // stored so by somebody who skipped validation; nothing can match
	}
	live := func(ctx context.Context) (metav1.Object, error) {
		return r.client.AppsV1().StatefulSets(key.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
	}
	pods, err := owned.Claim[*corev1.Pod]{
		Owner: set, Kind: kind, Selector: selector, Live: live,
		Match: func(pod *corev1.Pod) bool { return ordinalOf(set, pod.Name) >= 0 },
		Patch: owned.PodControl{Client: r.client, Recorder: r.recorder}.Patch,
	}.Of(ctx, append(r.pods.ControlledBy(set.UID), r.pods.Orphans(set.Namespace)...))
	if err != nil {
		return err
	}
	v, old, err := r.view(ctx, set, pods, selector, live)
	if err != nil {
		return err
	}
	var syncErr error
	if set.DeletionTimestamp == nil {
		syncErr = r.apply(ctx, v, v.next())
		if syncErr == nil {
			syncErr = r.prune(ctx, v, old)
		}
	}
	if wait, ok := owned.UntilAvailable(pods, set.Spec.MinReadySeconds, v.now); ok {
		r.loop.AddAfter(key, wait)
	}
	return errors.Join(syncErr, r.store(ctx, v))
}

// view finds the set's revisions, making the newest if need be, and their templates.
func (r *reconciler) view(ctx context.Context, set *appsv1.StatefulSet, pods []*corev1.Pod, selector labels.Selector, live func(context.Context) (metav1.Object, error)) (*view, []*appsv1.ControllerRevision, error) {
	existing, err := r.history.Of(ctx, set, kind, selector, live)
	if err != nil {
		return nil, nil, err
	}
	data, err := history.Patch(&set.Spec.Template)
	if err != nil {
		return nil, nil, err
	}
	collisions := ptr.To(ptr.Deref(set.Status.CollisionCount, 0))
	hash := history.Hash(data, collisions)
	marks := maps.Clone(set.Spec.Template.Labels)
	if marks == nil {
		marks = make(map[string]string)
	}
	marks["controller.kubernetes.io/hash"] = hash
	name := set.Name[:min(len(set.Name), 223)] + "-" + hash
	update, old, err := r.history.Ensure(ctx, history.New(set, kind, name, marks, data), existing)
	if errors.Is(err, history.ErrCollision) {
		next := set.DeepCopy()
		*collisions++
		next.Status.CollisionCount = collisions
		if _, updateErr := r.client.AppsV1().StatefulSets(set.Namespace).UpdateStatus(ctx, next, metav1.UpdateOptions{}); updateErr != nil {
			return nil, nil, updateErr
		}
		return nil, nil, fmt.Errorf("%w: %w", err, reconcile.ErrTryAgain)
	}
	if err != nil {
		return nil, nil, err
	}
	current := update
	for _, revision := range old {
		if revision.Name == set.Status.CurrentRevision {
			current = revision
		}
	}
	v := &view{
		set: set, pods: pods, now: time.Now(),
		current: current.Name, update: update.Name,
		currentTemplate: &set.Spec.Template, updateTemplate: &set.Spec.Template,
	}
	if current != update {
		if v.currentTemplate, err = history.Template(current); err != nil {
			return nil, nil, err
		}
	}
	return v, old, nil
}

func (r *reconciler) apply(ctx context.Context, v *view, p plan) error {
	for _, pod := range v.pods {
		if err := r.keepClaims(ctx, v.set, pod); err != nil {
			return err
		}
	}
	_, createErr := owned.SlowStart(len(p.create), func(i int) error { return r.create(ctx, v.set, p.create[i]) })
	if apierrors.HasStatusCause(createErr, corev1.NamespaceTerminatingCause) {
		createErr = nil
	}
	errs := []error{createErr}
	for _, pod := range p.identify {
		next := pod.DeepCopy()
		identify(v.set, next)
		_, err := r.client.CoreV1().Pods(pod.Namespace).Update(ctx, next, metav1.UpdateOptions{})
		r.tell(v.set, "Update", pod.Name, err)
		errs = append(errs, err)
	}
	for _, pod := range p.remove {
		if owned.IsFinished(pod) {
			reason, how := "RecreatingFailedPod", "failed"
			if pod.Status.Phase == corev1.PodSucceeded {
				reason, how = "RecreatingTerminatedPod", "terminated"
			}
			r.recorder.Eventf(v.set, corev1.EventTypeNormal, reason, "StatefulSet %s/%s is recreating %s Pod %s", v.set.Namespace, v.set.Name, how, pod.Name)
		}
		err := r.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &pod.UID}})
		if apierrors.IsNotFound(err) {
			continue
		}
		r.tell(v.set, "Delete", pod.Name, err)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// create makes the pod, and its volume claims first.
func (r *reconciler) create(ctx context.Context, set *appsv1.StatefulSet, pod *corev1.Pod) error {
	if err := r.createClaims(ctx, set, pod); err != nil {
		return err
	}
	_, err := r.client.CoreV1().Pods(set.Namespace).Create(ctx, pod, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		have, getErr := r.client.CoreV1().Pods(set.Namespace).Get(ctx, pod.Name, metav1.GetOptions{})
		if getErr != nil {
			return getErr
		}
		if metav1.IsControlledBy(have, set) {
			return nil // the cache will show it
		}
	}
	if ctx.Err() == nil && !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		r.tell(set, "Create", pod.Name, err)
	}
	return err
}

func (r *reconciler) createClaims(ctx context.Context, set *appsv1.StatefulSet, pod *corev1.Pod) error {
	for _, claim := range claims(set, ordinalOf(set, pod.Name)) {
		have, err := r.claims.PersistentVolumeClaims(claim.Namespace).Get(claim.Name)
		if err == nil {
			if have.DeletionTimestamp != nil {
				return fmt.Errorf("pvc %s is being deleted", claim.Name)
			}
			continue
		}
		_, err = r.client.CoreV1().PersistentVolumeClaims(claim.Namespace).Create(ctx, claim, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			continue
		}
		what := fmt.Sprintf("Claim %s Pod %s in StatefulSet %s", claim.Name, pod.Name, set.Name)
		if err != nil {
			r.recorder.Eventf(set, corev1.EventTypeWarning, "FailedCreate", "Create %s failed error: %s", what, err)
			return fmt.Errorf("failed to create PVC %s: %w", claim.Name, err)
		}
		r.recorder.Eventf(set, corev1.EventTypeNormal, "SuccessfulCreate", "Create %s success", what)
	}
	return nil
}

// keepClaims makes claims that a pending pod misses, and gives claims their owners.
func (r *reconciler) keepClaims(ctx context.Context, set *appsv1.StatefulSet, pod *corev1.Pod) error {
	if len(set.Spec.VolumeClaimTemplates) == 0 {
		return nil
	}
	if pod.Status.Phase == corev1.PodPending && pod.DeletionTimestamp == nil {
		if err := r.createClaims(ctx, set, pod); err != nil {
			return err
		}
	}
	for _, want := range claims(set, ordinalOf(set, pod.Name)) {
		have, err := r.claims.PersistentVolumeClaims(want.Namespace).Get(want.Name)
		if err != nil {
			continue // not there yet
		}
		owners := claimOwners(set, pod, have.OwnerReferences)
		if sameOwners(owners, have.OwnerReferences) {
			continue
		}
		next := have.DeepCopy()
		next.OwnerReferences = owners
		if _, err := r.client.CoreV1().PersistentVolumeClaims(next.Namespace).Update(ctx, next, metav1.UpdateOptions{}); err != nil {
			return fmt.Errorf("could not update claim %s for retention policy: %w", next.Name, err)
		}
	}
	return nil
}

// tell records what was done to a pod, or that it failed.
func (r *reconciler) tell(set *appsv1.StatefulSet, verb, pod string, err error) {
	if err != nil {
		r.recorder.Eventf(set, corev1.EventTypeWarning, "Failed"+verb, "%s Pod %s in StatefulSet %s failed error: %s", verb, pod, set.Name, err)
		return
	}
	r.recorder.Eventf(set, corev1.EventTypeNormal, "Successful"+verb, "%s Pod %s in StatefulSet %s successful", verb, pod, set.Name)
}

func (r *reconciler) prune(ctx context.Context, v *view, old []*appsv1.ControllerRevision) error {
	inUse := map[string]bool{v.current: true, v.update: true}
	for _, pod := range v.pods {
		inUse[revisionOf(pod)] = true
	}
	return r.history.Prune(ctx, old, int(ptr.Deref(v.set.Spec.RevisionHistoryLimit, 10)), func(revision *appsv1.ControllerRevision) bool {
		return inUse[revision.Name]
	})
}

// store writes the status if it says anything new.
func (r *reconciler) store(ctx context.Context, v *view) error {
	status := v.status()
	if status.CollisionCount == nil {
		status.CollisionCount = new(int32)
	}
	if equality.Semantic.DeepEqual(v.set.Status, status) {
		return nil
	}
	next := v.set.DeepCopy()
	next.Status = status
	_, err := r.client.AppsV1().StatefulSets(next.Namespace).UpdateStatus(ctx, next, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
