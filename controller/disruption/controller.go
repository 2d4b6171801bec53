// Package disruption keeps the status of pod disruption budgets: how many of the pods
// that a budget protects are healthy, how many have to be, and so how many may be
// evicted now. The eviction subresource of pods spends what is written there.
package disruption

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	appslisters "k8s.io/client-go/listers/apps/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	policylisters "k8s.io/client-go/listers/policy/v1"
	"k8s.io/client-go/tools/record"

	"github.com/keelson-project/keelson/controller/owned"
	"github.com/keelson-project/keelson/controller/reconcile"
)

// patience is how long a pod that was allowed to be evicted counts as gone although
// nobody has deleted it.
const patience = 2 * time.Minute

// Controller keeps the status of PodDisruptionBudgets.
type Controller struct{}

// Name implements [reconcile.Controller].
func (Controller) Name() string { return "disruption" }

// New implements [reconcile.Controller].
func (c Controller) New(s *reconcile.Shared) (reconcile.Runner, error) {
	budgets := s.Informers.Policy().V1().PodDisruptionBudgets()
	pods := s.Informers.Core().V1().Pods()
	apps := s.Informers.Apps().V1()
	r := &reconciler{
		client: s.Client, budgets: budgets.Lister(), pods: pods.Lister(), recorder: s.Recorder("controllermanager"),
		scales: scales{
			discovery: s.Discovery, deployments: apps.Deployments().Lister(), replicaSets: apps.ReplicaSets().Lister(),
			statefulSets: apps.StatefulSets().Lister(), controllers: s.Informers.Core().V1().ReplicationControllers().Lister(),
		},
	}
	r.loop = reconcile.NewLoop(s, c.Name(), r.reconcile)
	return r.loop, errors.Join(
		reconcile.Handle(s, budgets.Informer(), func(_, cur *policyv1.PodDisruptionBudget) {
			if cur != nil {
				r.loop.Add(reconcile.KeyOf(cur))
			}
		}),
		reconcile.Handle(s, pods.Informer(), func(old, cur *corev1.Pod) {
			if old != nil && cur != nil && owned.IsReady(old) == owned.IsReady(cur) && (old.DeletionTimestamp == nil) == (cur.DeletionTimestamp == nil) &&
				apiequality.Semantic.DeepEqual(old.Labels, cur.Labels) {
				return
			}
			for _, pod := range []*corev1.Pod{old, cur} {
				if pod != nil {
					r.protecting(pod)
				}
			}
		}),
	)
}

type reconciler struct {
	client   kubernetes.Interface
	budgets  policylisters.PodDisruptionBudgetLister
	pods     corelisters.PodLister
	scales   scales
	recorder record.EventRecorder
	loop     *reconcile.Loop[reconcile.Key]
}

// scales finds how many pods their controllers want.
type scales struct {
	discovery    discoverer
	deployments  appslisters.DeploymentLister
	replicaSets  appslisters.ReplicaSetLister
	statefulSets appslisters.StatefulSetLister
	controllers  corelisters.ReplicationControllerLister
}

// protecting adds the budgets that protect a pod.
func (r *reconciler) protecting(pod *corev1.Pod) {
	all, err := r.budgets.PodDisruptionBudgets(pod.Namespace).List(labels.Everything())
	if err != nil {
		return // a lister of a cache has no errors
	}
	for _, b := range all {
		if selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector); err == nil && selector.Matches(labels.Set(pod.Labels)) {
			r.loop.Add(reconcile.KeyOf(b))
		}
	}
}

