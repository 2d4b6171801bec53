package replicaset

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/keelson-project/keelson/controller/owned"
	"github.com/keelson-project/keelson/controller/reconcile"
)

// defaultBurst is how many pods are made or deleted before looking again.
const defaultBurst = 500

// Controller keeps ReplicaSets at their size.
type Controller struct {
	// Burst is how many pods of one set are made or deleted at most before the cache
	// must have shown them. Zero means 500.
	Burst int
}

// Name implements [reconcile.Controller].
func (Controller) Name() string { return "replicaset" }

// New implements [reconcile.Controller].
func (c Controller) New(s *reconcile.Shared) (reconcile.Runner, error) {
	sets := s.Informers.Apps().V1().ReplicaSets()
	lister := sets.Lister()
	family, err := indexSiblings(sets.Informer())
	if err != nil {
		return nil, err
	}
	r, err := newReconciler(s, c.Burst, source{
		kind:      appsv1.SchemeGroupVersion.WithKind("ReplicaSet"),
		component: "replicaset-controller",
		get: func(k reconcile.Key) (*appsv1.ReplicaSet, error) {
			return lister.ReplicaSets(k.Namespace).Get(k.Name)
		},
		list: func(namespace string) ([]*appsv1.ReplicaSet, error) {
			return lister.ReplicaSets(namespace).List(labels.Everything())
		},
		siblings: family,
		live: func(ctx context.Context, k reconcile.Key) (*appsv1.ReplicaSet, error) {
			return s.Client.AppsV1().ReplicaSets(k.Namespace).Get(ctx, k.Name, metav1.GetOptions{})
		},
		writeStatus: func(ctx context.Context, rs *appsv1.ReplicaSet) (*appsv1.ReplicaSet, error) {
			return s.Client.AppsV1().ReplicaSets(rs.Namespace).UpdateStatus(ctx, rs, metav1.UpdateOptions{})
		},
		countTerminating: true,
	})
	if err != nil {
		return nil, err
	}
	r.loop = reconcile.NewLoop(s, c.Name(), r.reconcile)
	err = reconcile.Handle(s, sets.Informer(), func(old, cur *appsv1.ReplicaSet) {
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

// source is where sets come from; a ReplicationController is read as a ReplicaSet.
type source struct {
	kind        schema.GroupVersionKind
	component   string
	get         func(reconcile.Key) (*appsv1.ReplicaSet, error)
	list        func(namespace string) ([]*appsv1.ReplicaSet, error)
	siblings    func(*appsv1.ReplicaSet) []*appsv1.ReplicaSet
	live        func(context.Context, reconcile.Key) (*appsv1.ReplicaSet, error)
	writeStatus func(context.Context, *appsv1.ReplicaSet) (*appsv1.ReplicaSet, error)
	// countTerminating fills status.terminatingReplicas, which the older kind lacks.
	countTerminating bool
}

type reconciler struct {
	source
	burst  int
	pods   owned.Pods
	write  owned.PodControl
	expect owned.Expectations
	loop   *reconcile.Loop[reconcile.Key]
}

func newReconciler(s *reconcile.Shared, burst int, from source) (*reconciler, error) {
	pods, err := owned.IndexPods(s.Informers)
	if err != nil {
		return nil, err
	}
	if burst <= 0 {
		burst = defaultBurst
	}
	return &reconciler{
		source: from,
		burst:  burst,
		pods:   pods,
		write:  owned.PodControl{Client: s.Client, Recorder: s.Recorder(from.component)},
	}, nil
}

// watchPods wakes sets up when their pods change, or when a pod appears that one of
// them may adopt.
func (r *reconciler) watchPods(s *reconcile.Shared) error {
	return reconcile.Handle(s, s.Informers.Core().V1().Pods().Informer(), func(old, cur *corev1.Pod) {
		if old != nil {
			r.podWas(old, cur)
		}
		if cur != nil {
			r.podIs(old, cur)
		}
	})
}

func (r *reconciler) podWas(old, cur *corev1.Pod) {
	set := r.owner(old)
	if set == nil {
		return
	}
	key := reconcile.KeyOf(set)
	switch {
	case cur == nil:
		r.expect.Deleted(key, reconcile.KeyOf(old))
		r.loop.Add(key)
	case !sameController(old, cur):
		r.loop.Add(key)
	}
}

func (r *reconciler) podIs(old, cur *corev1.Pod) {
	if metav1.GetControllerOfNoCopy(cur) == nil {
		if old == nil || !sameController(old, cur) || !labels.Equals(old.Labels, cur.Labels) {
			r.offerOrphan(cur)
		}
		return
	}
	set := r.owner(cur)
	if set == nil {
		return
	}
	key := reconcile.KeyOf(set)
	if old == nil {
		r.expect.Created(key)
	}
	if cur.DeletionTimestamp != nil {
		r.expect.Deleted(key, reconcile.KeyOf(cur))
	}
	r.loop.Add(key)
	if set.Spec.MinReadySeconds > 0 && owned.IsReady(cur) && (old == nil || !owned.IsReady(old)) {
		r.loop.AddAfter(key, secondsOf(set.Spec.MinReadySeconds))
	}
}

func (r *reconciler) offerOrphan(pod *corev1.Pod) {
	if len(pod.Labels) == 0 || pod.DeletionTimestamp != nil {
		return
	}
	sets, err := r.list(pod.Namespace)
	if err != nil {
		return
	}
	for _, set := range sets {
		selector, err := metav1.LabelSelectorAsSelector(set.Spec.Selector)
		if err == nil && !selector.Empty() && selector.Matches(labels.Set(pod.Labels)) {
			r.loop.Add(reconcile.KeyOf(set))
		}
	}
}

// owner returns the set that controls the pod, nil if it is none of ours.
func (r *reconciler) owner(pod *corev1.Pod) *appsv1.ReplicaSet {
	ref := metav1.GetControllerOfNoCopy(pod)
	if ref == nil || ref.Kind != r.kind.Kind {
		return nil
	}
	set, err := r.get(reconcile.Key{Namespace: pod.Namespace, Name: ref.Name})
	if err != nil || set.UID != ref.UID {
		return nil
	}
	return set
}

func sameController(a, b metav1.Object) bool {
	return controllerUID(a) == controllerUID(b)
}

func controllerUID(o metav1.Object) types.UID {
	if ref := metav1.GetControllerOfNoCopy(o); ref != nil {
		return ref.UID
	}
	return ""
}

const byOwner = "keelson/replicaset-owner"

// indexSiblings returns a function that finds all sets with the same controller as
// the one given, itself included.
func indexSiblings(informer cache.SharedIndexInformer) (func(*appsv1.ReplicaSet) []*appsv1.ReplicaSet, error) {
	if _, have := informer.GetIndexer().GetIndexers()[byOwner]; !have {
		err := informer.AddIndexers(cache.Indexers{byOwner: func(obj any) ([]string, error) {
			if set, ok := obj.(*appsv1.ReplicaSet); ok {
				if uid := controllerUID(set); uid != "" {
					return []string{string(uid)}, nil
				}
			}
			return nil, nil
		}})
		if err != nil {
			return nil, fmt.Errorf("indexing replica sets: %w", err)
		}
	}
	return func(set *appsv1.ReplicaSet) []*appsv1.ReplicaSet {
		uid := controllerUID(set)
		if uid == "" {
			return nil
		}
		objects, err := informer.GetIndexer().ByIndex(byOwner, string(uid))
		if err != nil {
			return nil
		}
		sets := make([]*appsv1.ReplicaSet, 0, len(objects))
		for _, o := range objects {
			sets = append(sets, o.(*appsv1.ReplicaSet))
		}
		return sets
	}, nil
}
