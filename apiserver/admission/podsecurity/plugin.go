// Package podsecurity holds pods to the Pod Security Standards, at the level
// that the labels of their namespace name: privileged, baseline or restricted.
package podsecurity

import (
	"context"
	"errors"
	"fmt"
	"iter"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/warning"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/keelson-project/keelson/apiserver/admission"
)

// Config is what New needs; Namespace and Pods are required.
type Config struct {
	// Namespace returns a namespace or an API status error.
	Namespace func(ctx context.Context, name string) (*corev1.Namespace, error)
	// Pods returns those of a namespace.
	Pods func(ctx context.Context, namespace string) (iter.Seq[*corev1.Pod], error)
	Standards
}

// Standards say what counts beside the labels of namespaces.
type Standards struct {
	// Enforce, Audit and Warn are the levels of namespaces whose labels name
	// none, as such a label does: "baseline", or "restricted:v1.30" for the
	// state of the standards at a version. Empty means "privileged".
	Enforce, Audit, Warn string
	// ExemptNamespaces, ExemptUsers and ExemptRuntimeClasses are names of those
	// that nothing is asked of.
	ExemptNamespaces, ExemptUsers, ExemptRuntimeClasses []string
}

// Plugin is the admission plugin PodSecurity. Make one with New.
type Plugin struct {
	Config
	defaults  api.Policy
	evaluator policy.Evaluator
}

// New makes the plugin.
func New(c Config) (*Plugin, error) {
	if c.Namespace == nil || c.Pods == nil {
		return nil, errors.New("podsecurity: Config needs Namespace and Pods")
	}
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return nil, fmt.Errorf("podsecurity: %w", err)
	}
	p := &Plugin{Config: c, evaluator: evaluator}
	for _, one := range []struct {
		text string
		into *api.LevelVersion
	}{{c.Enforce, &p.defaults.Enforce}, {c.Audit, &p.defaults.Audit}, {c.Warn, &p.defaults.Warn}} {
		if *one.into, err = parse(one.text); err != nil {
			return nil, fmt.Errorf("podsecurity: level %q: %w", one.text, err)
		}
	}
	return p, nil
}

// Name implements admission.Plugin.
func (*Plugin) Name() string { return "PodSecurity" }

// Handles implements admission.Plugin.
func (*Plugin) Handles(op admission.Operation) bool {
	return op == admission.Create || op == admission.Update
}

// Validate implements admission.Validator.
func (p *Plugin) Validate(ctx context.Context, a *admission.Attributes) error {
	if namespace, ok := a.Object.(*corev1.Namespace); ok {
		if a.Subresource != "" {
			return nil
		}
		return p.checkNamespace(ctx, a, namespace)
	}
	if pod, ok := a.Object.(*corev1.Pod); ok {
		return p.checkPod(ctx, a, pod)
	}
	if template := templateOf(a.Object); template != nil && a.Subresource == "" {
		p.checkTemplate(ctx, a, template)
	}
	return nil
}

// note puts something into the audit event of the request.
func note(a *admission.Attributes, key, value string) {
	a.Annotate(api.AuditAnnotationPrefix+key, value)
}

// exempt reports whether nothing is asked of whoever writes, and notes why.
func (p *Plugin) exempt(a *admission.Attributes) bool {
	switch {
	case contains(p.ExemptNamespaces, a.Namespace):
		note(a, api.ExemptionReasonAnnotationKey, "namespace")
	case a.User != nil && contains(p.ExemptUsers, a.User.GetName()):
		note(a, api.ExemptionReasonAnnotationKey, "user")
	default:
		return false
	}
	return true
}

// checkPod holds a pod to what its namespace enforces.
func (p *Plugin) checkPod(ctx context.Context, a *admission.Attributes, pod *corev1.Pod) error {
	if a.Subresource == "status" || p.exempt(a) {
		return nil
	}
	namespace, err := p.Namespace(ctx, a.Namespace)
	if err != nil {
		return apierrors.NewInternalError(fmt.Errorf("failed to lookup namespace %q: %w", a.Namespace, err))
	}
	demands, errs := api.PolicyToEvaluate(namespace.Labels, p.defaults)
	if len(errs) == 0 && demands.FullyPrivileged() {
		note(a, api.EnforcedPolicyAnnotationKey, api.LevelVersion{Level: api.LevelPrivileged, Version: api.LatestVersion()}.String())
		return nil
	}
	if old, ok := a.OldObject.(*corev1.Pod); ok && a.Operation == admission.Update && !runsSomethingElse(pod, old) {
		return nil
	}
	return p.evaluate(ctx, a, demands, errs, &pod.ObjectMeta, &pod.Spec, enforced)
}

// checkTemplate warns about pods to come; they are refused when they come.
func (p *Plugin) checkTemplate(ctx context.Context, a *admission.Attributes, template *corev1.PodTemplateSpec) {
	if p.exempt(a) {
		return
	}
	namespace, err := p.Namespace(ctx, a.Namespace)
	if err != nil {
		note(a, "error", fmt.Sprintf("failed to lookup namespace %q: %v", a.Namespace, err))
		return
	}
	demands, errs := api.PolicyToEvaluate(namespace.Labels, p.defaults)
	if len(errs) == 0 && demands.Warn.Level == api.LevelPrivileged && demands.Audit.Level == api.LevelPrivileged {
		return
	}
	_ = p.evaluate(ctx, a, demands, errs, &template.ObjectMeta, &template.Spec, advised) // refuses nothing
}

// force says whether what is enforced counts.
type force bool

const (
	enforced force = true
	advised  force = false
)

// evaluate compares a pod with what is demanded: an error is a refusal, and
// what is only warned of or audited is reported.
func (p *Plugin) evaluate(ctx context.Context, a *admission.Attributes, demands api.Policy, errs field.ErrorList, meta *metav1.ObjectMeta, spec *corev1.PodSpec, f force) error {
	if name := spec.RuntimeClassName; name != nil && contains(p.ExemptRuntimeClasses, *name) {
		note(a, api.ExemptionReasonAnnotationKey, "runtimeClass")
		return nil
	}
	if len(errs) > 0 {
		note(a, "error", fmt.Sprintf("Failed to parse policy: %v", errs.ToAggregate()))
	}
	results := map[api.LevelVersion]policy.AggregateCheckResult{}
	result := func(level api.LevelVersion) policy.AggregateCheckResult {
		r, ok := results[level]
		if !ok {
			r = policy.AggregateCheckResults(p.evaluator.EvaluatePod(level, meta, spec))
			results[level] = r
		}
		return r
	}
	var refusal error
	if f == enforced {
		note(a, api.EnforcedPolicyAnnotationKey, demands.Enforce.String())
		if r := result(demands.Enforce); !r.Allowed {
			refusal = apierrors.NewForbidden(a.Resource.GroupResource(), a.Name, fmt.Errorf("violates PodSecurity %q: %s", demands.Enforce, r.ForbiddenDetail()))
		}
	}
	if r := result(demands.Audit); !r.Allowed {
		note(a, api.AuditViolationsAnnotationKey, fmt.Sprintf("would violate PodSecurity %q: %s", demands.Audit, r.ForbiddenDetail()))
	}
	if refusal != nil {
		return refusal
	}
	if r := result(demands.Warn); !r.Allowed {
		warning.AddWarning(ctx, "", fmt.Sprintf("would violate PodSecurity %q: %s", demands.Warn, r.ForbiddenDetail()))
	}
	return nil
}
