package nodeaffinity

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// Required is a pod's node selector and required node affinity, ready to be
// matched with many nodes.
type Required struct {
	selector labels.Set
	affinity bool
	terms    []term
}

// NewRequired parses what the pod requires of its node. A term that cannot be parsed matches no node.
func NewRequired(pod *corev1.Pod) *Required {
	r := &Required{selector: pod.Spec.NodeSelector}
	if required := requiredTerms(pod); required != nil {
		r.affinity = true
		for i := range required.NodeSelectorTerms {
			if t, ok := newTerm(&required.NodeSelectorTerms[i]); ok {
				r.terms = append(r.terms, t)
			}
		}
	}
	return r
}

// Match reports whether the node has all the labels of the selector and meets one of the terms.
func (r *Required) Match(node *corev1.Node) bool {
	for k, v := range r.selector {
		if got, ok := node.Labels[k]; !ok || got != v {
			return false
		}
	}
	return !r.affinity || slices.ContainsFunc(r.terms, func(t term) bool { return t.match(node) })
}

// term is a node selector term: labels and the node's name must meet all of it.
type term struct {
	labels labels.Requirements
	names  []nameRequirement
}

type nameRequirement struct {
	name string
	not  bool
}

func (t *term) match(node *corev1.Node) bool {
	for i := range t.labels {
		if !t.labels[i].Matches(labels.Set(node.Labels)) {
			return false
		}
	}
	for _, r := range t.names {
		if (r.name == node.Name) == r.not {
			return false
		}
	}
	return true
}

// newTerm parses a term; ok is false if it can match nothing: it is empty or malformed.
func newTerm(in *corev1.NodeSelectorTerm) (t term, ok bool) {
	if len(in.MatchExpressions) == 0 && len(in.MatchFields) == 0 {
		return t, false
	}
	for _, e := range in.MatchExpressions {
		op, known := operator(e.Operator)
		if !known {
			return t, false
		}
		r, err := labels.NewRequirement(e.Key, op, e.Values)
		if err != nil {
			return t, false
		}
		t.labels = append(t.labels, *r)
	}
	for _, f := range in.MatchFields {
		if f.Key != metav1.ObjectNameField || len(f.Values) != 1 ||
			f.Operator != corev1.NodeSelectorOpIn && f.Operator != corev1.NodeSelectorOpNotIn {
			return t, false
		}
		t.names = append(t.names, nameRequirement{name: f.Values[0], not: f.Operator == corev1.NodeSelectorOpNotIn})
	}
	return t, true
}

func operator(op corev1.NodeSelectorOperator) (selection.Operator, bool) {
	switch op {
	case corev1.NodeSelectorOpIn:
		return selection.In, true
	case corev1.NodeSelectorOpNotIn:
		return selection.NotIn, true
	case corev1.NodeSelectorOpExists:
		return selection.Exists, true
	case corev1.NodeSelectorOpDoesNotExist:
		return selection.DoesNotExist, true
	case corev1.NodeSelectorOpGt:
		return selection.GreaterThan, true
	case corev1.NodeSelectorOpLt:
		return selection.LessThan, true
	}
	return "", false
}

// preferred is a term with what it is worth.
type preferred struct {
	term   term
	weight int64
}

// newPreferred parses the terms; an empty or malformed one, or one of no weight, is worth nothing.
func newPreferred(in []corev1.PreferredSchedulingTerm) []preferred {
	var out []preferred
	for i := range in {
		if t, ok := newTerm(&in[i].Preference); ok && in[i].Weight != 0 {
			out = append(out, preferred{t, int64(in[i].Weight)})
		}
	}
	return out
}
