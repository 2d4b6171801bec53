package podsecurity

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/warning"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/keelson-project/keelson/apiserver/admission"
)

// How many of a namespace's pods are looked at when its level is raised, and
// for how long.
const (
	maxPods = 3000
	maxTime = time.Second
)

// checkNamespace refuses labels that cannot be read, and warns when a level is
// raised that pods which are there do not keep to.
func (p *Plugin) checkNamespace(ctx context.Context, a *admission.Attributes, namespace *corev1.Namespace) error {
	demands, errs := api.PolicyToEvaluate(namespace.Labels, p.defaults)
	invalid := func() error { return apierrors.NewInvalid(a.Kind.GroupKind(), a.Name, errs) }
	exempt := contains(p.ExemptNamespaces, a.Namespace)
	old, ok := a.OldObject.(*corev1.Namespace)
	if !ok || a.Operation == admission.Create {
		if len(errs) > 0 {
			return invalid()
		}
		if exempt {
			p.warnExempt(ctx, namespace, demands)
		}
		return nil
	}
	before, oldErrs := api.PolicyToEvaluate(old.Labels, p.defaults)
	if len(errs) > 0 && !reflect.DeepEqual(errs, oldErrs) {
		return invalid()
	}
	enforce, was := demands.Enforce, before.Enforce
	raised := enforce != was && enforce.Level != api.LevelPrivileged &&
		(enforce.Version != was.Version || api.CompareLevels(enforce.Level, was.Level) > 0)
	switch {
	case !raised:
	case exempt:
		p.warnExempt(ctx, namespace, demands)
	default:
		for _, text := range p.violations(ctx, namespace.Name, enforce) {
			warning.AddWarning(ctx, "", text)
		}
	}
	return nil
}

// warnExempt says that labels have no effect.
func (p *Plugin) warnExempt(ctx context.Context, namespace *corev1.Namespace, demands api.Policy) {
	if demands.FullyPrivileged() || demands.Equivalent(&p.defaults) {
		return
	}
	var said []string
	for _, m := range []struct {
		mode                 string
		level                api.LevelVersion
		levelKey, versionKey string
	}{
		{"enforce", demands.Enforce, api.EnforceLevelLabel, api.EnforceVersionLabel},
		{"audit", demands.Audit, api.AuditLevelLabel, api.AuditVersionLabel},
		{"warn", demands.Warn, api.WarnLevelLabel, api.WarnVersionLabel},
	} {
		_, hasLevel := namespace.Labels[m.levelKey]
		_, hasVersion := namespace.Labels[m.versionKey]
		if m.level.Level != api.LevelPrivileged && (hasLevel || hasVersion) {
			said = append(said, m.mode+"="+m.level.String())
		}
	}
	warning.AddWarning(ctx, "", fmt.Sprintf("namespace %q is exempt from Pod Security, and the policy (%s) will be ignored", namespace.Name, strings.Join(said, ", ")))
}

// violations says which of a namespace's pods do not keep to a level.
func (p *Plugin) violations(ctx context.Context, namespace string, level api.LevelVersion) []string {
	limit := maxTime
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline)/2)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	all, err := p.Pods(ctx, namespace)
	if err != nil {
		return []string{"failed to list pods while checking new PodSecurity enforce level"}
	}
	var pods []*corev1.Pod
	for pod := range all {
		if name := pod.Spec.RuntimeClassName; name == nil || !contains(p.ExemptRuntimeClasses, *name) {
			pods = append(pods, pod)
		}
	}
	total := len(pods)
	pods = differentFirst(pods)
	pods = pods[:min(len(pods), maxPods)]
	checked := 0
	found := map[string][]string{} // names of pods by what is wrong with them
	for _, pod := range pods {
		if r := policy.AggregateCheckResults(p.evaluator.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec)); !r.Allowed {
			found[r.ForbiddenReason()] = append(found[r.ForbiddenReason()], pod.Name)
		}
		checked++
		if ctx.Err() != nil {
			break
		}
	}
	var out []string
	if checked < total {
		out = append(out, fmt.Sprintf("new PodSecurity enforce level only checked against the first %d of %d existing pods", checked, total))
	}
	if len(found) > 0 {
		out = append(out, fmt.Sprintf("existing pods in namespace %q violate the new PodSecurity enforce level %q", namespace, level))
	}
	return append(out, describe(found)...)
}

// describe makes a line of each reason, with the first pod that has it.
func describe(found map[string][]string) []string {
	var lines []string
	for reason, names := range found {
		name := slices.Min(names)
		switch n := len(names) - 1; n {
		case 0:
		case 1:
			name += " (and 1 other pod)"
		default:
			name += fmt.Sprintf(" (and %d other pods)", n)
		}
		lines = append(lines, name+": "+reason)
	}
	slices.Sort(lines)
	return lines
}

// differentFirst puts pods behind that are likely to be like another one: all
// but the first of each controller.
func differentFirst(pods []*corev1.Pod) []*corev1.Pod {
	seen := map[types.UID]bool{}
	var first, more []*corev1.Pod
	for _, pod := range pods {
		owner := metav1.GetControllerOfNoCopy(pod)
		if owner != nil && seen[owner.UID] {
			more = append(more, pod)
			continue
		}
		if owner != nil {
			seen[owner.UID] = true
		}
		first = append(first, pod)
	}
	return append(first, more...)
}
