// Package tainttoleration keeps pods off nodes whose taints they do not tolerate.
package tainttoleration

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/klog/v2"

	"github.com/keelson-project/keelson/scheduler/framework"
)

var refused = framework.NewStatus(framework.UnschedulableAndUnresolvable, "node(s) had untolerated taint(s)")

// Plugin filters by the effects NoSchedule and NoExecute and scores by PreferNoSchedule.
type Plugin struct{}

// Name implements framework.Plugin.
func (Plugin) Name() string { return "TaintToleration" }

// Filter implements framework.FilterPlugin.
func (Plugin) Filter(cs *framework.CycleState, n *framework.NodeInfo) *framework.Status {
	if len(n.Taints) > 0 && !TolerateNode(cs.Pod.Pod, n.Node) {
		return refused
	}
	return nil
}

// PreScore implements framework.PreScorePlugin.
func (Plugin) PreScore(_ context.Context, cs *framework.CycleState, _ []*framework.NodeInfo) *framework.Status {
	if cs.Snapshot.PreferNoScheduleNodes() == 0 {
		return framework.NewStatus(framework.Skip)
	}
	return nil
}

// Score implements framework.ScorePlugin: the number of taints the pod would rather avoid.
func (Plugin) Score(cs *framework.CycleState, nodes []*framework.NodeInfo, scores []int64) *framework.Status {
	for i, n := range nodes {
		if !n.HasPreferNoSchedule {
			continue
		}
		for j := range n.Node.Spec.Taints {
			t := &n.Node.Spec.Taints[j]
			if t.Effect == corev1.TaintEffectPreferNoSchedule && !Tolerates(cs.Pod.Pod.Spec.Tolerations, t) {
				scores[i]++
			}
		}
	}
	return nil
}

// NormalizeScores implements framework.ScoreNormalizer.
func (Plugin) NormalizeScores(_ *framework.CycleState, _ []*framework.NodeInfo, scores []int64) {
	framework.NormalizeScoresReversed(scores)
}

// Events implements framework.EventPlugin.
func (Plugin) Events() []framework.EventInterest {
	return []framework.EventInterest{{Kind: framework.Node, Actions: framework.Added | framework.Updated, Hint: func(pod *corev1.Pod, e framework.Event) framework.Hint {
		node, ok := e.New.(*corev1.Node)
		if !ok {
			return framework.Retry
		}
		if old, ok := e.Old.(*corev1.Node); ok && equality.Semantic.DeepEqual(old.Spec.Taints, node.Spec.Taints) {
			return framework.Ignore
		}
		if !TolerateNode(pod, node) {
			return framework.Ignore
		}
		return framework.Retry
	}}}
}

// TolerateNode reports whether the pod tolerates every taint that would keep it off the node.
func TolerateNode(pod *corev1.Pod, node *corev1.Node) bool {
	for i := range node.Spec.Taints {
		t := &node.Spec.Taints[i]
		if t.Effect != corev1.TaintEffectNoSchedule && t.Effect != corev1.TaintEffectNoExecute {
			continue
		}
		if !Tolerates(pod.Spec.Tolerations, t) {
			return false
		}
	}
	return true
}

// Tolerates reports whether one of the tolerations covers the taint.
func Tolerates(tolerations []corev1.Toleration, taint *corev1.Taint) bool {
	for i := range tolerations {
		if tolerations[i].ToleratesTaint(klog.Logger{}, taint, false) {
			return true
		}
	}
	return false
}
