package interpodaffinity

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/keelson-project/keelson/scheduler/framework"
)

// Events implements framework.EventPlugin.
func (Plugin) Events() []framework.EventInterest {
	return []framework.EventInterest{
		{Kind: framework.AssignedPod, Actions: framework.Added | framework.Updated | framework.Deleted, Hint: podMatters},
		{Kind: framework.Node, Actions: framework.Added | framework.Updated, Hint: nodeMatters},
		{Kind: framework.Namespace, Actions: framework.Added | framework.Updated},
	}
}

// podMatters says whether a pod that came could be wanted near, or one that went was in the
// way. Terms that select namespaces by label cannot be judged here and are taken to match.
func podMatters(pod *corev1.Pod, e framework.Event) framework.Hint {
	mine := framework.NewPodInfo(pod)
	if other, ok := e.New.(*corev1.Pod); ok {
		for i := range mine.RequiredAffinity {
			if mayMatch(&mine.RequiredAffinity[i], other) {
				return framework.Retry
			}
		}
	}
	gone, ok := e.Old.(*corev1.Pod)
	if !ok {
		return framework.Ignore
	}
	for i := range mine.RequiredAntiAffinity {
		if mayMatch(&mine.RequiredAntiAffinity[i], gone) {
			return framework.Retry
		}
	}
	theirs := framework.NewPodInfo(gone)
	for i := range theirs.RequiredAntiAffinity {
		if mayMatch(&theirs.RequiredAntiAffinity[i], pod) {
			return framework.Retry
		}
	}
	// The last pod matching an affinity went: the first of a group may go anywhere.
	if e.Action == framework.Deleted {
		for i := range mine.RequiredAffinity {
			if mayMatch(&mine.RequiredAffinity[i], gone) {
				return framework.Retry
			}
		}
	}
	return framework.Ignore
}

func mayMatch(t *framework.AffinityTerm, pod *corev1.Pod) bool {
	if t.NamespaceSelector != nil {
		any := *t
		any.Namespaces, any.NamespaceSelector = []string{pod.Namespace}, nil
		return any.Matches(pod, nil)
	}
	return t.Matches(pod, nil)
}

// nodeMatters says whether the node offers a domain it did not offer before.
func nodeMatters(pod *corev1.Pod, e framework.Event) framework.Hint {
	node, _ := e.New.(*corev1.Node)
	old, _ := e.Old.(*corev1.Node)
	if node == nil || old == nil {
		return framework.Retry
	}
	p := framework.NewPodInfo(pod)
	for _, terms := range [...][]framework.AffinityTerm{p.RequiredAffinity, p.RequiredAntiAffinity} {
		for i := range terms {
			if old.Labels[terms[i].TopologyKey] != node.Labels[terms[i].TopologyKey] {
				return framework.Retry
			}
		}
	}
	if len(p.RequiredAffinity)+len(p.RequiredAntiAffinity) == 0 {
		return framework.Retry // refused by another pod's term, whose topology is not known here
	}
	return framework.Ignore
}
