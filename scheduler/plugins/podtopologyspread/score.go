package podtopologyspread

import (
	"context"
	"math"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/keelson-project/keelson/scheduler/framework"
)

const scoreKey = name + "/score"

type scoreState struct {
	constraints []constraint
	counts      []framework.DomainCounts
	weights     []float64
	strict      bool // a node must have every topology key to be rated
}

// Clone implements framework.StateData.
func (s *scoreState) Clone() framework.StateData { return s }

func (s *scoreState) ignores(n *framework.NodeInfo) bool {
	if !s.strict {
		return false
	}
	for i := range s.counts {
		if s.counts[i].Topology.Domain(n) < 0 {
			return true
		}
	}
	return false
}

// defaults are the constraints of pods that have none of their own.
func defaults() []corev1.TopologySpreadConstraint {
	return []corev1.TopologySpreadConstraint{
		{TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway, MaxSkew: 3},
		{TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.ScheduleAnyway, MaxSkew: 5},
	}
}

// PreScore implements framework.PreScorePlugin.
func (Plugin) PreScore(_ context.Context, cs *framework.CycleState, nodes []*framework.NodeInfo) *framework.Status {
	pod := cs.Pod.Pod
	s := &scoreState{strict: len(pod.Spec.TopologySpreadConstraints) > 0}
	var err error
	if s.strict {
		s.constraints, err = parse(pod, pod.Spec.TopologySpreadConstraints, corev1.ScheduleAnyway)
	} else if selector := defaultSelector(cs.Cluster, pod); !selector.Empty() {
		s.constraints, err = parse(pod, defaults(), corev1.ScheduleAnyway)
		for i := range s.constraints {
			s.constraints[i].selector = selector
		}
	}
	if err != nil {
		return framework.AsStatus(err)
	}
	if len(s.constraints) == 0 {
		return framework.NewStatus(framework.Skip)
	}
	topologies := make([]*framework.Topology, len(s.constraints))
	for i := range s.constraints {
		topologies[i] = cs.Snapshot.Topology(s.constraints[i].key)
	}
	var keys []*framework.Topology
	if s.strict {
		keys = topologies
	}
	which := countNodes(cs, s.constraints, keys)
	for i := range s.constraints {
		s.counts = append(s.counts, tally(cs, &s.constraints[i], topologies[i], &which, i))
	}
	for i := range s.constraints {
		s.weights = append(s.weights, math.Log(float64(s.size(i, nodes)+2)))
	}
	cs.Write(scoreKey, s)
	return nil
}

// size is the number of domains among the nodes; the more there are, the fewer
// pods each has and the more one pod counts.
func (s *scoreState) size(i int, nodes []*framework.NodeInfo) int {
	t := s.counts[i].Topology
	seen := make([]bool, t.Domains())
	n := 0
	for _, node := range nodes {
		if s.ignores(node) {
			continue
		}
		if d := t.Domain(node); d >= 0 && !seen[d] {
			seen[d] = true
			n++
		}
	}
	return n
}

// Score implements framework.ScorePlugin: the weighted number of matching pods around the
// node, so less is better until normalised.
func (Plugin) Score(cs *framework.CycleState, nodes []*framework.NodeInfo, scores []int64) *framework.Status {
	s := framework.Read[*scoreState](cs, scoreKey)
	if s == nil {
		return nil
	}
	for j, n := range nodes {
		if s.ignores(n) {
			continue
		}
		var sum float64
		for i := range s.constraints {
			if count, ok := s.counts[i].At(n); ok {
				sum += float64(count)*s.weights[i] + float64(s.constraints[i].maxSkew-1)
			}
		}
		scores[j] = int64(math.Round(sum))
	}
	return nil
}

// NormalizeScores implements framework.ScoreNormalizer.
func (Plugin) NormalizeScores(cs *framework.CycleState, nodes []*framework.NodeInfo, scores []int64) {
	s := framework.Read[*scoreState](cs, scoreKey)
	if s == nil {
		return
	}
	least, most := int64(math.MaxInt64), int64(0)
	for i, v := range scores {
		if !s.ignores(nodes[i]) {
			least, most = min(least, v), max(most, v)
		}
	}
	for i, v := range scores {
		switch {
		case s.ignores(nodes[i]):
			scores[i] = 0
		case most == 0:
			scores[i] = framework.MaxScore
		default:
			scores[i] = framework.MaxScore * (most + least - v) / most
		}
	}
}

// defaultSelector selects the pods that belong together with this one: those of its
// services and of the workload that owns it. It is empty if there are none.
func defaultSelector(c *framework.Cluster, pod *corev1.Pod) labels.Selector {
	set := make(labels.Set)
	if c.Services != nil && len(pod.Labels) > 0 {
		// An error cannot come from a cache.
		services, _ := c.Services.Services(pod.Namespace).List(labels.Everything())
		for _, svc := range services {
			if len(svc.Spec.Selector) > 0 && labels.SelectorFromValidatedSet(svc.Spec.Selector).Matches(labels.Set(pod.Labels)) {
				set = labels.Merge(set, svc.Spec.Selector)
			}
		}
	}
	owner := metav1.GetControllerOfNoCopy(pod)
	var more *metav1.LabelSelector
	if owner != nil {
		switch {
		case owner.Kind == "ReplicationController" && owner.APIVersion == "v1" && c.ReplicationControllers != nil:
			if rc, err := c.ReplicationControllers.ReplicationControllers(pod.Namespace).Get(owner.Name); err == nil {
				set = labels.Merge(set, rc.Spec.Selector)
			}
		case owner.Kind == "ReplicaSet" && owner.APIVersion == "apps/v1" && c.ReplicaSets != nil:
			if rs, err := c.ReplicaSets.ReplicaSets(pod.Namespace).Get(owner.Name); err == nil {
				more = rs.Spec.Selector
			}
		case owner.Kind == "StatefulSet" && owner.APIVersion == "apps/v1" && c.StatefulSets != nil:
			if ss, err := c.StatefulSets.StatefulSets(pod.Namespace).Get(owner.Name); err == nil {
				more = ss.Spec.Selector
			}
		}
	}
	selector := labels.NewSelector()
	if len(set) > 0 {
		selector = labels.SelectorFromValidatedSet(set)
	}
	if more != nil {
		if s, err := metav1.LabelSelectorAsSelector(more); err == nil {
			if reqs, ok := s.Requirements(); ok {
				selector = selector.Add(reqs...)
			}
		}
	}
	return selector
}
