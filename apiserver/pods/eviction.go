package pods

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	policyv1beta1 "k8s.io/api/policy/v1beta1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

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

// Accept implements registry.Accepter.
func (*evictor) Accept(_ schema.GroupVersionKind, obj runtime.Object) runtime.Object {
	old, ok := obj.(*policyv1beta1.Eviction)
	if !ok {
		return nil
	}
	return &policyv1.Eviction{ObjectMeta: old.ObjectMeta, DeleteOptions: old.DeleteOptions}
}

// Create implements registry.Creater.
func (e *evictor) Create(ctx context.Context, namespace, name string, obj runtime.Object, opts *metav1.CreateOptions, admit func(context.Context, runtime.Object) error) (runtime.Object, error) {
	eviction := obj.(*policyv1.Eviction)
	if eviction.Name != name {
		return nil, apierrors.NewBadRequest("name in URL does not match name in Eviction object")
	}
	options := &metav1.DeleteOptions{}
	if eviction.DeleteOptions != nil {
		options = eviction.DeleteOptions.DeepCopy()
	}
	if ignore := options.IgnoreStoreReadErrorWithClusterBreakingPotential; ignore != nil && *ignore {
		return nil, apierrors.NewInvalid(policyv1.SchemeGroupVersion.WithKind("Eviction").GroupKind(), name, field.ErrorList{field.Invalid(
			field.NewPath("deleteOptions", "ignoreStoreReadErrorWithClusterBreakingPotential"), true,
			"can not be set for pod eviction, try after removing the option",
		)})
	}
	if len(options.DryRun) > 0 && len(opts.DryRun) > 0 && !slices.Equal(options.DryRun, opts.DryRun) {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("Non-matching dry-run options in request and content: %v and %v", opts.DryRun, options.DryRun))
	}
	if len(options.DryRun) == 0 {
		options.DryRun = opts.DryRun
	}
	if err := admit(ctx, eviction); err != nil {
		return nil, err
	}
	write := registry.Write{
		Namespace: namespace, Name: name, Manager: opts.FieldManager, DryRun: kinds.DryRun(len(options.DryRun) > 0), Options: opts,
	}
	if err := e.evict(ctx, write, options); err != nil {
		return nil, err
	}
	return success(), nil
}

// evict deletes a pod if that is allowed. Unless the client names the version
// it means, what was decided on an old one is decided again.
func (e *evictor) evict(ctx context.Context, w registry.Write, options *metav1.DeleteOptions) error {
	const tries = 20
	named := options.Preconditions != nil && options.Preconditions.ResourceVersion != nil
	for try := 1; ; try++ {
		item, err := podsOf(e.registry).Get(ctx, w.Namespace, w.Name, &metav1.GetOptions{})
		if err != nil {
			return err
		}
		pod := item.Object.(*corev1.Pod)
		decided := false // on the pod's version
		budget := ""
		if harmless(pod) {
			decided = pod.Status.Phase == corev1.PodPending && pod.DeletionTimestamp == nil
		} else if budget, decided, err = e.spend(ctx, pod, w); err != nil {
			return err
		}
		once := options
		if decided && !named {
			once = options.DeepCopy()
			if once.Preconditions == nil {
				once.Preconditions = &metav1.Preconditions{}
			}
			once.Preconditions.ResourceVersion = &pod.ResourceVersion
		}
		err = e.remove(ctx, w, once)
		switch {
		case !apierrors.IsConflict(err) || named:
			return err
		case budget != "" && decided:
			return tooMany(10, fmt.Sprintf("The disruption budget %s is still being processed by the server.", budget))
		case !harmless(pod) || try == tries:
			return err
		}
	}
}

// remove deletes a pod, which first says why it goes to whoever looks after it.
func (e *evictor) remove(ctx context.Context, w registry.Write, options *metav1.DeleteOptions) error {
	pods := podsOf(e.registry)
	if !w.DryRun {
		mark := w
		mark.Subresource = "status"
		item, err := pods.Amend(ctx, mark, func(_ context.Context, old kinds.Object) (kinds.Object, registry.Tracked, error) {
			pod := old.DeepCopyObject().(*corev1.Pod)
			if err := matches(options.Preconditions, pod); err != nil {
				return nil, false, err
			}
			setCondition(&pod.Status, corev1.PodCondition{
				Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "EvictionByEvictionAPI", Message: "Eviction API: evicting",
			})
			return pod, true, nil
		})
		if err != nil {
			return err
		}
		if options.Preconditions != nil && options.Preconditions.ResourceVersion != nil {
			// The mark has changed the version.
			options = options.DeepCopy()
			version := item.Object.GetResourceVersion()
			options.Preconditions.ResourceVersion = &version
		}
	}
	_, err := pods.Delete(ctx, w, options)
	return err
}

