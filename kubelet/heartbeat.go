package kubelet

import (
	"context"
	"encoding/json"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// leaseSeconds is how long a node counts as alive after a heartbeat.
const leaseSeconds = 40

// heartbeat renews the node's lease and keeps its status up to date, until ctx
// ends. A change that is told by nudge is written at once.
func (k *Kubelet) heartbeat(ctx context.Context) {
	ticker := time.NewTicker(k.cfg.HeartbeatInterval)
	defer ticker.Stop()
	var lease *coordinationv1.Lease
	var written time.Time
	for {
		var err error
		if lease, err = k.renewLease(ctx, lease); err != nil && ctx.Err() == nil {
			k.log.Warn("renewing the node's lease failed", "err", err)
		}
		if err := k.writeStatus(ctx, &written); err != nil && ctx.Err() == nil {
			k.log.Warn("writing the node's status failed", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-k.nudge:
		}
	}
}

// renewLease writes the node's lease. It returns it as it is in the API, or
// nil if that is not known.
func (k *Kubelet) renewLease(ctx context.Context, lease *coordinationv1.Lease) (*coordinationv1.Lease, error) {
	leases := k.cfg.Client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	now := metav1.NewMicroTime(time.Now())
	if lease == nil {
		have, err := leases.Get(ctx, k.cfg.NodeName, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			fresh := &coordinationv1.Lease{
				ObjectMeta: metav1.ObjectMeta{Name: k.cfg.NodeName, Namespace: corev1.NamespaceNodeLease, OwnerReferences: k.nodeOwner()},
				Spec: coordinationv1.LeaseSpec{
					HolderIdentity: new(k.cfg.NodeName), LeaseDurationSeconds: new(int32(leaseSeconds)), RenewTime: &now,
				},
			}
			return leases.Create(ctx, fresh, metav1.CreateOptions{})
		}
		if err != nil {
			return nil, err
		}
		lease = have
	}
	if lease.Spec.RenewTime != nil && now.Sub(lease.Spec.RenewTime.Time) < k.cfg.HeartbeatInterval/2 &&
		lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity == k.cfg.NodeName {
		return lease, nil // woken for the status
	}
	next := lease.DeepCopy()
	next.Spec.HolderIdentity = new(k.cfg.NodeName)
	next.Spec.LeaseDurationSeconds = new(int32(leaseSeconds))
	next.Spec.RenewTime = &now
	if len(next.OwnerReferences) == 0 {
		next.OwnerReferences = k.nodeOwner()
	}
	updated, err := leases.Update(ctx, next, metav1.UpdateOptions{})
	if err != nil {
		return nil, err // read anew next time
	}
	return updated, nil
}

// nodeOwner makes the lease go when the node goes.
func (k *Kubelet) nodeOwner() []metav1.OwnerReference {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.node == nil {
		return nil
	}
	return []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: k.node.Name, UID: k.node.UID}}
}

// writeStatus writes the node's status if it has changed, or was not written
// for StatusInterval. Heartbeat times alone are no change.
func (k *Kubelet) writeStatus(ctx context.Context, written *time.Time) error {
	k.mu.Lock()
	node := k.node
	k.mu.Unlock()
	if node == nil {
		if err := k.registerOnce(ctx); err != nil {
			return err
		}
		k.mu.Lock()
		node = k.node
		k.mu.Unlock()
	}
	next := node.DeepCopy()
	k.setStatus(ctx, next)
	if time.Since(*written) < k.cfg.StatusInterval && sameStatus(&node.Status, &next.Status) {
		return nil
	}
	before, err := json.Marshal(&corev1.Node{Status: node.Status})
	if err != nil {
		return err
	}
	after, err := json.Marshal(&corev1.Node{Status: next.Status})
	if err != nil {
		return err
	}
	patch, err := strategicpatch.CreateTwoWayMergePatch(before, after, &corev1.Node{})
	if err != nil {
		return err
	}
	updated, err := k.cfg.Client.CoreV1().Nodes().Patch(ctx, node.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	if apierrors.IsNotFound(err) {
		k.mu.Lock()
		k.node = nil // somebody has deleted it: it is registered anew
		k.mu.Unlock()
		return k.registerOnce(ctx)
	}
	if err != nil {
		return err
	}
	*written = time.Now()
	k.tellReadiness(&node.Status, &updated.Status)
	k.setNode(updated)
	if nodeReady(&updated.Status) {
		k.readyOnce.Do(func() { close(k.ready) })
	}
	return nil
}

// tellReadiness sends an event when the node becomes ready or ceases to be.
func (k *Kubelet) tellReadiness(before, after *corev1.NodeStatus) {
	was, is := nodeReady(before), nodeReady(after)
	if was == is {
		return
	}
	reason := "NodeReady"
	if !is {
		reason = "NodeNotReady"
	}
	k.recorder.event(k.nodeRef(), corev1.EventTypeNormal, reason, "Node %s status is now: %s", k.cfg.NodeName, reason)
}

func nodeReady(s *corev1.NodeStatus) bool {
	for i := range s.Conditions {
		if s.Conditions[i].Type == corev1.NodeReady {
			return s.Conditions[i].Status == corev1.ConditionTrue
		}
	}
	return false
}

func (k *Kubelet) nodeRef() corev1.ObjectReference {
	return corev1.ObjectReference{Kind: "Node", APIVersion: "v1", Name: k.cfg.NodeName, UID: types.UID(k.cfg.NodeName)}
}

// sameStatus compares statuses but for heartbeat times.
func sameStatus(a, b *corev1.NodeStatus) bool {
	strip := func(s *corev1.NodeStatus) *corev1.NodeStatus {
		c := s.DeepCopy()
		for i := range c.Conditions {
			c.Conditions[i].LastHeartbeatTime = metav1.Time{}
		}
		return c
	}
	return equality.Semantic.DeepEqual(strip(a), strip(b))
}
