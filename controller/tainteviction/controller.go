// Package tainteviction deletes pods from nodes whose NoExecute taints they do not
// tolerate, or no longer.
package tainteviction

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"

	"github.com/keelson-project/keelson/controller/owned"
	"github.com/keelson-project/keelson/controller/reconcile"
)

// Controller evicts pods from tainted nodes.
type Controller struct{}

// Name implements [reconcile.Controller].
func (Controller) Name() string { return "tainteviction" }

// New implements [reconcile.Controller].
func (c Controller) New(s *reconcile.Shared) (reconcile.Runner, error) {
	index, err := owned.IndexPods(s.Informers)
	if err != nil {
		return nil, err
	}
	pods := s.Informers.Core().V1().Pods()
	nodes := s.Informers.Core().V1().Nodes()
	r := &reconciler{
		client:   s.Client,
		recorder: s.Recorder("taint-eviction-controller"),
		pods:     pods.Lister(),
		nodes:    nodes.Lister(),
		planned:  make(map[reconcile.Key]time.Time),
	}
	r.loop = reconcile.NewLoop(s, c.Name(), r.reconcile, reconcile.WithWorkers(8))
	err = errors.Join(
		reconcile.Handle(s, pods.Informer(), func(old, cur *corev1.Pod) {
			switch {
			case cur == nil:
				r.loop.Add(reconcile.KeyOf(old))
			case old == nil || old.Spec.NodeName != cur.Spec.NodeName || !equality.Semantic.DeepEqual(old.Spec.Tolerations, cur.Spec.Tolerations):
				r.loop.Add(reconcile.KeyOf(cur))
			}
		}),
		reconcile.Handle(s, nodes.Informer(), func(old, cur *corev1.Node) {
			if cur == nil || (old != nil && equality.Semantic.DeepEqual(evicting(old), evicting(cur))) || (old == nil && len(evicting(cur)) == 0) {
				return
			}
			for _, pod := range index.OnNode(cur.Name) {
				r.loop.Add(reconcile.KeyOf(pod))
			}
		}),
	)
	return r.loop, err
}

type reconciler struct {
	client   kubernetes.Interface
	recorder record.EventRecorder
	pods     corelisters.PodLister
	nodes    corelisters.NodeLister
	loop     *reconcile.Loop[reconcile.Key]

	mu sync.Mutex
	// planned holds, of pods that are to be evicted later, when the time began to run.
	planned map[reconcile.Key]time.Time
}

// evicting are the node's taints that evict.
func evicting(node *corev1.Node) []corev1.Taint {
	var some []corev1.Taint
	for _, t := range node.Spec.Taints {
		if t.Effect == corev1.TaintEffectNoExecute {
			some = append(some, t)
		}
	}
	return some
}

// tolerated returns how long a pod may stay with the taints, and whether it may stay
// for ever. Where several tolerations match a taint, the shortest counts.
func tolerated(pod *corev1.Pod, taints []corev1.Taint) (d time.Duration, forEver bool) {
	forEver = true
	for i := range taints {
		matched := false
		for j := range pod.Spec.Tolerations {
			t := &pod.Spec.Tolerations[j]
			if !t.ToleratesTaint(klog.Logger{}, &taints[i], true) {
				continue
			}
			matched = true
			if t.TolerationSeconds != nil {
				limit := time.Duration(max(0, *t.TolerationSeconds)) * time.Second
				if forEver || limit < d {
					d, forEver = limit, false
				}
			}
			break
		}
		if !matched {
			return 0, false
		}
	}
	return d, forEver
}

// began is when the pod's time on the node began to run: when the last of the taints
// was added or the pod was made, whichever is later.
func began(pod *corev1.Pod, taints []corev1.Taint, now time.Time) time.Time {
	start := pod.CreationTimestamp.Time
	if pod.Status.StartTime != nil {
		start = pod.Status.StartTime.Time
	}
	for _, t := range taints {
		if t.TimeAdded == nil {
			return now
		}
		if t.TimeAdded.After(start) {
			start = t.TimeAdded.Time
		}
	}
	return start
}

func (r *reconciler) reconcile(ctx context.Context, key reconcile.Key) error {
	pod, err := r.pods.Pods(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		r.cancel(key, nil)
		return nil
	}
	if err != nil {
		return err
	}
	if pod.Spec.NodeName == "" || pod.DeletionTimestamp != nil {
		return nil
	}
	node, err := r.nodes.Get(pod.Spec.NodeName)
	if apierrors.IsNotFound(err) {
		r.cancel(key, pod)
		return nil
	}
	if err != nil {
		return err
	}
	taints := evicting(node)
	stay, forEver := tolerated(pod, taints)
	if len(taints) == 0 || forEver {
		r.cancel(key, pod)
		return nil
	}
	now := time.Now()
	if left := r.plan(key, pod, taints, now).Add(stay).Sub(now); left > 0 && stay > 0 {
		r.loop.AddAfter(key, left)
		return nil
	}
	return r.evict(ctx, key, pod)
}

// plan returns when the pod's time began, and remembers it.
func (r *reconciler) plan(key reconcile.Key, pod *corev1.Pod, taints []corev1.Taint, now time.Time) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.planned[key]; !ok {
		r.planned[key] = began(pod, taints, now)
	}
	return r.planned[key]
}

func (r *reconciler) cancel(key reconcile.Key, pod *corev1.Pod) {
	r.mu.Lock()
	_, was := r.planned[key]
	delete(r.planned, key)
	r.mu.Unlock()
	if was && pod != nil {
		r.recorder.Eventf(pod, corev1.EventTypeNormal, "TaintManagerEviction", "Cancelling deletion of Pod %s", key)
	}
}

func (r *reconciler) evict(ctx context.Context, key reconcile.Key, pod *corev1.Pod) error {
	r.recorder.Eventf(pod, corev1.EventTypeNormal, "TaintManagerEviction", "Marking for deletion Pod %s", key)
	if err := r.delete(ctx, pod); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("evicting pod %s: %w", key, err)
	}
	r.mu.Lock()
	delete(r.planned, key)
	r.mu.Unlock()
	return nil
}

func (r *reconciler) delete(ctx context.Context, pod *corev1.Pod) error {
	err := owned.MarkDisrupted(ctx, r.client, pod, "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint")
	if err != nil {
		return err
	}
	return r.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &pod.UID}})
}
