package nodelifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	coordinationlisters "k8s.io/client-go/listers/coordination/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/record"

	"github.com/keelson-project/keelson/controller/owned"
	"github.com/keelson-project/keelson/controller/reconcile"
)

// Controller watches over nodes. The zero value has the defaults.
type Controller struct {
	// GracePeriod is how long a node may be silent. Default 50 s.
	GracePeriod time.Duration
	// StartupGracePeriod is the same for a node that has never been ready. Default 60 s.
	StartupGracePeriod time.Duration
	// EvictionInterval is the time between two nodes of one zone from which pods are
	// driven off. Default 10 s.
	EvictionInterval time.Duration
	// SlowEvictionInterval replaces it in large zones of which a great part is down.
	// Default 100 s.
	SlowEvictionInterval time.Duration
	// UnhealthyZoneThreshold is that great part, of one. Default 0.55.
	UnhealthyZoneThreshold float64
	// LargeZone is the most nodes of a small zone; in small zones of which a great part
	// is down no pods are driven off. Default 50.
	LargeZone int
}

func (c Controller) withDefaults() Controller {
	fill := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	fill(&c.GracePeriod, 50*time.Second)
	fill(&c.StartupGracePeriod, 60*time.Second)
	fill(&c.EvictionInterval, 10*time.Second)
	fill(&c.SlowEvictionInterval, 100*time.Second)
	if c.UnhealthyZoneThreshold == 0 {
		c.UnhealthyZoneThreshold = 0.55
	}
	if c.LargeZone == 0 {
		c.LargeZone = 50
	}
	return c
}

// Name implements [reconcile.Controller].
func (Controller) Name() string { return "nodelifecycle" }

// New implements [reconcile.Controller].
func (c Controller) New(s *reconcile.Shared) (reconcile.Runner, error) {
	nodes := s.Informers.Core().V1().Nodes()
	leases := s.Informers.Coordination().V1().Leases()
	pods, err := owned.IndexPods(s.Informers)
	if err != nil {
		return nil, err
	}
	r := &reconciler{
		Controller: c.withDefaults(),
		client:     s.Client,
		recorder:   s.Recorder("node-controller"),
		nodes:      nodes.Lister(),
		leases:     leases.Lister(),
		pods:       pods,
		health:     make(map[string]health),
		evictedAt:  make(map[string]time.Time),
	}
	r.loop = reconcile.NewLoop(s, c.Name(), r.reconcile, reconcile.WithWorkers(8))
	err = errors.Join(
		reconcile.Handle(s, nodes.Informer(), r.nodeChanged),
		reconcile.Handle(s, leases.Informer(), func(old, cur *coordinationv1.Lease) {
			if cur != nil && cur.Namespace == corev1.NamespaceNodeLease {
				r.renewed(cur)
			}
		}),
	)
	return r.loop, err
}

type reconciler struct {
	Controller
	client   kubernetes.Interface
	recorder record.EventRecorder
	nodes    corelisters.NodeLister
	leases   coordinationlisters.LeaseLister
	pods     owned.Pods
	loop     *reconcile.Loop[string]

	mu        sync.Mutex
	health    map[string]health
	evictedAt map[string]time.Time // zone → when a node of it was last tainted
}

func (r *reconciler) nodeChanged(old, cur *corev1.Node) {
	if cur == nil {
		r.recorder.Eventf(refTo(old), corev1.EventTypeNormal, "RemovingNode", "Node %s event: Removing Node %s from Controller", old.Name, old.Name)
		r.mu.Lock()
		delete(r.health, old.Name)
		r.mu.Unlock()
		r.wakeUnready()
		return
	}
	r.loop.Add(cur.Name)
	if old == nil {
		r.recorder.Eventf(refTo(cur), corev1.EventTypeNormal, "RegisteredNode", "Node %s event: Registered Node %s in Controller", cur.Name, cur.Name)
	}
	if old == nil || readiness(old) != readiness(cur) {
		r.wakeUnready()
	}
}

// renewed notes when a renewal came in. The node itself need not be looked at before
// its time is up.
func (r *reconciler) renewed(lease *coordinationv1.Lease) {
	if lease.Spec.RenewTime == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if h, ok := r.health[lease.Name]; ok && h.renewal.Before(lease.Spec.RenewTime) {
		h.seen, h.renewal = time.Now(), *lease.Spec.RenewTime
		r.health[lease.Name] = h
	}
}

// wakeUnready looks again at nodes that are not ready: what one node's state means
// depends on the others'.
func (r *reconciler) wakeUnready() {
	all, err := r.nodes.List(labels.Everything())
	if err != nil {
		return
	}
	for _, node := range all {
		if readiness(node) != corev1.ConditionTrue {
			r.loop.Add(node.Name)
		}
	}
}

func (r *reconciler) reconcile(ctx context.Context, name string) error {
	cached, err := r.nodes.Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	node := cached.DeepCopy()
	now := time.Now()
	was, next := r.observe(node, now)
	if silentAt := next.silentAt(node, r.GracePeriod, r.StartupGracePeriod); now.Before(silentAt) {
		r.loop.AddAfter(name, silentAt.Sub(now))
	} else if node, err = r.declareSilent(ctx, node, now); err != nil || node == nil {
		return err
	}
	if err := r.tellPods(ctx, node, was); err != nil {
		return err
	}
	r.remember(node)
	return r.taint(ctx, node, now)
}

