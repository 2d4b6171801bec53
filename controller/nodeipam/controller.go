// Package nodeipam gives every node a range of pod addresses out of the cluster's.
package nodeipam

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/record"

	"github.com/keelson-project/keelson/controller/reconcile"
)

// Controller sets spec.podCIDR and spec.podCIDRs of nodes that have none.
type Controller struct {
	// ClusterCIDRs are the ranges to share out, one or one per address family; the
	// first family is the one of spec.podCIDR. Required.
	ClusterCIDRs []netip.Prefix
	// MaskSizeIPv4 and MaskSizeIPv6 are the lengths of the prefixes that nodes get.
	// Zero means 24 and 64.
	MaskSizeIPv4, MaskSizeIPv6 int
}

// Name implements [reconcile.Controller].
func (Controller) Name() string { return "nodeipam" }

// New implements [reconcile.Controller].
func (c Controller) New(s *reconcile.Shared) (reconcile.Runner, error) {
	pools, err := c.pools()
	if err != nil {
		return nil, err
	}
	nodes := s.Informers.Core().V1().Nodes()
	r := &reconciler{
		client:   s.Client,
		recorder: s.Recorder("cidrAllocator"),
		nodes:    nodes.Lister(),
		pools:    pools,
	}
	// One worker: two at a time might give the same range away.
	r.loop = reconcile.NewLoop(s, c.Name(), r.reconcile, reconcile.WithWorkers(1))
	err = reconcile.Handle(s, nodes.Informer(), func(old, cur *corev1.Node) {
		if cur == nil {
			r.release(old)
			return
		}
		r.loop.Add(cur.Name)
	})
	return r.loop, err
}

func (c Controller) pools() ([]*pool, error) {
	if len(c.ClusterCIDRs) == 0 || len(c.ClusterCIDRs) > 2 {
		return nil, fmt.Errorf("nodeipam: %d cluster ranges given, must be one or two: set Controller.ClusterCIDRs", len(c.ClusterCIDRs))
	}
	if len(c.ClusterCIDRs) == 2 && c.ClusterCIDRs[0].Addr().Is6() == c.ClusterCIDRs[1].Addr().Is6() {
		return nil, fmt.Errorf("nodeipam: cluster ranges %s and %s are of one address family", c.ClusterCIDRs[0], c.ClusterCIDRs[1])
	}
	var pools []*pool
	for _, cidr := range c.ClusterCIDRs {
		size := c.MaskSizeIPv4
		if size == 0 {
			size = 24
		}
		if cidr.Addr().Is6() {
			if size = c.MaskSizeIPv6; size == 0 {
				size = 64
			}
		}
		p, err := newPool(cidr, size)
		if err != nil {
			return nil, err
		}
		pools = append(pools, p)
	}
	return pools, nil
}

type reconciler struct {
	client   kubernetes.Interface
	recorder record.EventRecorder
	nodes    corelisters.NodeLister
	loop     *reconcile.Loop[string]
	pools    []*pool

	start   sync.Once
	mu      sync.Mutex
	waiting []string // nodes that got no range because there was none left
}

func (r *reconciler) reconcile(ctx context.Context, name string) error {
	// What nodes have must be known before anything is given away.
	r.start.Do(r.occupyAll)
	node, err := r.nodes.Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(node.Spec.PodCIDRs) > 0 || node.Spec.PodCIDR != "" {
		r.occupy(node)
		return nil
	}
	if node.DeletionTimestamp != nil {
		return nil
	}
	var got []netip.Prefix
	giveBack := func() {
		for i, prefix := range got {
			r.pools[i].release(prefix)
		}
	}
	for _, p := range r.pools {
		prefix, ok := p.next()
		if !ok {
			giveBack()
			r.mu.Lock()
			r.waiting = append(r.waiting, name)
			r.mu.Unlock()
			ref := &corev1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: node.Name, UID: node.UID}
			r.recorder.Eventf(ref, corev1.EventTypeNormal, "CIDRNotAvailable", "Node %s status is now: CIDRNotAvailable", node.Name)
			return nil // a node that goes makes room
		}
		got = append(got, prefix)
	}
	if err := r.assign(ctx, node, got); err != nil {
		giveBack()
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("assigning pod ranges to node %s: %w", name, err)
	}
	return nil
}

func (r *reconciler) assign(ctx context.Context, node *corev1.Node, got []netip.Prefix) error {
	texts := make([]string, len(got))
	for i, prefix := range got {
		texts[i] = prefix.String()
	}
	data, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": node.UID},
		"spec":     map[string]any{"podCIDR": texts[0], "podCIDRs": texts},
	})
	if err != nil {
		return err
	}
	_, err = r.client.CoreV1().Nodes().Patch(ctx, node.Name, types.StrategicMergePatchType, data, metav1.PatchOptions{})
	return err
}

func (r *reconciler) occupyAll() {
	all, err := r.nodes.List(labels.Everything())
	if err != nil {
		return
	}
	for _, node := range all {
		r.occupy(node)
	}
}

// rangesOf are the node's pod ranges that can be read.
func rangesOf(node *corev1.Node) []netip.Prefix {
	texts := node.Spec.PodCIDRs
	if len(texts) == 0 && node.Spec.PodCIDR != "" {
		texts = []string{node.Spec.PodCIDR}
	}
	var some []netip.Prefix
	for _, text := range texts {
		if prefix, err := netip.ParsePrefix(text); err == nil {
			some = append(some, prefix.Masked())
		}
	}
	return some
}

func (r *reconciler) occupy(node *corev1.Node) {
	for _, prefix := range rangesOf(node) {
		for _, p := range r.pools {
			p.occupy(prefix)
		}
	}
}

func (r *reconciler) release(node *corev1.Node) {
	for _, prefix := range rangesOf(node) {
		for _, p := range r.pools {
			p.release(prefix)
		}
	}
	r.mu.Lock()
	waiting := r.waiting
	r.waiting = nil
	r.mu.Unlock()
	for _, name := range waiting {
		r.loop.Add(name)
	}
}

var errRange = errors.New("nodeipam: range cannot be shared out")
