package replicaset

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/keelson-project/keelson/controller/reconcile"
)

// Replication keeps ReplicationControllers at their size.
type Replication struct {
	// Burst is as in [Controller].
	Burst int
}

// Name implements [reconcile.Controller].
func (Replication) Name() string { return "replicationcontroller" }

// New implements [reconcile.Controller].
func (c Replication) New(s *reconcile.Shared) (reconcile.Runner, error) {
	informer := s.Informers.Core().V1().ReplicationControllers()
	lister := informer.Lister()
	r, err := newReconciler(s, c.Burst, source{
		kind:      corev1.SchemeGroupVersion.WithKind("ReplicationController"),
		component: "replication-controller",
		get: func(k reconcile.Key) (*appsv1.ReplicaSet, error) {
			rc, err := lister.ReplicationControllers(k.Namespace).Get(k.Name)
			if err != nil {
				return nil, err
			}
			return setOf(rc), nil
		},
		list: func(namespace string) ([]*appsv1.ReplicaSet, error) {
			all, err := lister.ReplicationControllers(namespace).List(labels.Everything())
			sets := make([]*appsv1.ReplicaSet, 0, len(all))
			for _, rc := range all {
				sets = append(sets, setOf(rc))
			}
			return sets, err
		},
		siblings: func(*appsv1.ReplicaSet) []*appsv1.ReplicaSet { return nil },
		live: func(ctx context.Context, k reconcile.Key) (*appsv1.ReplicaSet, error) {
			rc, err := s.Client.CoreV1().ReplicationControllers(k.Namespace).Get(ctx, k.Name, metav1.GetOptions{})
			if err != nil {
				return nil, err
			}
			return setOf(rc), nil
		},
		writeStatus: func(ctx context.Context, set *appsv1.ReplicaSet) (*appsv1.ReplicaSet, error) {
			rc, err := s.Client.CoreV1().ReplicationControllers(set.Namespace).UpdateStatus(ctx, controllerOf(set), metav1.UpdateOptions{})
			if err != nil {
				return nil, err
			}
			return setOf(rc), nil
		},
	})
	if err != nil {
		return nil, err
	}
	r.loop = reconcile.NewLoop(s, c.Name(), r.reconcile)
	err = reconcile.Handle(s, informer.Informer(), func(old, cur *corev1.ReplicationController) {
		if cur == nil {
			r.expect.Forget(reconcile.KeyOf(old))
			r.loop.Add(reconcile.KeyOf(old))
			return
		}
		r.loop.Add(reconcile.KeyOf(cur))
	})
	if err != nil {
		return nil, err
	}
	return r.loop, r.watchPods(s)
}

// setOf reads a ReplicationController as a ReplicaSet. Its type stays on it, so that
// events refer to the right kind.
func setOf(rc *corev1.ReplicationController) *appsv1.ReplicaSet {
	set := &appsv1.ReplicaSet{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ReplicationController"},
		ObjectMeta: rc.ObjectMeta,
		Spec: appsv1.ReplicaSetSpec{
			Replicas:        rc.Spec.Replicas,
			MinReadySeconds: rc.Spec.MinReadySeconds,
			Selector:        &metav1.LabelSelector{MatchLabels: rc.Spec.Selector},
		},
		Status: appsv1.ReplicaSetStatus{
			Replicas:             rc.Status.Replicas,
			FullyLabeledReplicas: rc.Status.FullyLabeledReplicas,
			ReadyReplicas:        rc.Status.ReadyReplicas,
			AvailableReplicas:    rc.Status.AvailableReplicas,
			ObservedGeneration:   rc.Status.ObservedGeneration,
		},
	}
	if rc.Spec.Template != nil {
		set.Spec.Template = *rc.Spec.Template
	}
	for _, c := range rc.Status.Conditions {
		set.Status.Conditions = append(set.Status.Conditions, appsv1.ReplicaSetCondition{
			Type: appsv1.ReplicaSetConditionType(c.Type), Status: c.Status,
			LastTransitionTime: c.LastTransitionTime, Reason: c.Reason, Message: c.Message,
		})
	}
	return set
}

// controllerOf is the inverse of setOf.
func controllerOf(set *appsv1.ReplicaSet) *corev1.ReplicationController {
	rc := &corev1.ReplicationController{
		ObjectMeta: set.ObjectMeta,
		Spec: corev1.ReplicationControllerSpec{
			Replicas:        set.Spec.Replicas,
			MinReadySeconds: set.Spec.MinReadySeconds,
			Selector:        set.Spec.Selector.MatchLabels,
			Template:        &set.Spec.Template,
		},
		Status: corev1.ReplicationControllerStatus{
			Replicas:             set.Status.Replicas,
			FullyLabeledReplicas: set.Status.FullyLabeledReplicas,
			ReadyReplicas:        set.Status.ReadyReplicas,
			AvailableReplicas:    set.Status.AvailableReplicas,
			ObservedGeneration:   set.Status.ObservedGeneration,
		},
	}
	for _, c := range set.Status.Conditions {
		rc.Status.Conditions = append(rc.Status.Conditions, corev1.ReplicationControllerCondition{
			Type: corev1.ReplicationControllerConditionType(c.Type), Status: c.Status,
			LastTransitionTime: c.LastTransitionTime, Reason: c.Reason, Message: c.Message,
		})
	}
	return rc
}
