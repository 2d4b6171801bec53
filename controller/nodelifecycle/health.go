package nodelifecycle

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// health is what is remembered of a node between looks. Times are by our own clock: a
// node's may be wrong.
type health struct {
	// seen is when the node last gave a sign of life.
	seen time.Time
	// heartbeat and renewal are that sign: the Ready condition's heartbeat and the
	// lease's renewal, by the node's clock.
	heartbeat metav1.Time
	renewal   metav1.MicroTime
	// ready is the status of the Ready condition as last looked at.
	ready corev1.ConditionStatus
}

func conditionOf(node *corev1.Node, of corev1.NodeConditionType) *corev1.NodeCondition {
	i := slices.IndexFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool { return c.Type == of })
	if i < 0 {
		return nil
	}
	return &node.Status.Conditions[i]
}

// readiness is the status of the Ready condition; Unknown if there is none.
func readiness(node *corev1.Node) corev1.ConditionStatus {
	if c := conditionOf(node, corev1.NodeReady); c != nil {
		return c.Status
	}
	return corev1.ConditionUnknown
}

// observe takes in the node's signs of life. renewal is zero if it has no lease.
func (h health) observe(node *corev1.Node, renewal metav1.MicroTime, now time.Time) health {
	var heartbeat metav1.Time
	if c := conditionOf(node, corev1.NodeReady); c != nil {
		heartbeat = c.LastHeartbeatTime
	}
	first := h.seen.IsZero()
	if first || !heartbeat.Equal(&h.heartbeat) || h.renewal.Before(&renewal) {
		h.seen = now
	}
	if first && heartbeat.IsZero() && renewal.IsZero() {
		h.seen = node.CreationTimestamp.Time // never heard of yet
	}
	h.heartbeat, h.renewal = heartbeat, renewal
	return h
}

// silentAt is when the node counts as silent if nothing is heard of it before.
func (h health) silentAt(node *corev1.Node, grace, startupGrace time.Duration) time.Time {
	if conditionOf(node, corev1.NodeReady) == nil {
		return h.seen.Add(startupGrace)
	}
	return h.seen.Add(grace)
}

// setUnknown gives a silent node conditions that say so, and reports a change.
func setUnknown(node *corev1.Node, now time.Time) bool {
	changed := false
	for _, of := range []corev1.NodeConditionType{
		corev1.NodeReady, corev1.NodeMemoryPressure, corev1.NodeDiskPressure, corev1.NodePIDPressure,
	} {
		c := conditionOf(node, of)
		if c == nil {
			node.Status.Conditions = append(node.Status.Conditions, corev1.NodeCondition{
				Type:               of,
				Status:             corev1.ConditionUnknown,
				Reason:             "NodeStatusNeverUpdated",
				Message:            "Kubelet never posted node status.",
				LastHeartbeatTime:  node.CreationTimestamp,
				LastTransitionTime: metav1.NewTime(now),
			})
			changed = true
			continue
		}
		if c.Status != corev1.ConditionUnknown {
			c.Status = corev1.ConditionUnknown
			c.Reason = "NodeStatusUnknown"
			c.Message = "Kubelet stopped posting node status."
			c.LastTransitionTime = metav1.NewTime(now)
			changed = true
		}
	}
	return changed
}