func (r *reconciler) reconcile(ctx context.Context, key reconcile.Key) error {
	b, err := r.budgets.PodDisruptionBudgets(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	b = b.DeepCopy()
	status, again, err := r.judge(ctx, b)
	if err != nil {
		r.recorder.Eventf(b, corev1.EventTypeWarning, "CalculateExpectedPodCountFailed", "Failed to calculate the number of expected pods: %v", err)
		// Nothing may be evicted while the number is not known.
		status = b.Status
		status.ObservedGeneration, status.DisruptionsAllowed = b.Generation, 0
		status.Conditions = append([]metav1.Condition(nil), b.Status.Conditions...)
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: policyv1.DisruptionAllowedCondition, Status: metav1.ConditionFalse, Reason: policyv1.SyncFailedReason, Message: err.Error(), ObservedGeneration: b.Generation,
		})
	}
	if again > 0 {
		r.loop.AddAfter(key, again)
	}
	if apiequality.Semantic.DeepEqual(status, b.Status) {
		return err
	}
	b.Status = status
	if _, writeErr := r.client.PolicyV1().PodDisruptionBudgets(key.Namespace).UpdateStatus(ctx, b, metav1.UpdateOptions{}); writeErr != nil && !apierrors.IsNotFound(writeErr) {
		return errors.Join(err, fmt.Errorf("writing the status of budget %s: %w", key, writeErr))
	}
	return err
}

// judge works out the status of a budget, and when to look again, if at all.
func (r *reconciler) judge(ctx context.Context, b *policyv1.PodDisruptionBudget) (status policyv1.PodDisruptionBudgetStatus, again time.Duration, err error) {
	selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
	if err != nil {
		return status, 0, err
	}
	pods, err := r.pods.Pods(b.Namespace).List(selector)
	if err != nil {
		return status, 0, err
	}
	if len(pods) == 0 {
		r.recorder.Event(b, corev1.EventTypeNormal, "NoPods", "No matching pods found")
	}
	want, unmanaged, err := r.scales.wanted(ctx, b, pods)
	if err != nil {
		return status, 0, err
	}
	if unmanaged {
		r.recorder.Eventf(b, corev1.EventTypeWarning, "UnmanagedPods",
			"Pods selected by this PodDisruptionBudget (selector: %v) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. "+
				"To account for these pods please set \".spec.minAvailable\" field of the PDB to an integer value.", selector)
	}
	evicted, again := r.evicted(b, pods, time.Now())
	healthy := int32(0)
	for _, pod := range pods {
		if _, gone := evicted[pod.Name]; !gone && pod.DeletionTimestamp == nil && owned.IsReady(pod) {
			healthy++
		}
	}
	status = policyv1.PodDisruptionBudgetStatus{
		ObservedGeneration: b.Generation, DisruptedPods: evicted,
		CurrentHealthy: healthy, DesiredHealthy: want.healthy, ExpectedPods: want.pods, DisruptionsAllowed: max(0, healthy-want.healthy),
		Conditions: append([]metav1.Condition(nil), b.Status.Conditions...),
	}
	if want.pods <= 0 {
		status.DisruptionsAllowed = 0
	}
	condition := metav1.Condition{Type: policyv1.DisruptionAllowedCondition, Status: metav1.ConditionTrue, Reason: policyv1.SufficientPodsReason, ObservedGeneration: b.Generation}
	if status.DisruptionsAllowed == 0 {
		condition.Status, condition.Reason = metav1.ConditionFalse, policyv1.InsufficientPodsReason
	}
	meta.SetStatusCondition(&status.Conditions, condition)
	return status, again, nil
}

// evicted are the pods that were allowed to be evicted and are not known to be going
// yet, and when the first of them is to be given up.
func (r *reconciler) evicted(b *policyv1.PodDisruptionBudget, pods []*corev1.Pod, now time.Time) (map[string]metav1.Time, time.Duration) {
	there := make(map[string]*corev1.Pod, len(pods))
	for _, pod := range pods {
		there[pod.Name] = pod
	}
	var left map[string]metav1.Time
	var again time.Duration
	for name, at := range b.Status.DisruptedPods {
		pod := there[name]
		if pod == nil || pod.DeletionTimestamp != nil {
			continue
		}
		wait := at.Add(patience).Sub(now)
		if wait <= 0 {
			r.recorder.Eventf(pod, corev1.EventTypeWarning, "NotDeleted", "Pod was expected by PDB %s/%s to be deleted but it wasn't", b.Namespace, b.Name)
			continue
		}
		if left == nil {
			left = map[string]metav1.Time{}
		}
		left[name] = at
		if again == 0 || wait < again {
			again = wait
		}
	}
	return left, again
}
