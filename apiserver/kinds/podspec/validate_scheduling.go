package podspec

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

func (c *checker) affinity(p *field.Path) {
	a := c.spec.Affinity
	if a == nil {
		return
	}
	const required, preferred = "requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution"
	weight := func(at *field.Path, w int32) {
		if w <= 0 || w > 100 {
			c.Invalid(at.Child("weight"), w, "must be in the range 1-100")
		}
	}
	if n := a.NodeAffinity; n != nil {
		at := p.Child("nodeAffinity")
		if s := n.RequiredDuringSchedulingIgnoredDuringExecution; s != nil {
			NodeSelector(&c.Errors, at.Child(required), s)
		}
		for i := range n.PreferredDuringSchedulingIgnoredDuringExecution {
			term, at := &n.PreferredDuringSchedulingIgnoredDuringExecution[i], at.Child(preferred).Index(i)
			weight(at, term.Weight)
			nodeSelectorTerm(&c.Errors, at.Child("preference"), &term.Preference, anyValues)
		}
	}
	terms := func(at *field.Path, must []corev1.PodAffinityTerm, should []corev1.WeightedPodAffinityTerm) {
		for i := range must {
			c.podTerm(&must[i], at.Child(required).Index(i))
		}
		for i := range should {
			weight(at.Child(preferred).Index(i), should[i].Weight)
			c.podTerm(&should[i].PodAffinityTerm, at.Child(preferred).Index(i).Child("podAffinityTerm"))
		}
	}
	if x := a.PodAffinity; x != nil {
		terms(p.Child("podAffinity"), x.RequiredDuringSchedulingIgnoredDuringExecution, x.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	if x := a.PodAntiAffinity; x != nil {
		terms(p.Child("podAntiAffinity"), x.RequiredDuringSchedulingIgnoredDuringExecution, x.PreferredDuringSchedulingIgnoredDuringExecution)
	}
}

func (c *checker) podTerm(t *corev1.PodAffinityTerm, p *field.Path) {
	c.Selector(p.Child("labelSelector"), t.LabelSelector)
	c.Selector(p.Child("namespaceSelector"), t.NamespaceSelector)
	for _, ns := range t.Namespaces {
		c.Messages(p.Child("namespace"), ns, apivalidation.ValidateNamespaceName(ns, false))
	}
	c.labelKeys(p, t.MatchLabelKeys, t.MismatchLabelKeys, t.LabelSelector)
	if t.TopologyKey == "" {
		c.Required(p.Child("topologyKey"), "can not be empty")
	}
	c.LabelName(p.Child("topologyKey"), t.TopologyKey)
}

// labelKeys checks the keys whose values the pod itself adds to a selector.
func (c *checker) labelKeys(p *field.Path, match, mismatch []string, s *metav1.LabelSelector) {
	for _, keys := range []struct {
		name string
		list []string
	}{{"matchLabelKeys", match}, {"mismatchLabelKeys", mismatch}} {
		at := p.Child(keys.name)
		if len(keys.list) > 0 && s == nil {
			c.Forbidden(at, "must not be specified when labelSelector is not set")
			continue
		}
		for i, key := range keys.list {
			c.LabelName(at.Index(i), key)
		}
	}
	if s != nil {
		// A key that the pod has added once itself is there in one expression.
		seen := map[string]bool{}
		for key := range s.MatchLabels {
			seen[key] = true
		}
		for _, x := range s.MatchExpressions {
			if at := lastIndex(match, x.Key); at >= 0 && seen[x.Key] {
				c.Invalid(p.Index(at), x.Key, "exists in both matchLabelKeys and labelSelector")
			}
			seen[x.Key] = true
		}
	}
	for i, key := range match {
		if slices.Contains(mismatch, key) {
			c.Invalid(p.Child("matchLabelKeys").Index(i), key, "exists in both matchLabelKeys and mismatchLabelKeys")
		}
	}
}

func lastIndex(list []string, s string) int {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i] == s {
			return i
		}
	}
	return -1
}

// NodeSelector checks what nodes are selected by.
func NodeSelector(e *check.Errors, p *field.Path, s *corev1.NodeSelector) {
	at := p.Child("nodeSelectorTerms")
	if len(s.NodeSelectorTerms) == 0 {
		e.Required(at, "must have at least one node selector term")
	}
	for i := range s.NodeSelectorTerms {
		nodeSelectorTerm(e, at.Index(i), &s.NodeSelectorTerms[i], labelValues)
	}
}

func anyValues(*check.Errors, *field.Path, []string) {}

func labelValues(e *check.Errors, p *field.Path, values []string) {
	for i, v := range values {
		e.Messages(p.Index(i), v, validation.IsValidLabelValue(v))
	}
}

