package pods

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/registry"
)

// maxDisrupted is how many evicted pods a budget remembers until they are
// seen to be gone.
const maxDisrupted = 2000

// evictor serves pods/eviction.
type evictor struct{ registry *registry.Registry }

// New implements registry.Creater.
func (*evictor) New() runtime.Object { return &policyv1.Eviction{} }

// Create implements registry.Creater.
func (e *evictor) Create(ctx context.Context, namespace, name string, obj runtime.Object, opts *metav1.CreateOptions, admit func(context.Context, runtime.Object) error) (runtime.Object, error) {
	eviction := obj.(*policyv1.Eviction)
	if eviction.Name != name {
		return nil, apierrors.NewBadRequest("name in URL does not match name in Eviction object")
	}
	if err := admit(ctx, eviction); err != nil {
		return nil, err
	}
	options := &metav1.DeleteOptions{}
	if eviction.DeleteOptions != nil {
		options = eviction.DeleteOptions.DeepCopy()
	}
	dryRun := kinds.DryRun(len(opts.DryRun) > 0 || len(options.DryRun) > 0)
	write := registry.Write{Namespace: namespace, Name: name, Manager: opts.FieldManager, DryRun: dryRun, Options: opts}
	pods := podsOf(e.registry)
	item, err := pods.Get(ctx, namespace, name, &metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	pod := item.Object.(*corev1.Pod)
	if err := matches(options.Preconditions, pod); err != nil {
		return nil, err
	}
	if !harmless(pod) {
		if err := e.spend(ctx, pod, write); err != nil {
			return nil, err
		}
	}
	// Whoever looks after the pod sees why it goes.
	mark := write
	mark.Subresource = "status"
	if _, err := pods.Amend(ctx, mark, func(_ context.Context, old kinds.Object) (kinds.Object, registry.Tracked, error) {
		pod := old.DeepCopyObject().(*corev1.Pod)
		if err := matches(options.Preconditions, pod); err != nil {
			return nil, false, err
		}
		setCondition(&pod.Status, corev1.PodCondition{
			Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "EvictionByEvictionAPI",
			Message: "Eviction API: evicting", ObservedGeneration: pod.Generation,
		})
		return pod, false, nil
	}); err != nil {
		return nil, err
	}
	// The mark has changed the version that the client may have named.
	if options.Preconditions != nil {
		options.Preconditions.ResourceVersion = nil
	}
	if _, err := pods.Delete(ctx, write, options); err != nil {
		return nil, err
	}
	return success(), nil
}

// matches checks the preconditions of an eviction.
func matches(p *metav1.Preconditions, pod *corev1.Pod) error {
	resource := schema.GroupResource{Resource: "pods"}
	if p != nil && p.UID != nil && *p.UID != pod.UID {
		return apierrors.NewConflict(resource, pod.Name, fmt.Errorf("uid mismatch: expected %v, found %v", *p.UID, pod.UID))
	}
	if p != nil && p.ResourceVersion != nil && *p.ResourceVersion != pod.ResourceVersion {
		return apierrors.NewConflict(resource, pod.Name, fmt.Errorf("the provided resource version %q does not match the current one %q", *p.ResourceVersion, pod.ResourceVersion))
	}
	return nil
}

// harmless reports whether evicting a pod disrupts nothing: it has ended, has
// not begun or is going already.
func harmless(pod *corev1.Pod) bool {
	switch pod.Status.Phase {
	case corev1.PodSucceeded, corev1.PodFailed, corev1.PodPending:
		return true
	}
	return pod.DeletionTimestamp != nil
}

// spend takes one disruption from the budget that covers the pod, if any.
func (e *evictor) spend(ctx context.Context, pod *corev1.Pod, w registry.Write) error {
	budgets := e.registry.Resource(policyv1.SchemeGroupVersion.WithResource("poddisruptionbudgets"))
	if budgets == nil {
		return nil
	}
	list, err := budgets.List(ctx, pod.Namespace, &internalversion.ListOptions{})
	if err != nil {
		return err
	}
	var found []*policyv1.PodDisruptionBudget
	for _, item := range list.Items {
		budget := item.Object.(*policyv1.PodDisruptionBudget)
		selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector)
		if err == nil && selector.Matches(labels.Set(pod.Labels)) {
			found = append(found, budget)
		}
	}
	switch len(found) {
	case 0:
		return nil
	case 1:
	default:
		return &apierrors.StatusError{ErrStatus: metav1.Status{
			Status: metav1.StatusFailure, Code: 500, Reason: metav1.StatusReasonInternalError,
			Message: "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
		}}
	}
	if unhealthy(pod) {
		policy := found[0].Spec.UnhealthyPodEvictionPolicy
		status := &found[0].Status
		switch {
		case policy != nil && *policy == policyv1.AlwaysAllow:
			return nil
		case (policy == nil || *policy == policyv1.IfHealthyBudget) && status.CurrentHealthy >= status.DesiredHealthy && status.DesiredHealthy > 0:
			return nil
		}
	}
	w.Name, w.Subresource = found[0].Name, "status"
	_, err = budgets.Amend(ctx, w, func(_ context.Context, old kinds.Object) (kinds.Object, registry.Tracked, error) {
		budget := old.DeepCopyObject().(*policyv1.PodDisruptionBudget)
		if err := decrement(budget, pod.Name); err != nil {
			return nil, false, err
		}
		return budget, false, nil
	})
	return err
}

func unhealthy(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status != corev1.ConditionTrue
		}
	}
	return true
}

// decrement notes one more disrupted pod, or says why there must be none.
func decrement(budget *policyv1.PodDisruptionBudget, pod string) error {
	status := &budget.Status
	forbidden := func(why string) error {
		return apierrors.NewForbidden(schema.GroupResource{Group: "policy", Resource: "poddisruptionbudget"}, budget.Name, errors.New(why))
	}
	switch {
	case status.ObservedGeneration < budget.Generation:
		return tooMany(10, fmt.Sprintf("The disruption budget %s is still being processed by the server.", budget.Name))
	case status.DisruptionsAllowed < 0:
		return forbidden("pdb disruptions allowed is negative")
	case len(status.DisruptedPods) > maxDisrupted:
		return forbidden("DisruptedPods map too big - too many evictions not confirmed by PDB controller")
	case status.DisruptionsAllowed == 0:
		text := fmt.Sprintf("The disruption budget %s needs %d healthy pods and has %d currently", budget.Name, status.DesiredHealthy, status.CurrentHealthy)
		for _, c := range status.Conditions {
			if c.Type == policyv1.DisruptionAllowedCondition && c.Status == metav1.ConditionFalse && c.Reason == policyv1.SyncFailedReason {
				text = fmt.Sprintf("The disruption budget %s does not allow evicting pods currently because it failed sync: %v", budget.Name, c.Message)
			}
		}
		return tooMany(0, text)
	}
	status.DisruptionsAllowed--
	if status.DisruptedPods == nil {
		status.DisruptedPods = map[string]metav1.Time{}
	}
	status.DisruptedPods[pod] = metav1.Now()
	return nil
}

// tooMany is 429 with the budget as its cause.
func tooMany(retryAfter int, text string) error {
	err := apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", retryAfter)
	err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{Type: policyv1.DisruptionBudgetCause, Message: text})
	return err
}
