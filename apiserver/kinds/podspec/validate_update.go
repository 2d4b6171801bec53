package podspec

import (
	"fmt"
	"math"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

const updatable = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`," +
	"`spec.tolerations` (only additions to existing tolerations)," +
	"`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"

// ValidateUpdate returns what is wrong with a change of a pod.
func ValidateUpdate(pod, old *corev1.Pod) field.ErrorList {
	c := &checker{spec: &pod.Spec, pod: &pod.ObjectMeta}
	c.List = Validate(pod)
	c.annotationsUpdate(pod, old)
	p := field.NewPath("spec")
	if !c.sameContainers(p.Child("containers"), pod.Spec.Containers, old.Spec.Containers) ||
		!c.sameContainers(p.Child("initContainers"), pod.Spec.InitContainers, old.Spec.InitContainers) {
		return c.List
	}
	if !c.deadline(p.Child("activeDeadlineSeconds"), pod.Spec.ActiveDeadlineSeconds, old.Spec.ActiveDeadlineSeconds) {
		return c.List
	}
	c.addedTolerations(p.Child("tolerations"), pod.Spec.Tolerations, old.Spec.Tolerations)
	for i, gate := range pod.Spec.SchedulingGates {
		if !slices.Contains(old.Spec.SchedulingGates, gate) && !slices.Contains(pod.Spec.SchedulingGates[i+1:], gate) {
			c.Forbidden(p.Child("schedulingGates").Index(i).Child("name"), fmt.Sprintf("only deletion is allowed, but found new scheduling gate '%s'", gate.Name))
		}
	}
	if equality.Semantic.DeepEqual(pod.Spec, old.Spec) {
		return c.List
	}
	rest := c.withoutAllowed(p, pod, old)
	if !equality.Semantic.DeepEqual(*rest, old.Spec) {
		c.Forbidden(p, fmt.Sprintf("pod updates may not change fields other than %s\n%v", updatable, check.Diff(old.Spec, *rest)))
	}
	return c.List
}

// withoutAllowed returns the new specification with all that may change as it
// was before.
func (c *checker) withoutAllowed(p *field.Path, pod, old *corev1.Pod) *corev1.PodSpec {
	rest, was := pod.Spec.DeepCopy(), &old.Spec
	for i := range rest.Containers {
		rest.Containers[i].Image = was.Containers[i].Image
	}
	for i := range rest.InitContainers {
		rest.InitContainers[i].Image = was.InitContainers[i].Image
	}
	rest.ActiveDeadlineSeconds = was.ActiveDeadlineSeconds
	rest.SchedulingGates = was.SchedulingGates
	rest.Tolerations = was.Tolerations
	if g := was.TerminationGracePeriodSeconds; g != nil && *g < 0 && rest.TerminationGracePeriodSeconds != nil && *rest.TerminationGracePeriodSeconds == 1 {
		rest.TerminationGracePeriodSeconds = g
	}
	if len(was.SchedulingGates) > 0 {
		c.narrowed(p, rest, was)
	}
	return rest
}

// narrowed lets a pod that waits at a gate be bound to fewer nodes than before.
func (c *checker) narrowed(p *field.Path, rest, was *corev1.PodSpec) {
	for key, value := range was.NodeSelector {
		if now, ok := rest.NodeSelector[key]; !ok || now != value {
			c.Invalid(p.Child("nodeSelector"), rest.NodeSelector, "only additions to spec.nodeSelector are allowed (no mutations or deletions)")
			break
		}
	}
	rest.NodeSelector = was.NodeSelector
	node := func(s *corev1.PodSpec) *corev1.NodeAffinity {
		if s.Affinity == nil {
			return nil
		}
		return s.Affinity.NodeAffinity
	}
	before, now := node(was), node(rest)
	if equality.Semantic.DeepEqual(before, now) {
		return
	}
	c.narrowedAffinity(p.Child("affinity", "nodeAffinity"), now, before)
	switch {
	case rest.Affinity == nil:
		rest.Affinity = &corev1.Affinity{NodeAffinity: before}
	case was.Affinity == nil && rest.Affinity.PodAffinity == nil && rest.Affinity.PodAntiAffinity == nil:
		rest.Affinity = nil
	default:
		rest.Affinity.NodeAffinity = before
	}
}

func (c *checker) narrowedAffinity(p *field.Path, now, before *corev1.NodeAffinity) {
	if before == nil || before.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return
	}
	was := before.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	var terms []corev1.NodeSelectorTerm
	if now != nil && now.RequiredDuringSchedulingIgnoredDuringExecution != nil {
		terms = now.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	}
	p = p.Child("requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms")
	if len(was) > 0 && len(was) != len(terms) {
		c.Invalid(p, terms, "no additions/deletions to non-empty NodeSelectorTerms list are allowed")
		return
	}
	extends := func(now, was []corev1.NodeSelectorRequirement) bool {
		return len(now) >= len(was) && equality.Semantic.DeepEqual(now[:len(was)], was)
	}
	for i := range was {
		empty := len(was[i].MatchExpressions)+len(was[i].MatchFields) == 0
		grown := len(terms[i].MatchExpressions)+len(terms[i].MatchFields) > 0
		if empty && grown || !extends(terms[i].MatchExpressions, was[i].MatchExpressions) || !extends(terms[i].MatchFields, was[i].MatchFields) {
			c.Invalid(p.Index(i), terms[i], "only additions are allowed (no mutations or deletions)")
		}
	}
}

