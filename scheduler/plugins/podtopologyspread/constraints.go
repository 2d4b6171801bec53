package podtopologyspread

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/keelson-project/keelson/scheduler/framework"
	"github.com/keelson-project/keelson/scheduler/plugins/nodeaffinity"
	"github.com/keelson-project/keelson/scheduler/plugins/tainttoleration"
)

// constraint is a spread constraint, parsed.
type constraint struct {
	key         string
	maxSkew     int32
	minDomains  int32
	selector    labels.Selector
	honorNodes  bool // count only nodes the pod's selector and affinity allow
	honorTaints bool // count only nodes whose taints the pod tolerates
}

func parse(pod *corev1.Pod, list []corev1.TopologySpreadConstraint, action corev1.UnsatisfiableConstraintAction) ([]constraint, error) {
	var out []constraint
	for i := range list {
		c := &list[i]
		if c.WhenUnsatisfiable != action {
			continue
		}
		selector, err := metav1.LabelSelectorAsSelector(c.LabelSelector)
		if err != nil {
			return nil, fmt.Errorf("topology spread constraint on %q: %w", c.TopologyKey, err)
		}
		p := constraint{key: c.TopologyKey, maxSkew: c.MaxSkew, minDomains: 1, selector: selector, honorNodes: true}
		if c.MinDomains != nil {
			p.minDomains = *c.MinDomains
		}
		if c.NodeAffinityPolicy != nil {
			p.honorNodes = *c.NodeAffinityPolicy == corev1.NodeInclusionPolicyHonor
		}
		if c.NodeTaintsPolicy != nil {
			p.honorTaints = *c.NodeTaintsPolicy == corev1.NodeInclusionPolicyHonor
		}
		if p.selector, err = withLabelKeys(selector, c.MatchLabelKeys, pod.Labels); err != nil {
			return nil, fmt.Errorf("topology spread constraint on %q: %w", c.TopologyKey, err)
		}
		out = append(out, p)
	}
	return out, nil
}

// withLabelKeys adds the pod's own values of the keys to the selector.
func withLabelKeys(s labels.Selector, keys []string, podLabels map[string]string) (labels.Selector, error) {
	own := make(labels.Set)
	for _, k := range keys {
		if v, ok := podLabels[k]; ok {
			own[k] = v
		}
	}
	reqs, selectable := s.Requirements()
	if len(own) == 0 || !selectable {
		return s, nil
	}
	merged, err := own.AsValidatedSelector()
	if err != nil {
		return nil, err
	}
	return merged.Add(reqs...), nil
}

// counted says which nodes count for a pod's constraints. The zero value says all.
type counted struct {
	all   bool
	nodes [][]bool // by constraint and slot; nil unless a policy of the constraint limits the nodes
	keyed []bool   // by slot: the node has every topology key
}

func (c *counted) has(constraint int, slot int32) bool {
	if c.all {
		return true
	}
	return (c.keyed == nil || c.keyed[slot]) && (c.nodes[constraint] == nil || c.nodes[constraint][slot])
}

// countNodes works out which nodes count. In the common case, a pod without node selector
// and one constraint, that is every node with the key, and no node is looked at.
func countNodes(cs *framework.CycleState, list []constraint, allKeys []*framework.Topology) counted {
	pod := cs.Pod.Pod
	selective := len(pod.Spec.NodeSelector) > 0 || pod.Spec.Affinity != nil && pod.Spec.Affinity.NodeAffinity != nil
	out := counted{all: true, nodes: make([][]bool, len(list))}
	nodes := cs.Snapshot.Nodes()
	if len(allKeys) > 1 {
		for _, t := range allKeys {
			for _, n := range nodes {
				if t.Domain(n) < 0 {
					if out.keyed == nil {
						out.keyed, out.all = present(cs.Snapshot), false
					}
					out.keyed[n.Slot] = false
				}
			}
		}
	}
	required := nodeaffinity.NewRequired(pod)
	for i := range list {
		c := &list[i]
		if !(c.honorNodes && selective) && !c.honorTaints {
			continue
		}
		out.all = false
		ok := present(cs.Snapshot)
		for _, n := range nodes {
			if c.honorNodes && selective {
				if !required.Match(n.Node) {
					ok[n.Slot] = false
					continue
				}
			}
			if c.honorTaints && !tainttoleration.TolerateNode(pod, n.Node) {
				ok[n.Slot] = false
			}
		}
		out.nodes[i] = ok
	}
	return out
}

func present(s *framework.Snapshot) []bool {
	out := make([]bool, s.Slots())
	for i := range out {
		out[i] = true
	}
	return out
}

// tally counts the matching pods of one constraint by domain.
func tally(cs *framework.CycleState, c *constraint, t *framework.Topology, which *counted, i int) framework.DomainCounts {
	if c.selector.Empty() {
		return framework.NewDomainCounts(t) // a constraint that does not say what to count counts nothing
	}
	counts := cs.Snapshot.Matching(framework.PodSelector{
		Namespaces: []string{cs.Pod.Pod.Namespace}, Selector: c.selector, SkipTerminating: true,
	})
	if which.all {
		return counts.Domains(t)
	}
	sums := framework.NewDomainCounts(t)
	counts.Each(func(slot, n int32) {
		if which.has(i, slot) {
			sums.AddNode(slot, n)
		}
	})
	return sums
}
