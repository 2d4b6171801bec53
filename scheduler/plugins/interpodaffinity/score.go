package interpodaffinity

import (
	"context"

	"github.com/keelson-project/keelson/scheduler/framework"
)

const (
	scoreKey = name + "/score"
	// requiredWeight is what a placed pod's required affinity for this one counts when scoring.
	requiredWeight = 1
)

type scoreState struct {
	sums map[string]*weights
}

type weights struct {
	topology *framework.Topology
	byDomain []int64
}

// Clone implements framework.StateData.
func (s *scoreState) Clone() framework.StateData { return s }

func (s *scoreState) add(snap *framework.Snapshot, key string, c *framework.Counts, weight int64) {
	if c.Len() == 0 || weight == 0 {
		return
	}
	w := s.sums[key]
	if w == nil {
		t := snap.Topology(key)
		w = &weights{topology: t, byDomain: make([]int64, t.Domains())}
		s.sums[key] = w
	}
	c.Each(func(slot, n int32) {
		if d := w.topology.DomainOf(slot); d >= 0 {
			w.byDomain[d] += int64(n) * weight
		}
	})
}

// PreScore implements framework.PreScorePlugin.
func (Plugin) PreScore(_ context.Context, cs *framework.CycleState, _ []*framework.NodeInfo) *framework.Status {
	p, snap := cs.Pod, cs.Snapshot
	if len(p.PreferredAffinity) == 0 && len(p.PreferredAntiAffinity) == 0 && !snap.HasTerms(framework.RequiredAffinity) &&
		!snap.HasTerms(framework.PreferredAffinity) && !snap.HasTerms(framework.PreferredAntiAffinity) {
		return framework.NewStatus(framework.Skip)
	}
	s := &scoreState{sums: make(map[string]*weights)}
	own := func(terms []framework.AffinityTerm, sign int64) {
		for _, t := range resolve(cs.Cluster, terms) {
			s.add(snap, t.TopologyKey, snap.Matching(framework.PodSelector{Namespaces: t.Namespaces, Selector: t.Selector}), sign*int64(t.Weight))
		}
	}
	own(p.PreferredAffinity, 1)
	own(p.PreferredAntiAffinity, -1)
	ns := namespaceLabels(cs.Cluster, p.Pod.Namespace)
	snap.EachTerm(framework.RequiredAffinity, p.Pod, ns, func(t *framework.AffinityTerm, c *framework.Counts) {
		s.add(snap, t.TopologyKey, c, requiredWeight)
	})
	snap.EachTerm(framework.PreferredAffinity, p.Pod, ns, func(t *framework.AffinityTerm, c *framework.Counts) {
		s.add(snap, t.TopologyKey, c, int64(t.Weight))
	})
	snap.EachTerm(framework.PreferredAntiAffinity, p.Pod, ns, func(t *framework.AffinityTerm, c *framework.Counts) {
		s.add(snap, t.TopologyKey, c, -int64(t.Weight))
	})
	if len(s.sums) == 0 {
		return framework.NewStatus(framework.Skip)
	}
	cs.Write(scoreKey, s)
	return nil
}

// Score implements framework.ScorePlugin: the weights of the pods around the node.
func (Plugin) Score(cs *framework.CycleState, nodes []*framework.NodeInfo, scores []int64) *framework.Status {
	s := framework.Read[*scoreState](cs, scoreKey)
	if s == nil {
		return nil
	}
	for _, w := range s.sums {
		for i, n := range nodes {
			if d := w.topology.Domain(n); d >= 0 {
				scores[i] += w.byDomain[d]
			}
		}
	}
	return nil
}

// NormalizeScores implements framework.ScoreNormalizer.
func (Plugin) NormalizeScores(cs *framework.CycleState, _ []*framework.NodeInfo, scores []int64) {
	if len(scores) == 0 {
		return
	}
	least, most := scores[0], scores[0]
	for _, v := range scores {
		least, most = min(least, v), max(most, v)
	}
	for i, v := range scores {
		if most == least {
			scores[i] = 0
		} else {
			scores[i] = int64(float64(framework.MaxScore) * (float64(v-least) / float64(most-least)))
		}
	}
}