func nodeSelectorTerm(e *check.Errors, p *field.Path, t *corev1.NodeSelectorTerm, values func(*check.Errors, *field.Path, []string)) {
	for i, r := range t.MatchExpressions {
		at := p.Child("matchExpressions").Index(i)
		switch r.Operator {
		case corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn:
			if len(r.Values) == 0 {
				e.Required(at.Child("values"), "must be specified when `operator` is 'In' or 'NotIn'")
			}
		case corev1.NodeSelectorOpExists, corev1.NodeSelectorOpDoesNotExist:
			if len(r.Values) > 0 {
				e.Forbidden(at.Child("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
			}
		case corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt:
			if len(r.Values) != 1 {
				e.Required(at.Child("values"), "must be specified single value when `operator` is 'Lt' or 'Gt'")
			}
		default:
			e.Invalid(at.Child("operator"), r.Operator, "not a valid selector operator")
		}
		e.LabelName(at.Child("key"), r.Key)
		values(e, at.Child("values"), r.Values)
	}
	for i, r := range t.MatchFields {
		at := p.Child("matchFields").Index(i)
		switch r.Operator {
		case corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn:
			if len(r.Values) != 1 {
				e.Required(at.Child("values"), "must be only one value when `operator` is 'In' or 'NotIn' for node field selector")
			}
		default:
			e.Invalid(at.Child("operator"), r.Operator, "not a valid selector operator")
		}
		if r.Key != metav1.ObjectNameField {
			e.Invalid(at.Child("key"), r.Key, "not a valid field selector key")
			continue
		}
		for j, v := range r.Values {
			e.Messages(at.Child("values").Index(j), v, apivalidation.NameIsDNSSubdomain(v, false))
		}
	}
}

// Tolerations checks what taints are tolerated.
func Tolerations(e *check.Errors, p *field.Path, list []corev1.Toleration) {
	for i, t := range list {
		at := p.Index(i)
		if t.Key != "" {
			e.LabelName(at.Child("key"), t.Key)
		} else if t.Operator != corev1.TolerationOpExists {
			e.Invalid(at.Child("operator"), t.Operator, "operator must be Exists when `key` is empty, which means \"match all values and all keys\"")
		}
		if t.TolerationSeconds != nil && t.Effect != corev1.TaintEffectNoExecute {
			e.Invalid(at.Child("effect"), t.Effect, "effect must be 'NoExecute' when `tolerationSeconds` is set")
		}
		switch t.Operator {
		case corev1.TolerationOpEqual, "":
			if msgs := validation.IsValidLabelValue(t.Value); len(msgs) > 0 {
				e.Invalid(at.Child("operator"), t.Value, strings.Join(msgs, ";"))
			}
		case corev1.TolerationOpExists:
			if t.Value != "" {
				e.Invalid(at.Child("operator"), t.Value, "value must be empty when `operator` is 'Exists'")
			}
		case corev1.TolerationOpLt, corev1.TolerationOpGt:
			// Known, but not switched on by default.
			e.Add(field.NotSupported(at.Child("operator"), t.Operator, []corev1.TolerationOperator{
				corev1.TolerationOpEqual, corev1.TolerationOpExists, corev1.TolerationOpLt, corev1.TolerationOpGt,
			}))
		default:
			check.OneOf(e, at.Child("operator"), t.Operator, corev1.TolerationOpEqual, corev1.TolerationOpExists)
		}
		if t.Effect != "" {
			TaintEffect(e, at.Child("effect"), t.Effect)
		}
	}
}

// TaintEffect requires one of the effects that taints have.
func TaintEffect(e *check.Errors, p *field.Path, effect corev1.TaintEffect) {
	check.OneOf(e, p, effect, corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute)
}

func (c *checker) topologySpread(p *field.Path) {
	all := c.spec.TopologySpreadConstraints
	for i := range all {
		t, at := &all[i], p.Index(i)
		c.Positive(at.Child("maxSkew"), int64(t.MaxSkew))
		if t.TopologyKey == "" {
			c.Required(at.Child("topologyKey"), "can not be empty")
		}
		check.OneOf(&c.Errors, at.Child("whenUnsatisfiable"), t.WhenUnsatisfiable, corev1.DoNotSchedule, corev1.ScheduleAnyway)
		if slices.ContainsFunc(all[i+1:], func(o corev1.TopologySpreadConstraint) bool {
			return o.TopologyKey == t.TopologyKey && o.WhenUnsatisfiable == t.WhenUnsatisfiable
		}) {
			c.Duplicate(at.Child("{topologyKey, whenUnsatisfiable}"), fmt.Sprintf("{%v, %v}", t.TopologyKey, t.WhenUnsatisfiable))
		}
		if n := t.MinDomains; n != nil {
			c.Positive(at.Child("minDomains"), int64(*n))
			if t.WhenUnsatisfiable != corev1.DoNotSchedule {
				c.Invalid(at.Child("minDomains"), n, fmt.Sprintf("can only use minDomains if whenUnsatisfiable=%s, not %s", corev1.DoNotSchedule, t.WhenUnsatisfiable))
			}
		}
		check.OptionalOneOf(&c.Errors, at.Child("nodeAffinityPolicy"), t.NodeAffinityPolicy, corev1.NodeInclusionPolicyHonor, corev1.NodeInclusionPolicyIgnore)
		check.OptionalOneOf(&c.Errors, at.Child("nodeTaintsPolicy"), t.NodeTaintsPolicy, corev1.NodeInclusionPolicyHonor, corev1.NodeInclusionPolicyIgnore)
		c.labelKeys(at, t.MatchLabelKeys, nil, t.LabelSelector)
		c.Selector(at.Child("labelSelector"), t.LabelSelector)
	}
}