func (c *checker) sameContainers(p *field.Path, list, old []corev1.Container) bool {
	if len(list) != len(old) {
		c.Forbidden(p, "pod updates may not add or remove containers")
		return false
	}
	for i := range list {
		at := p.Index(i).Child("image")
		c.NotEmpty(at, list[i].Image)
		c.noPadding(at, list[i].Image)
	}
	return true
}

func (c *checker) deadline(p *field.Path, now, old *int64) bool {
	switch {
	case now == nil:
		if old != nil {
			c.Invalid(p, now, "must not update from a positive integer to nil value")
		}
	case *now < 0 || *now > math.MaxInt32:
		c.Invalid(p, *now, validation.InclusiveRangeError(0, math.MaxInt32))
		return false
	case old != nil && *old < *now:
		c.Invalid(p, *now, "must be less than or equal to previous value")
		return false
	}
	return true
}

func (c *checker) addedTolerations(p *field.Path, list, old []corev1.Toleration) {
	for _, was := range old {
		was.TolerationSeconds = nil
		if !slices.ContainsFunc(list, func(t corev1.Toleration) bool {
			t.TolerationSeconds = nil
			return t == was
		}) {
			c.Forbidden(p, "existing toleration can not be modified except its tolerationSeconds")
			return
		}
	}
	Tolerations(&c.Errors, p, list)
}

// annotationsUpdate checks that annotations a pod runs by do not change.
func (c *checker) annotationsUpdate(pod, old *corev1.Pod) {
	p := field.NewPath("metadata", "annotations")
	fixed := func(key string) bool {
		return key == corev1.MirrorPodAnnotationKey || strings.HasPrefix(key, corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix)
	}
	name := func(key string) string {
		if key == corev1.MirrorPodAnnotationKey {
			return "mirror pod annotation"
		}
		return "AppArmor annotations"
	}
	for key, value := range old.Annotations {
		if now, ok := pod.Annotations[key]; fixed(key) && (!ok || now != value) {
			c.Forbidden(p.Key(key), "may not remove or update "+name(key))
		}
	}
	for key := range pod.Annotations {
		if _, ok := old.Annotations[key]; fixed(key) && !ok {
			c.Forbidden(p.Key(key), "may not add "+name(key))
		}
	}
	c.annotations(p, pod.Annotations)
}

// ValidateEphemeralContainers returns what is wrong with a change of a pod's
// ephemeral containers, of which there may only come more.
func ValidateEphemeralContainers(pod, old *corev1.Pod) field.ErrorList {
	if _, mirror := old.Annotations[corev1.MirrorPodAnnotationKey]; mirror {
		return field.ErrorList{field.Forbidden(field.NewPath(""), "static pods do not support ephemeral containers")}
	}
	c := &checker{spec: &pod.Spec, pod: &pod.ObjectMeta}
	c.annotationsUpdate(pod, old)
	e, p := &check.Errors{List: append(Validate(pod), c.List...)}, field.NewPath("spec", "ephemeralContainers")
	for _, was := range old.Spec.EphemeralContainers {
		i := slices.IndexFunc(pod.Spec.EphemeralContainers, func(c corev1.EphemeralContainer) bool { return c.Name == was.Name })
		if i < 0 {
			e.Forbidden(p, fmt.Sprintf("existing ephemeral containers %q may not be removed\n", was.Name))
		} else if now := pod.Spec.EphemeralContainers[i]; !equality.Semantic.DeepEqual(was, now) {
			e.Forbidden(p, fmt.Sprintf("existing ephemeral containers %q may not be changed\n%v", was.Name, check.Diff(was, now)))
		}
	}
	return e.List
}
