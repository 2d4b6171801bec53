// Package nodeaffinity matches pods with nodes by node selector and node affinity.
package nodeaffinity

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keelson-project/keelson/scheduler/framework"
)

const name = "NodeAffinity"

var (
	refused     = framework.NewStatus(framework.UnschedulableAndUnresolvable, "node(s) didn't match Pod's node affinity/selector")
	conflicting = framework.NewStatus(framework.UnschedulableAndUnresolvable, "pod affinity terms conflict")
)

// Plugin filters by selector and required affinity and scores by preferred affinity.
type Plugin struct{}

type filterState struct {
	required *Required
}

func (s *filterState) Clone() framework.StateData { return s }

type scoreState struct {
	preferred []preferred
}

func (s *scoreState) Clone() framework.StateData { return s }

// Name implements framework.Plugin.
func (Plugin) Name() string { return name }

// PreFilter implements framework.PreFilterPlugin. A pod that asks for nodes by name is
// tried on those only.
func (Plugin) PreFilter(_ context.Context, cs *framework.CycleState) (*framework.PreFilterResult, *framework.Status) {
	pod := cs.Pod.Pod
	required := requiredTerms(pod)
	if required == nil && pod.Spec.NodeSelector == nil {
		return nil, framework.NewStatus(framework.Skip)
	}
	cs.Write(name, &filterState{required: NewRequired(pod)})
	if required == nil || len(required.NodeSelectorTerms) == 0 {
		return nil, nil
	}
	var names map[string]struct{}
	for i := range required.NodeSelectorTerms {
		term, ok := namesOf(&required.NodeSelectorTerms[i])
		if !ok {
			return nil, nil // this term may match any node
		}
		if names == nil {
			names = make(map[string]struct{})
		}
		for n := range term {
			names[n] = struct{}{}
		}
	}
	if len(names) == 0 {
		return nil, conflicting
	}
	return &framework.PreFilterResult{Nodes: names}, nil
}

// namesOf returns the node names a term is limited to, if it is.
func namesOf(t *corev1.NodeSelectorTerm) (names map[string]struct{}, limited bool) {
	for _, r := range t.MatchFields {
		if r.Key != metav1.ObjectNameField || r.Operator != corev1.NodeSelectorOpIn {
			continue
		}
		next := make(map[string]struct{}, len(r.Values))
		for _, v := range r.Values {
			if _, ok := names[v]; ok || !limited {
				next[v] = struct{}{}
			}
		}
		names, limited = next, true
	}
	return names, limited
}

// Filter implements framework.FilterPlugin.
func (Plugin) Filter(cs *framework.CycleState, n *framework.NodeInfo) *framework.Status {
	s := framework.Read[*filterState](cs, name)
	if s == nil {
		return nil
	}
	if !s.required.Match(n.Node) {
		return refused
	}
	return nil
}

// PreScore implements framework.PreScorePlugin.
func (Plugin) PreScore(_ context.Context, cs *framework.CycleState, _ []*framework.NodeInfo) *framework.Status {
	a := cs.Pod.Pod.Spec.Affinity
	if a == nil || a.NodeAffinity == nil || len(a.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution) == 0 {
		return framework.NewStatus(framework.Skip)
	}
	cs.Write(name+"/score", &scoreState{preferred: newPreferred(a.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution)})
	return nil
}

// Score implements framework.ScorePlugin: the weights of the terms that match.
func (Plugin) Score(cs *framework.CycleState, nodes []*framework.NodeInfo, scores []int64) *framework.Status {
	s := framework.Read[*scoreState](cs, name+"/score")
	if s == nil {
		return nil
	}
	for i, n := range nodes {
		for j := range s.preferred {
			if p := &s.preferred[j]; p.term.match(n.Node) {
				scores[i] += p.weight
			}
		}
	}
	return nil
}

// NormalizeScores implements framework.ScoreNormalizer.
func (Plugin) NormalizeScores(_ *framework.CycleState, _ []*framework.NodeInfo, scores []int64) {
	framework.NormalizeScores(scores)
}

// Events implements framework.EventPlugin.
func (Plugin) Events() []framework.EventInterest {
	return []framework.EventInterest{{Kind: framework.Node, Actions: framework.Added | framework.Updated, Hint: func(pod *corev1.Pod, e framework.Event) framework.Hint {
		required := NewRequired(pod)
		matches := func(o any) bool {
			n, ok := o.(*corev1.Node)
			if !ok {
				return false
			}
			return required.Match(n)
		}
		if matches(e.New) && !matches(e.Old) {
			return framework.Retry
		}
		return framework.Ignore
	}}}
}

func requiredTerms(pod *corev1.Pod) *corev1.NodeSelector {
	if a := pod.Spec.Affinity; a != nil && a.NodeAffinity != nil {
		return a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	}
	return nil
}
