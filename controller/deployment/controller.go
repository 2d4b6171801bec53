package deployment

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	appslisters "k8s.io/client-go/listers/apps/v1"
	"k8s.io/client-go/tools/record"

	"github.com/keelson-project/keelson/controller/owned"
	"github.com/keelson-project/keelson/controller/reconcile"
)

// Controller rolls out Deployments.
type Controller struct{}

// Name implements [reconcile.Controller].
func (Controller) Name() string { return "deployment" }

// New implements [reconcile.Controller].
func (c Controller) New(s *reconcile.Shared) (reconcile.Runner, error) {
	deployments := s.Informers.Apps().V1().Deployments()
	sets := s.Informers.Apps().V1().ReplicaSets()
	pods, err := owned.IndexPods(s.Informers)
	if err != nil {
		return nil, err
	}
	r := &reconciler{
		client:      s.Client,
		recorder:    s.Recorder("deployment-controller"),
		deployments: deployments.Lister(),
		sets:        sets.Lister(),
		pods:        pods,
	}
	r.loop = reconcile.NewLoop(s, c.Name(), r.reconcile)
	err = reconcile.Handle(s, deployments.Informer(), func(old, cur *appsv1.Deployment) {
		if cur != nil {
			r.loop.Add(reconcile.KeyOf(cur))
		}
	})
	if err != nil {
		return nil, err
	}
	err = reconcile.Handle(s, sets.Informer(), func(old, cur *appsv1.ReplicaSet) {
		if old != nil && (cur == nil || controllerUID(old) != controllerUID(cur)) {
			r.wakeOwner(old)
		}
		if cur != nil {
			r.wakeOwner(cur)
			if controllerUID(cur) == "" {
				r.offerOrphan(cur)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	err = reconcile.Handle(s, s.Informers.Core().V1().Pods().Informer(), func(old, cur *corev1.Pod) {
		if old != nil && !owned.IsFinished(old) && (cur == nil || owned.IsFinished(cur)) {
			r.podEnded(old)
		}
	})
	return r.loop, err
}

type reconciler struct {
	client      kubernetes.Interface
	recorder    record.EventRecorder
	deployments appslisters.DeploymentLister
	sets        appslisters.ReplicaSetLister
	pods        owned.Pods
	loop        *reconcile.Loop[reconcile.Key]
}

func controllerUID(o metav1.Object) types.UID {
	if ref := metav1.GetControllerOfNoCopy(o); ref != nil {
		return ref.UID
	}
	return ""
}

// owner returns the deployment that controls the set, nil if none does.
func (r *reconciler) owner(set *appsv1.ReplicaSet) *appsv1.Deployment {
	ref := metav1.GetControllerOfNoCopy(set)
	if ref == nil || ref.Kind != kind.Kind {
		return nil
	}
	d, err := r.deployments.Deployments(set.Namespace).Get(ref.Name)
	if err != nil || d.UID != ref.UID {
		return nil
	}
	return d
}

func (r *reconciler) wakeOwner(set *appsv1.ReplicaSet) {
	if d := r.owner(set); d != nil {
		r.loop.Add(reconcile.KeyOf(d))
	}
}

func (r *reconciler) offerOrphan(set *appsv1.ReplicaSet) {
	if len(set.Labels) == 0 || set.DeletionTimestamp != nil {
		return
	}
	all, err := r.deployments.Deployments(set.Namespace).List(labels.Everything())
	if err != nil {
		return
	}
	for _, d := range all {
		selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
		if err == nil && !selector.Empty() && selector.Matches(labels.Set(set.Labels)) {
			r.loop.Add(reconcile.KeyOf(d))
		}
	}
}

// podEnded wakes a deployment that waits for its old pods to be gone.
func (r *reconciler) podEnded(pod *corev1.Pod) {
	ref := metav1.GetControllerOfNoCopy(pod)
	if ref == nil || ref.Kind != "ReplicaSet" {
		return
	}
	set, err := r.sets.ReplicaSets(pod.Namespace).Get(ref.Name)
	if err != nil || set.UID != ref.UID {
		return
	}
	if d := r.owner(set); d != nil && d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		r.loop.Add(reconcile.KeyOf(d))
	}
}

// claim returns the sets that are the deployment's.
func (r *reconciler) claim(ctx context.Context, d *appsv1.Deployment, selector labels.Selector) ([]*appsv1.ReplicaSet, error) {
	all, err := r.sets.ReplicaSets(d.Namespace).List(labels.Everything())
	if err != nil {
		return nil, err
	}
	return owned.Claim[*appsv1.ReplicaSet]{
		Owner:    d,
		Kind:     kind,
		Selector: selector,
		Live: func(ctx context.Context) (metav1.Object, error) {
			return r.client.AppsV1().Deployments(d.Namespace).Get(ctx, d.Name, metav1.GetOptions{})
		},
		Patch: func(ctx context.Context, namespace, name string, patch []byte) error {
			_, err := r.client.AppsV1().ReplicaSets(namespace).Patch(ctx, name, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
			return err
		},
	}.Of(ctx, all)
}

// store writes the deployment's status, and with it the revision annotation, if
// either changed.
func (r *reconciler) store(ctx context.Context, before, after *appsv1.Deployment) error {
	if !changed(before, after) {
		return nil
	}
	_, err := r.client.AppsV1().Deployments(after.Namespace).UpdateStatus(ctx, after, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
