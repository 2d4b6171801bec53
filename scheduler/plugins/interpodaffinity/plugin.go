// Package interpodaffinity places pods near to, or away from, other pods.
package interpodaffinity

import (
	"context"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/keelson-project/keelson/scheduler/framework"
)

const name = "InterPodAffinity"

var (
	notNear  = framework.NewStatus(framework.UnschedulableAndUnresolvable, "node(s) didn't match pod affinity rules")
	tooNear  = framework.NewStatus(framework.Unschedulable, "node(s) didn't match pod anti-affinity rules")
	repelled = framework.NewStatus(framework.Unschedulable, "node(s) didn't satisfy existing pods anti-affinity rules")
)

// Plugin filters by required and scores by preferred affinity and anti-affinity,
// the pod's own and that of pods already placed.
type Plugin struct{}

// Name implements framework.Plugin.
func (Plugin) Name() string { return name }

type filterState struct {
	namespaceLabels labels.Set
	// affinity and anti are the pod's own terms with their namespaces resolved.
	affinity, anti []framework.AffinityTerm
	// near[i] counts, for affinity[i]'s topology, the pods that match every affinity term.
	near []framework.DomainCounts
	// away[i] counts the pods that match anti[i].
	away []framework.DomainCounts
	// against counts, by topology key, placed pods that want to be away from this one.
	against map[string]*framework.DomainCounts
	// matching is how many pods anywhere match every affinity term.
	matching int32
	// self is whether the pod matches all of its own affinity terms.
	self bool
}

// Clone implements framework.StateData.
func (s *filterState) Clone() framework.StateData {
	c := *s
	c.near = cloneAll(s.near)
	c.away = cloneAll(s.away)
	c.against = maps.Clone(s.against)
	for k, v := range c.against {
		d := v.Clone()
		c.against[k] = &d
	}
	return &c
}

func cloneAll(in []framework.DomainCounts) []framework.DomainCounts {
	out := make([]framework.DomainCounts, len(in))
	for i := range in {
		out[i] = in[i].Clone()
	}
	return out
}

// PreFilter implements framework.PreFilterPlugin.
func (Plugin) PreFilter(_ context.Context, cs *framework.CycleState) (*framework.PreFilterResult, *framework.Status) {
	p := cs.Pod
	if err := p.Err(); err != nil {
		return nil, framework.NewStatus(framework.UnschedulableAndUnresolvable, "parsing pod: "+err.Error())
	}
	if len(p.RequiredAffinity) == 0 && len(p.RequiredAntiAffinity) == 0 && !cs.Snapshot.HasTerms(framework.RequiredAntiAffinity) {
		return nil, framework.NewStatus(framework.Skip)
	}
	s := &filterState{namespaceLabels: namespaceLabels(cs.Cluster, p.Pod.Namespace), against: make(map[string]*framework.DomainCounts)}
	cs.Snapshot.EachTerm(framework.RequiredAntiAffinity, p.Pod, s.namespaceLabels, func(t *framework.AffinityTerm, c *framework.Counts) {
		s.opponents(cs.Snapshot, t.TopologyKey).Add(c)
	})
	s.anti = resolve(cs.Cluster, p.RequiredAntiAffinity)
	for i := range s.anti {
		counts := cs.Snapshot.Matching(framework.PodSelector{Namespaces: s.anti[i].Namespaces, Selector: s.anti[i].Selector})
		s.away = append(s.away, counts.Domains(cs.Snapshot.Topology(s.anti[i].TopologyKey)))
	}
	if s.affinity = resolve(cs.Cluster, p.RequiredAffinity); len(s.affinity) > 0 {
		counts := cs.Snapshot.Matching(conjunction(s.affinity))
		for i := range s.affinity {
			s.near = append(s.near, counts.Domains(cs.Snapshot.Topology(s.affinity[i].TopologyKey)))
		}
		s.matching = counts.Total()
		s.self = matchesAll(s.affinity, p.Pod)
	}
	if len(s.against) == 0 && len(s.anti) == 0 && len(s.affinity) == 0 {
		return nil, framework.NewStatus(framework.Skip)
	}
	cs.Write(name, s)
	return nil, nil
}

func (s *filterState) opponents(snap *framework.Snapshot, key string) *framework.DomainCounts {
	d := s.against[key]
	if d == nil {
		fresh := framework.NewDomainCounts(snap.Topology(key))
		d = &fresh
		s.against[key] = d
	}
	return d
}

// conjunction selects the pods that match every term.
func conjunction(terms []framework.AffinityTerm) framework.PodSelector {
	out := framework.PodSelector{Namespaces: terms[0].Namespaces, Selector: terms[0].Selector}
	for _, t := range terms[1:] {
		out.Namespaces = slices.DeleteFunc(slices.Clone(out.Namespaces), func(ns string) bool { return !slices.Contains(t.Namespaces, ns) })
		if reqs, selectable := t.Selector.Requirements(); selectable {
			out.Selector = out.Selector.Add(reqs...)
		} else {
			out.Selector = labels.Nothing()
		}
	}
	return out
}

func matchesAll(terms []framework.AffinityTerm, pod *corev1.Pod) bool {
	for i := range terms {
		if !terms[i].Matches(pod, nil) {
			return false
		}
	}
	return true
}

// resolve turns namespace selectors into the names they select now.
func resolve(c *framework.Cluster, terms []framework.AffinityTerm) []framework.AffinityTerm {
	out := slices.Clone(terms)
	for i := range out {
		t := &out[i]
		if t.NamespaceSelector == nil {
			continue
		}
		names := slices.Clone(t.Namespaces)
		if c.Namespaces != nil {
			// An error cannot come from a cache.
			list, _ := c.Namespaces.List(t.NamespaceSelector)
			for _, ns := range list {
				names = append(names, ns.Name)
			}
		}
		slices.Sort(names)
		t.Namespaces, t.NamespaceSelector = slices.Compact(names), nil
	}
	return out
}

func namespaceLabels(c *framework.Cluster, namespace string) labels.Set {
	if c.Namespaces == nil {
		return nil
	}
	ns, err := c.Namespaces.Get(namespace)
	if err != nil {
		return nil // not seen yet: it has no labels to select by
	}
	return ns.Labels
}

// Filter implements framework.FilterPlugin.
func (Plugin) Filter(cs *framework.CycleState, n *framework.NodeInfo) *framework.Status {
	s := framework.Read[*filterState](cs, name)
	if s == nil {
		return nil
	}
	missing := false
	for i := range s.near {
		count, ok := s.near[i].At(n)
		if !ok {
			return notNear
		}
		missing = missing || count <= 0
	}
	// The first pod of a group that wants to be together may go anywhere.
	if missing && (s.matching > 0 || !s.self) {
		return notNear
	}
	for i := range s.away {
		if count, _ := s.away[i].At(n); count > 0 {
			return tooNear
		}
	}
	for _, d := range s.against {
		if count, _ := d.At(n); count > 0 {
			return repelled
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
	if s == nil {
		return
	}
	for i := range p.RequiredAntiAffinity {
		if t := &p.RequiredAntiAffinity[i]; t.Matches(cs.Pod.Pod, s.namespaceLabels) {
			s.opponents(cs.Snapshot, t.TopologyKey).Change(n, by)
		}
	}
	for i := range s.anti {
		if s.anti[i].Matches(p.Pod, nil) {
			s.away[i].Change(n, by)
		}
	}
	if len(s.affinity) > 0 && matchesAll(s.affinity, p.Pod) {
		s.matching += by
		for i := range s.near {
			s.near[i].Change(n, by)
		}
	}
}