// matches checks the preconditions of an eviction.
func matches(p *metav1.Preconditions, pod *corev1.Pod) error {
	resource := schema.GroupResource{Resource: "Pod"}
	if p != nil && p.UID != nil && *p.UID != "" && *p.UID != pod.UID {
		return apierrors.NewConflict(resource, pod.Name, fmt.Errorf("the UID in the precondition (%s) does not match the UID in record (%s). The object might have been deleted and then recreated", *p.UID, pod.UID)) //nolint:staticcheck // the API's wording
	}
	if p != nil && p.ResourceVersion != nil && *p.ResourceVersion != "" && *p.ResourceVersion != pod.ResourceVersion {
		return apierrors.NewConflict(resource, pod.Name, fmt.Errorf("the ResourceVersion in the precondition (%s) does not match the ResourceVersion in record (%s). The object might have been modified", *p.ResourceVersion, pod.ResourceVersion)) //nolint:staticcheck // the API's wording
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

// spend takes one disruption from the budget that covers the pod, if any, and
// returns its name; decided says that nothing was taken because of the state
// that the pod is in.
func (e *evictor) spend(ctx context.Context, pod *corev1.Pod, w registry.Write) (name string, decided bool, err error) {
	budgets := e.registry.Resource(policyv1.SchemeGroupVersion.WithResource("poddisruptionbudgets"))
	if budgets == nil {
		return "", false, nil
	}
	list, err := budgets.List(ctx, pod.Namespace, &internalversion.ListOptions{})
	if err != nil {
		return "", false, err
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
		return "", false, nil
	case 1:
	default:
		return "", false, &apierrors.StatusError{ErrStatus: metav1.Status{
			Status: metav1.StatusFailure, Code: http.StatusInternalServerError,
			Message: "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
		}}
	}
	name = found[0].Name
	if unhealthy(pod) {
		policy, status := found[0].Spec.UnhealthyPodEvictionPolicy, &found[0].Status
		if policy != nil && *policy == policyv1.AlwaysAllow || status.CurrentHealthy >= status.DesiredHealthy && status.DesiredHealthy > 0 {
			return name, true, nil
		}
	}
	w.Name, w.Subresource, w.Manager = name, "status", "kube-apiserver"
	_, err = budgets.Amend(ctx, w, func(_ context.Context, old kinds.Object) (kinds.Object, registry.Tracked, error) {
		budget := old.DeepCopyObject().(*policyv1.PodDisruptionBudget)
		if err := decrement(budget, pod.Name); err != nil {
			return nil, false, err
		}
		return budget, false, nil
	})
	return name, false, err
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
	forbidden := func(why, short string) error {
		err := apierrors.NewForbidden(schema.GroupResource{Group: "policy", Resource: "poddisruptionbudget"}, budget.Name, errors.New(why))
		return causedBy(err, fmt.Sprintf("The disruption budget %s does not allow evicting pods currently: %s", budget.Name, short))
	}
	switch {
	case status.ObservedGeneration < budget.Generation:
		return tooMany(10, fmt.Sprintf("The disruption budget %s is still being processed by the server.", budget.Name))
	case status.DisruptionsAllowed < 0:
		return forbidden("pdb disruptions allowed is negative", "pdb disruptions allowed is negative")
	case len(status.DisruptedPods) > maxDisrupted:
		return forbidden("DisruptedPods map too big - too many evictions not confirmed by PDB controller", "too many pending evictions not confirmed by PDB controller")
	case status.DisruptionsAllowed == 0:
		return tooMany(0, whyNone(budget))
	}
	status.DisruptionsAllowed--
	if status.DisruptionsAllowed == 0 {
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: policyv1.DisruptionAllowedCondition, Status: metav1.ConditionFalse, Reason: policyv1.InsufficientPodsReason,
			ObservedGeneration: status.ObservedGeneration,
		})
	}
	if status.DisruptedPods == nil {
		status.DisruptedPods = map[string]metav1.Time{}
	}
	status.DisruptedPods[pod] = metav1.Now()
	return nil
}

// whyNone says why a budget allows no disruption.
func whyNone(budget *policyv1.PodDisruptionBudget) string {
	status := &budget.Status
	text := fmt.Sprintf("The disruption budget %s does not allow evicting pods currently", budget.Name)
	c := meta.FindStatusCondition(status.Conditions, policyv1.DisruptionAllowedCondition)
	explained := c != nil && c.Status == metav1.ConditionFalse && c.Message != ""
	switch {
	case explained && c.Reason == policyv1.SyncFailedReason:
		return text + " because it failed sync: " + c.Message
	case status.CurrentHealthy <= status.DesiredHealthy:
		return fmt.Sprintf("The disruption budget %s needs %d healthy pods and has %d currently", budget.Name, status.DesiredHealthy, status.CurrentHealthy)
	case explained:
		return fmt.Sprintf("%s (%s): %s", text, c.Reason, c.Message)
	}
	return text
}

// tooMany is 429 with the budget as its cause.
func tooMany(retryAfter int, text string) error {
	return causedBy(apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", retryAfter), text)
}

func causedBy(err *apierrors.StatusError, text string) error {
	err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{Type: policyv1.DisruptionBudgetCause, Message: text})
	return err
}
