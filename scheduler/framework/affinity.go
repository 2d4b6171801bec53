package framework

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// TermKind says which list of a pod's affinity a term comes from.
type TermKind int8

// The four lists.
const (
	RequiredAffinity TermKind = iota
	RequiredAntiAffinity
	PreferredAffinity
	PreferredAntiAffinity
)

// AffinityTerm is a parsed pod affinity term.
type AffinityTerm struct {
	// Namespaces are the names the term lists, or the owner's own when it names
	// none and selects none. Sorted.
	Namespaces []string
	// NamespaceSelector adds namespaces by label; nil selects none.
	NamespaceSelector labels.Selector
	// Selector is over pod labels.
	Selector labels.Selector
	// TopologyKey is the node label whose value makes the domain.
	TopologyKey string
	// Weight is 1 to 100 for a preferred term, else 0.
	Weight int32

	selectorText string
}

// Matches reports whether the term selects a pod; namespaceLabels are the labels of
// the pod's namespace, needed only where a term selects namespaces by label.
func (t *AffinityTerm) Matches(pod *corev1.Pod, namespaceLabels labels.Set) bool {
	if !slices.Contains(t.Namespaces, pod.Namespace) &&
		(t.NamespaceSelector == nil || !t.NamespaceSelector.Matches(namespaceLabels)) {
		return false
	}
	return t.Selector.Matches(labels.Set(pod.Labels))
}

type termKey string

type ownTerm struct {
	kind TermKind
	term *AffinityTerm
}

func (t *AffinityTerm) key(kind TermKind) termKey {
	var b strings.Builder
	b.WriteByte('0' + byte(kind))
	b.WriteString(strconv.Itoa(int(t.Weight)))
	b.WriteByte(0)
	b.WriteString(t.TopologyKey)
	b.WriteByte(0)
	b.WriteString(strings.Join(t.Namespaces, ","))
	b.WriteByte(0)
	if t.NamespaceSelector != nil {
		b.WriteByte('?')
		b.WriteString(t.NamespaceSelector.String())
	}
	b.WriteByte(0)
	b.WriteString(t.selectorText)
	return termKey(b.String())
}

func newAffinityTerm(pod *corev1.Pod, t *corev1.PodAffinityTerm, weight int32) (AffinityTerm, error) {
	out := AffinityTerm{TopologyKey: t.TopologyKey, Weight: weight, Selector: labels.Nothing(), selectorText: "!"}
	switch {
	case len(t.Namespaces) > 0:
		out.Namespaces = slices.Sorted(slices.Values(t.Namespaces))
	case t.NamespaceSelector == nil:
		out.Namespaces = []string{pod.Namespace}
	}
	selector, err := metav1.LabelSelectorAsSelector(t.LabelSelector)
	if err != nil {
		return out, fmt.Errorf("label selector of a pod affinity term: %w", err)
	}
	if t.NamespaceSelector != nil {
		ns, err := metav1.LabelSelectorAsSelector(t.NamespaceSelector)
		if err != nil {
			return out, fmt.Errorf("namespace selector of a pod affinity term: %w", err)
		}
		out.NamespaceSelector = ns
	}
	out.Selector, out.selectorText = selector, selectorText(selector)
	return out, nil
}

// selectorText tells the selector of everything from the selector of nothing,
// which print alike.
func selectorText(s labels.Selector) string {
	if _, selectable := s.Requirements(); !selectable {
		return "!"
	}
	return s.String()
}

func (p *PodInfo) parseAffinity() {
	a := p.Pod.Spec.Affinity
	if a == nil {
		return
	}
	required := func(terms []corev1.PodAffinityTerm) []AffinityTerm {
		out := make([]AffinityTerm, 0, len(terms))
		for i := range terms {
			t, err := newAffinityTerm(p.Pod, &terms[i], 0)
			if err != nil && p.parseErr == nil {
				p.parseErr = err
			}
			out = append(out, t)
		}
		return out
	}
	preferred := func(terms []corev1.WeightedPodAffinityTerm) []AffinityTerm {
		out := make([]AffinityTerm, 0, len(terms))
		for i := range terms {
			t, err := newAffinityTerm(p.Pod, &terms[i].PodAffinityTerm, terms[i].Weight)
			if err != nil && p.parseErr == nil {
				p.parseErr = err
			}
			out = append(out, t)
		}
		return out
	}
	if pa := a.PodAffinity; pa != nil {
		p.RequiredAffinity = required(pa.RequiredDuringSchedulingIgnoredDuringExecution)
		p.PreferredAffinity = preferred(pa.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	if pa := a.PodAntiAffinity; pa != nil {
		p.RequiredAntiAffinity = required(pa.RequiredDuringSchedulingIgnoredDuringExecution)
		p.PreferredAntiAffinity = preferred(pa.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	for kind, terms := range [...][]AffinityTerm{p.RequiredAffinity, p.RequiredAntiAffinity, p.PreferredAffinity, p.PreferredAntiAffinity} {
		for i := range terms {
			p.owned = append(p.owned, terms[i].key(TermKind(kind)))
			p.termsOf = append(p.termsOf, ownTerm{TermKind(kind), &terms[i]})
		}
	}
}

func defaultRequests() corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewMilliQuantity(DefaultMilliCPURequest, resource.DecimalSI),
		corev1.ResourceMemory: *resource.NewQuantity(DefaultMemoryRequest, resource.BinarySI),
	}
}
