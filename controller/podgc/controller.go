// Package podgc deletes pods nobody else will: those bound to nodes that no longer
// exist, those deleted before they were bound, those stuck on nodes that are out of
// service, and the oldest of the finished ones when there are too many.
package podgc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/utils/ptr"

	"github.com/keelson-project/keelson/controller/owned"
	"github.com/keelson-project/keelson/controller/reconcile"
)

const (
	// quarantine is how long a node must be unknown before its pods go: it may just
	// be late in the cache.
	quarantine = 40 * time.Second
	// tidyPause gathers pods that finish one after the other.
	tidyPause = 20 * time.Second
)

// Controller deletes pods nobody else will.
type Controller struct {
	// FinishedPods is how many finished pods may stay, of the whole cluster. Zero means
	// 12500, a negative number any.
	FinishedPods int
}

// Name implements [reconcile.Controller].
func (Controller) Name() string { return "podgc" }

// work is what to look at: a pod, the pods of a node, or, if all is empty, the number
// of finished pods.
type work struct {
	pod  reconcile.Key
	node string
}

// New implements [reconcile.Controller].
func (c Controller) New(s *reconcile.Shared) (reconcile.Runner, error) {
	if c.FinishedPods == 0 {
		c.FinishedPods = 12500
	}
	index, err := owned.IndexPods(s.Informers)
	if err != nil {
		return nil, err
	}
	pods := s.Informers.Core().V1().Pods()
	nodes := s.Informers.Core().V1().Nodes()
	r := &reconciler{
		client: s.Client,
		limit:  c.FinishedPods,
		pods:   pods.Lister(),
		nodes:  nodes.Lister(),
		index:  index,
	}
	r.loop = reconcile.NewLoop(s, c.Name(), r.reconcile)
	err = errors.Join(
		reconcile.Handle(s, pods.Informer(), func(old, cur *corev1.Pod) {
			if cur != nil {
				r.podChanged(old, cur)
			}
		}),
		reconcile.Handle(s, nodes.Informer(), func(old, cur *corev1.Node) {
			switch {
			case cur == nil:
				r.loop.AddAfter(work{node: old.Name}, quarantine)
			case outOfService(cur):
				r.loop.Add(work{node: cur.Name})
			}
		}),
	)
	return r.loop, err
}

type reconciler struct {
	client kubernetes.Interface
	limit  int
	pods   corelisters.PodLister
	nodes  corelisters.NodeLister
	index  owned.Pods
	loop   *reconcile.Loop[work]
}

func (r *reconciler) podChanged(old, cur *corev1.Pod) {
	if cur.DeletionTimestamp != nil {
		r.loop.Add(work{pod: reconcile.KeyOf(cur)})
	}
	if owned.IsFinished(cur) && (old == nil || !owned.IsFinished(old)) && r.limit >= 0 {
		r.loop.AddAfter(work{}, tidyPause)
	}
	if name := cur.Spec.NodeName; name != "" && (old == nil || old.Spec.NodeName != name) {
		if _, err := r.nodes.Get(name); apierrors.IsNotFound(err) {
			r.loop.AddAfter(work{node: name}, quarantine)
		}
	}
}

// outOfService: an admin has said that nothing runs on the node any more.
func outOfService(node *corev1.Node) bool {
	tainted := slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeOutOfService })
	ready := slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
	return tainted && !ready
}

func (r *reconciler) reconcile(ctx context.Context, w work) error {
	switch {
	case w.node != "":
		return r.node(ctx, w.node)
	case w.pod.Name != "":
		return r.pod(ctx, w.pod)
	}
	return r.tidy(ctx)
}

// pod deletes a pod that is being deleted and that no kubelet will finish off.
func (r *reconciler) pod(ctx context.Context, key reconcile.Key) error {
	pod, err := r.pods.Pods(key.Namespace).Get(key.Name)
	if err != nil || pod.DeletionTimestamp == nil {
		return nil // gone, or another of its name
	}
	if pod.Spec.NodeName == "" {
		return r.delete(ctx, pod, "", "")
	}
	if node, err := r.nodes.Get(pod.Spec.NodeName); err == nil && outOfService(node) {
		return r.delete(ctx, pod, "", "")
	}
	return nil
}

// node deletes the pods of a node that does not exist, or is out of service.
func (r *reconciler) node(ctx context.Context, name string) error {
	pods := r.index.OnNode(name)
	if len(pods) == 0 {
		return nil
	}
	if node, err := r.nodes.Get(name); err == nil {
		if !outOfService(node) {
			return nil
		}
		var errs []error
		for _, pod := range pods {
			if pod.DeletionTimestamp != nil {
				errs = append(errs, r.delete(ctx, pod, "", ""))
			}
		}
		return errors.Join(errs...)
	}
	_, err := r.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err == nil {
		return nil
	}
	if !apierrors.IsNotFound(err) {
		return fmt.Errorf("looking for node %s: %w", name, err)
	}
	var errs []error
	for _, pod := range pods {
		errs = append(errs, r.delete(ctx, pod, "DeletionByPodGC", "PodGC: node no longer exists"))
	}
	return errors.Join(errs...)
}

// tidy deletes finished pods beyond the limit.
func (r *reconciler) tidy(ctx context.Context) error {
	all, err := r.pods.List(labels.Everything())
	if err != nil {
		return err
	}
	var errs []error
	for _, pod := range excess(all, r.limit) {
		errs = append(errs, r.delete(ctx, pod, "", ""))
	}
	return errors.Join(errs...)
}

// excess are the finished pods beyond the limit: evicted ones first, then the oldest.
func excess(all []*corev1.Pod, limit int) []*corev1.Pod {
	var finished []*corev1.Pod
	for _, pod := range all {
		if owned.IsFinished(pod) {
			finished = append(finished, pod)
		}
	}
	n := len(finished) - limit
	if n <= 0 {
		return nil
	}
	evicted := func(pod *corev1.Pod) int {
		if pod.Status.Phase == corev1.PodFailed && pod.Status.Reason == "Evicted" {
			return 0
		}
		return 1
	}
	slices.SortFunc(finished, func(a, b *corev1.Pod) int {
		return cmp.Or(cmp.Compare(evicted(a), evicted(b)), a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
	})
	return finished[:n]
}

// delete removes the pod at once, after it was marked as failed.
func (r *reconciler) delete(ctx context.Context, pod *corev1.Pod, reason, message string) error {
	err := owned.MarkFailed(ctx, r.client, pod, reason, message)
	if err == nil {
		err = r.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
			GracePeriodSeconds: ptr.To(int64(0)),
			Preconditions:      &metav1.Preconditions{UID: &pod.UID},
		})
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return nil
}
