// Package podtopologyspread spreads pods over zones, nodes or whatever node
// labels tell apart.
package podtopologyspread

import (
	"context"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/keelson-project/keelson/scheduler/framework"
)

const name = "PodTopologySpread"

var (
	skewed    = framework.NewStatus(framework.Unschedulable, "node(s) didn't match pod topology spread constraints")
	unlabeled = framework.NewStatus(framework.UnschedulableAndUnresolvable, "node(s) didn't match pod topology spread constraints (missing required label)")
)

// Plugin filters by constraints that say DoNotSchedule and scores by those that say
// ScheduleAnyway. Pods without constraints of their own, but with a service or
// workload, are spread loosely over nodes and zones.
type Plugin struct{}

// Name implements framework.Plugin.
func (Plugin) Name() string { return name }

type filterState struct {
	constraints []constraint
	self        []int32 // 1 if the pod matches its own constraint
	which       counted
	counts      []framework.DomainCounts
	live        [][]int32 // by constraint: the domains that have a counted node; nil if all that have nodes
	least       []int32   // by constraint: the smallest count among them
}

// Clone implements framework.StateData.
func (s *filterState) Clone() framework.StateData {
	c := *s
	c.counts = make([]framework.DomainCounts, len(s.counts))
	for i := range s.counts {
		c.counts[i] = s.counts[i].Clone()
	}
	c.least = slices.Clone(s.least)
	return &c
}

// PreFilter implements framework.PreFilterPlugin.
func (Plugin) PreFilter(_ context.Context, cs *framework.CycleState) (*framework.PreFilterResult, *framework.Status) {
	pod := cs.Pod.Pod
	list, err := parse(pod, pod.Spec.TopologySpreadConstraints, corev1.DoNotSchedule)
	if err != nil {
		return nil, framework.AsStatus(err)
	}
	if len(list) == 0 {
		return nil, framework.NewStatus(framework.Skip)
	}
	s := &filterState{constraints: list}
	topologies := make([]*framework.Topology, len(list))
	for i := range list {
		topologies[i] = cs.Snapshot.Topology(list[i].key)
	}
	s.which = countNodes(cs, list, topologies)
	for i := range list {
		self := int32(0)
		if list[i].selector.Matches(labels.Set(pod.Labels)) {
			self = 1
		}
		s.self = append(s.self, self)
		s.counts = append(s.counts, tally(cs, &list[i], topologies[i], &s.which, i))
		s.live = append(s.live, nil)
		if !s.which.all {
			s.live[i] = liveDomains(cs.Snapshot, topologies[i], &s.which, i)
		}
		s.least = append(s.least, 0)
		s.settle(i)
	}
	cs.Write(name, s)
	return nil, nil
}

// liveDomains lists the domains that have a node which counts.
func liveDomains(snap *framework.Snapshot, t *framework.Topology, which *counted, constraint int) []int32 {
	out := make([]int32, 0, t.Live())
	seen := make([]bool, t.Domains())
	for _, n := range snap.Nodes() {
		if d := t.Domain(n); d >= 0 && !seen[d] && which.has(constraint, n.Slot) {
			seen[d] = true
			out = append(out, d)
		}
	}
	return out
}

// settle finds the smallest count, which is zero while there are too few domains.
func (s *filterState) settle(i int) {
	c, t := &s.counts[i], s.counts[i].Topology
	domains := len(s.live[i])
	if s.which.all {
		domains = t.Live()
	}
	if domains < int(s.constraints[i].minDomains) || domains == 0 {
		s.least[i] = 0
		return
	}
	if least, known := c.Least(); known && s.which.all {
		s.least[i] = least
		return
	}
	least := int32(math.MaxInt32)
	if s.which.all {
		for d := range int32(t.Domains()) {
			if t.Nodes(d) > 0 {
				least = min(least, c.In(d))
			}
		}
	}
	for _, d := range s.live[i] {
		least = min(least, c.In(d))
	}
	s.least[i] = least
}

// Filter implements framework.FilterPlugin.
func (Plugin) Filter(cs *framework.CycleState, n *framework.NodeInfo) *framework.Status {
	s := framework.Read[*filterState](cs, name)
	if s == nil {
		return nil
	}
	for i := range s.constraints {
		count, ok := s.counts[i].At(n)
		if !ok {
			return unlabeled
		}
		if count+s.self[i]-s.least[i] > s.constraints[i].maxSkew {
			return skewed
		}
	}
	return nil
}

// AddPod implements framework.PreFilterExtensions.
func (Plugin) AddPod(cs *framework.CycleState, p *framework.PodInfo, n *framework.NodeInfo) {
	change(cs, p, n, 1)
}

// RemovePod implements framework.PreFilterExtensions.
func (Plugin) RemovePod(cs *framework.CycleState, p *framework.PodInfo, n *framework.NodeInfo) {
	change(cs, p, n, -1)
}

func change(cs *framework.CycleState, p *framework.PodInfo, n *framework.NodeInfo, by int32) {
	s := framework.Read[*filterState](cs, name)
	if s == nil || p.Pod.Namespace != cs.Pod.Pod.Namespace || p.Pod.DeletionTimestamp != nil {
		return
	}
	for i := range s.constraints {
		if s.which.has(i, n.Slot) && s.constraints[i].selector.Matches(labels.Set(p.Pod.Labels)) {
			s.counts[i].Change(n, by)
			s.settle(i)
		}
	}
}

// Events implements framework.EventPlugin.
func (Plugin) Events() []framework.EventInterest {
	return []framework.EventInterest{
		{Kind: framework.AssignedPod, Actions: framework.Added | framework.Updated | framework.Deleted, Hint: podMatters},
		{Kind: framework.Node, Actions: framework.Added | framework.Updated | framework.Deleted, Hint: nodeMatters},
	}
}

// podMatters says whether a pod is, or was, among those counted.
func podMatters(pod *corev1.Pod, e framework.Event) framework.Hint {
	list, err := parse(pod, pod.Spec.TopologySpreadConstraints, corev1.DoNotSchedule)
	if err != nil {
		return framework.Retry
	}
	matches := func(o any) bool {
		other, ok := o.(*corev1.Pod)
		if !ok || other.Namespace != pod.Namespace {
			return false
		}
		return slices.ContainsFunc(list, func(c constraint) bool { return c.selector.Matches(labels.Set(other.Labels)) })
	}
	if matches(e.Old) || matches(e.New) {
		return framework.Retry
	}
	return framework.Ignore
}

// nodeMatters says whether a node with the topology keys came, went or changed its domain.
func nodeMatters(pod *corev1.Pod, e framework.Event) framework.Hint {
	old, _ := e.Old.(*corev1.Node)
	node, _ := e.New.(*corev1.Node)
	for i := range pod.Spec.TopologySpreadConstraints {
		key := pod.Spec.TopologySpreadConstraints[i].TopologyKey
		a, hadIt := labelOf(old, key)
		b, hasIt := labelOf(node, key)
		if hadIt != hasIt || a != b {
			return framework.Retry
		}
	}
	if old != nil && node != nil && len(old.Spec.Taints) != len(node.Spec.Taints) {
		return framework.Retry
	}
	return framework.Ignore
}

func labelOf(n *corev1.Node, key string) (string, bool) {
	if n == nil {
		return "", false
	}
	v, ok := n.Labels[key]
	return v, ok
}