// observe takes in the node's signs of life and returns what was known of it before.
func (r *reconciler) observe(node *corev1.Node, now time.Time) (before, after health) {
	var renewal metav1.MicroTime
	if lease, err := r.leases.Leases(corev1.NamespaceNodeLease).Get(node.Name); err == nil && lease.Spec.RenewTime != nil {
		renewal = *lease.Spec.RenewTime
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	before = r.health[node.Name]
	after = before.observe(node, renewal, now)
	r.health[node.Name] = after
	return before, after
}

// remember notes the readiness that the pods were told of.
func (r *reconciler) remember(node *corev1.Node) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if h, ok := r.health[node.Name]; ok {
		h.ready = readiness(node)
		r.health[node.Name] = h
	}
}

// declareSilent sets the node's conditions to Unknown, unless its lease, read from the
// server and not the cache, shows that it lives. It returns nil for a node that is
// gone or does live.
func (r *reconciler) declareSilent(ctx context.Context, node *corev1.Node, now time.Time) (*corev1.Node, error) {
	if !setUnknown(node, now) {
		return node, nil
	}
	lease, err := r.client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Get(ctx, node.Name, metav1.GetOptions{})
	switch {
	case err == nil && lease.Spec.RenewTime != nil:
		r.mu.Lock()
		known := r.health[node.Name].renewal
		r.mu.Unlock()
		if known.Before(lease.Spec.RenewTime) {
			return nil, fmt.Errorf("the cached lease of node %s is behind: %w", node.Name, reconcile.ErrTryAgain)
		}
	case err != nil && !apierrors.IsNotFound(err):
		return nil, fmt.Errorf("reading the lease of node %s: %w", node.Name, err)
	}
	updated, err := r.client.CoreV1().Nodes().UpdateStatus(ctx, node, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return updated, err
}

// tellPods marks the pods of a node that stopped being ready as not ready.
func (r *reconciler) tellPods(ctx context.Context, node *corev1.Node, was health) error {
	if readiness(node) == corev1.ConditionTrue || conditionOf(node, corev1.NodeReady) == nil {
		return nil
	}
	fell := was.ready == corev1.ConditionTrue
	if fell {
		r.recorder.Eventf(refTo(node), corev1.EventTypeNormal, "NodeNotReady", "Node %s status is now: NodeNotReady", node.Name)
	}
	// Of a node that is silent no pod is ready, whenever we began to look. One that
	// reports itself as not ready still reports on its pods.
	if !fell && readiness(node) != corev1.ConditionUnknown {
		return nil
	}
	var errs []error
	for _, pod := range r.pods.OnNode(node.Name) {
		if !owned.IsReady(pod) {
			continue
		}
		pod = pod.DeepCopy()
		c := owned.PodCondition(pod, corev1.PodReady)
		c.Status = corev1.ConditionFalse
		c.LastTransitionTime = metav1.Now()
		if _, err := r.client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, pod, metav1.UpdateOptions{}); err != nil {
			if !apierrors.IsNotFound(err) {
				errs = append(errs, fmt.Errorf("marking pod %s/%s not ready: %w", pod.Namespace, pod.Name, err))
			}
			continue
		}
		r.recorder.Event(pod, corev1.EventTypeWarning, "NodeNotReady", "Node is not ready")
	}
	return errors.Join(errs...)
}

// taint brings the node's taints in line with its conditions.
func (r *reconciler) taint(ctx context.Context, node *corev1.Node, now time.Time) error {
	evict := r.mayEvict(node, now)
	want := desiredTaints(node, evict, now)
	if sameTaints(node.Spec.Taints, want) {
		return nil
	}
	if want == nil {
		want = []corev1.Taint{}
	}
	data, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": node.UID, "resourceVersion": node.ResourceVersion},
		"spec":     map[string]any{"taints": want},
	})
	if err != nil {
		return err
	}
	_, err = r.client.CoreV1().Nodes().Patch(ctx, node.Name, types.MergePatchType, data, metav1.PatchOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("tainting node %s: %w", node.Name, err)
	}
	return nil
}

// mayEvict says whether pods may be driven off the node now, at most one node per zone
// and interval; the node is looked at again when its turn may have come.
func (r *reconciler) mayEvict(node *corev1.Node, now time.Time) eviction {
	if readiness(node) == corev1.ConditionTrue || mayExecute(node, evictHold) && !r.allDown(node) {
		return evictHold
	}
	all, err := r.nodes.List(labels.Everything())
	if err != nil {
		return evictHold
	}
	name := zoneOf(node)
	wait, evict := r.interval(zonesOf(withNewest(all, node)), name)
	if evict != evictAllow {
		return evict
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if due := r.evictedAt[name].Add(wait); now.Before(due) {
		r.loop.AddAfter(node.Name, due.Sub(now))
		return evictHold
	}
	r.evictedAt[name] = now
	return evictAllow
}

func (r *reconciler) allDown(node *corev1.Node) bool {
	all, err := r.nodes.List(labels.Everything())
	if err != nil {
		return false
	}
	_, evict := r.interval(zonesOf(withNewest(all, node)), zoneOf(node))
	return evict == evictNever
}

// withNewest puts the node's newest state in the place of the cached one.
func withNewest(all []*corev1.Node, node *corev1.Node) []*corev1.Node {
	out := make([]*corev1.Node, 0, len(all))
	for _, other := range all {
		if other.Name != node.Name {
			out = append(out, other)
		}
	}
	return append(out, node)
}

func refTo(node *corev1.Node) *corev1.ObjectReference {
	return &corev1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: node.Name, UID: node.UID}
}
