package nodelifecycle

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// conditionTaints are the taints that follow from conditions.
func conditionTaint(c corev1.NodeCondition) (key string, ok bool) {
	switch {
	case c.Type == corev1.NodeReady && c.Status == corev1.ConditionFalse:
		return corev1.TaintNodeNotReady, true
	case c.Type == corev1.NodeReady && c.Status == corev1.ConditionUnknown:
		return corev1.TaintNodeUnreachable, true
	case c.Status != corev1.ConditionTrue:
		return "", false
	}
	switch c.Type {
	case corev1.NodeMemoryPressure:
		return corev1.TaintNodeMemoryPressure, true
	case corev1.NodeDiskPressure:
		return corev1.TaintNodeDiskPressure, true
	case corev1.NodePIDPressure:
		return corev1.TaintNodePIDPressure, true
	case corev1.NodeNetworkUnavailable:
		return corev1.TaintNodeNetworkUnavailable, true
	}
	return "", false
}

// ours reports whether this controller decides on the taint.
func ours(t corev1.Taint) bool {
	switch t.Effect {
	case corev1.TaintEffectNoSchedule:
		switch t.Key {
		case corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable, corev1.TaintNodeUnschedulable,
			corev1.TaintNodeMemoryPressure, corev1.TaintNodeDiskPressure, corev1.TaintNodePIDPressure,
			corev1.TaintNodeNetworkUnavailable:
			return true
		}
	case corev1.TaintEffectNoExecute:
		return t.Key == corev1.TaintNodeNotReady || t.Key == corev1.TaintNodeUnreachable
	}
	return false
}

// eviction says whether pods may be driven off a node that is not ready.
type eviction int

const (
	evictHold  eviction = iota // not now: keep what taints there are
	evictAllow                 // yes
	evictNever                 // no, and take such taints off
)

// desiredTaints are all taints the node should have: others' as they are, and ours.
func desiredTaints(node *corev1.Node, evict eviction, now time.Time) []corev1.Taint {
	var want []corev1.Taint
	for _, c := range node.Status.Conditions {
		if key, ok := conditionTaint(c); ok {
			want = append(want, corev1.Taint{Key: key, Effect: corev1.TaintEffectNoSchedule})
		}
	}
	if node.Spec.Unschedulable {
		want = append(want, corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule})
	}
	if c := conditionOf(node, corev1.NodeReady); c != nil {
		if key, bad := conditionTaint(*c); bad && mayExecute(node, evict) {
			want = append(want, corev1.Taint{Key: key, Effect: corev1.TaintEffectNoExecute})
		}
	}
	var all []corev1.Taint
	for _, t := range node.Spec.Taints {
		if !ours(t) || slices.ContainsFunc(want, func(w corev1.Taint) bool { return w.MatchTaint(&t) }) {
			all = append(all, t)
		}
	}
	stamp := metav1.NewTime(now)
	for _, w := range want {
		if !slices.ContainsFunc(all, func(t corev1.Taint) bool { return w.MatchTaint(&t) }) {
			w.TimeAdded = &stamp
			all = append(all, w)
		}
	}
	return all
}

// mayExecute: a node that has a taint that evicts keeps one, of the kind that fits its
// condition now.
func mayExecute(node *corev1.Node, evict eviction) bool {
	switch evict {
	case evictAllow:
		return true
	case evictHold:
		return slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool {
			return t.Effect == corev1.TaintEffectNoExecute && ours(t)
		})
	}
	return false
}

func sameTaints(a, b []corev1.Taint) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(t corev1.Taint) bool {
		return !slices.ContainsFunc(b, func(u corev1.Taint) bool { return t.MatchTaint(&u) && t.Value == u.Value })
	})
}
