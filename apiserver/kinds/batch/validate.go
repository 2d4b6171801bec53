package batch

import (
	"fmt"
	"math"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

const (
	mostIndexed       = 100_000 // pods or failed indexes of an indexed job
	mostHighIndexed   = 10_000  // the same above mostIndexed completions
	longestManager    = 63
	mostRules         = 20
	mostExitCodes     = 255
	longestIndexes    = 64 * 1024
	longestCronJob    = validation.DNS1035LabelMaxLength - 11
	needsIndexed      = "requires indexed completion mode"
	legacyName        = "job-name"
	legacyController  = "controller-uid"
	notTheirSelection = "`selector` not auto-generated"
)

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func indexed(s *batchv1.JobSpec) bool { return value(s.CompletionMode) == batchv1.IndexedCompletion }

// withoutWorkloads is the state of the options that the types' tags ask for:
// jobs as workloads of scheduling.k8s.io are of the alpha stage.
func withoutWorkloads() map[string]bool { return map[string]bool{"WorkloadWithJob": false} }

func validateJob(j *batchv1.Job) field.ErrorList {
	e := &check.Errors{}
	generatedSelector(e, j)
	selectedJob(e, field.NewPath("spec"), &j.Spec)
	podNames(e, j)
	return e.List
}

func validateJobUpdate(j, old *batchv1.Job) field.ErrorList {
	e, p, s, was := &check.Errors{}, field.NewPath("spec"), &j.Spec, &old.Spec
	selectedJob(e, p, s)
	switch {
	case !indexed(s):
		e.Same(p.Child("completions"), s.Completions, was.Completions)
	case s.Completions != nil && differ(s.Completions, was.Completions) && *s.Completions != value(s.Parallelism):
		e.Invalid(p.Child("completions"), s.Completions, "can only be modified in tandem with spec.parallelism")
	}
	e.Same(p.Child("selector"), s.Selector, was.Selector)
	templateUpdate(e, p.Child("template"), j, old)
	e.Same(p.Child("completionMode"), s.CompletionMode, was.CompletionMode)
	e.Same(p.Child("podFailurePolicy"), s.PodFailurePolicy, was.PodFailurePolicy)
	e.Same(p.Child("backoffLimitPerIndex"), s.BackoffLimitPerIndex, was.BackoffLimitPerIndex)
	e.Same(p.Child("managedBy"), s.ManagedBy, was.ManagedBy)
	e.Same(p.Child("successPolicy"), s.SuccessPolicy, was.SuccessPolicy)
	podNames(e, j)
	return e.List
}

// templateUpdate refuses changes of the pods. A suspended job without pods
// may still change where they run and what they need.
func templateUpdate(e *check.Errors, p *field.Path, j, old *batchv1.Job) {
	now, was := &j.Spec.Template, old.Spec.Template.DeepCopy()
	suspended := value(old.Spec.Suspend)
	if suspended && noPods(old) {
		was.Annotations, was.Labels = now.Annotations, now.Labels
		was.Spec.NodeSelector, was.Spec.Tolerations = now.Spec.NodeSelector, now.Spec.Tolerations
		was.Spec.SchedulingGates = now.Spec.SchedulingGates
		if a := now.Spec.Affinity; a != nil && was.Spec.Affinity == nil {
			was.Spec.Affinity = &corev1.Affinity{NodeAffinity: a.NodeAffinity}
		} else if was.Spec.Affinity != nil {
			was.Spec.Affinity.NodeAffinity = nil
			if a != nil {
				was.Spec.Affinity.NodeAffinity = a.NodeAffinity
			} else if *was.Spec.Affinity == (corev1.Affinity{}) {
				was.Spec.Affinity = nil
			}
		}
	}
	if suspended && noPods(old) {
		sameResources(was.Spec.Containers, now.Spec.Containers)
		sameResources(was.Spec.InitContainers, now.Spec.InitContainers)
		e.Same(field.NewPath("spec", "template.spec"), now.Spec, was.Spec)
		return
	}
	e.Same(p, now, was)
}

// noPods reports whether a job has started no pods or has stopped them.
func noPods(j *batchv1.Job) bool {
	return j.Status.Active == 0 && (j.Status.StartTime == nil || isTrue(j, batchv1.JobSuspended))
}

func sameResources(list, from []corev1.Container) {
	if len(list) != len(from) {
		return
	}
	for i := range list {
		if list[i].Name == from[i].Name {
			list[i].Resources = from[i].Resources
		}
	}
}

// generatedSelector requires the labels and the selector that a job gets on
// creation, unless it brings its own.
func generatedSelector(e *check.Errors, j *batchv1.Job) {
	if value(j.Spec.ManualSelector) || j.Spec.Selector == nil {
		return
	}
	if j.UID == "" {
		e.Required(field.NewPath("metadata", "uid"), "")
	}
	at, own := field.NewPath("spec", "template", "metadata"), labels.Set{}
	for _, l := range [][2]string{
		{legacyController, string(j.UID)}, {legacyName, j.Name},
		{batchv1.ControllerUidLabel, string(j.UID)}, {batchv1.JobNameLabel, j.Name},
	} {
		own[l[0]] = l[1]
		if is, ok := j.Spec.Template.Labels[l[0]]; !ok {
			e.Required(at.Child("labels").Key(l[0]), fmt.Sprintf("must be '%s'", l[1]))
		} else if is != l[1] {
			e.Invalid(at.Child("labels").Key(l[0]), j.Spec.Template.Labels, fmt.Sprintf("must be '%s'", l[1]))
		}
	}
	if s, err := metav1.LabelSelectorAsSelector(j.Spec.Selector); err == nil && !s.Matches(own) {
		e.Invalid(field.NewPath("spec", "selector"), j.Spec.Selector, notTheirSelection)
	}
}

// podNames requires that the last pod of an indexed job can have a host name.
func podNames(e *check.Errors, j *batchv1.Job) {
	if n := value(j.Spec.Completions); indexed(&j.Spec) && n > 0 {
		last := fmt.Sprintf("%s-%d", j.Name, n-1)
		if len(validation.IsDNS1123Label(last)) > 0 {
			e.Invalid(field.NewPath("metadata", "name"), j.Name, "will not able to create pod with invalid DNS label: "+last)
		}
	}
}

func selectedJob(e *check.Errors, p *field.Path, s *batchv1.JobSpec) {
	jobSpec(e, p, s)
	if s.Selector == nil {
		e.Required(p.Child("selector"), "") // and it matches no labels
	}
	e.Selector(p.Child("selector"), s.Selector)
	if selector, err := metav1.LabelSelectorAsSelector(s.Selector); err == nil && !selector.Matches(labels.Set(s.Template.Labels)) {
		e.Invalid(p.Child("template", "metadata", "labels"), s.Template.Labels, "`selector` does not match template `labels`")
	}
}

func jobSpec(e *check.Errors, p *field.Path, s *batchv1.JobSpec) {
	e.OptionalNonnegative(p.Child("parallelism"), s.Parallelism)
	e.OptionalNonnegative(p.Child("completions"), s.Completions)
	if n := s.ActiveDeadlineSeconds; n != nil {
		e.Nonnegative(p.Child("activeDeadlineSeconds"), *n)
	}
	e.OptionalNonnegative(p.Child("backoffLimit"), s.BackoffLimit)
	e.OptionalNonnegative(p.Child("ttlSecondsAfterFinished"), s.TTLSecondsAfterFinished)
	e.OptionalNonnegative(p.Child("backoffLimitPerIndex"), s.BackoffLimitPerIndex)
	e.OptionalNonnegative(p.Child("maxFailedIndexes"), s.MaxFailedIndexes)
	if s.MaxFailedIndexes != nil && s.BackoffLimitPerIndex == nil {
		e.Required(p.Child("backoffLimitPerIndex"), "when maxFailedIndexes is specified")
	}
	if m := s.ManagedBy; m != nil {
		e.Add(validation.IsDomainPrefixedPath(p.Child("managedBy"), *m)...)
		if len(*m) > longestManager {
			e.TooLong(p.Child("managedBy"), longestManager)
		}
	}
	completionMode(e, p, s)
	if s.PodFailurePolicy != nil {
		failurePolicy(e, p.Child("podFailurePolicy", "rules"), s)
	}
	if s.SuccessPolicy != nil && !indexed(s) {
		e.Invalid(p.Child("successPolicy"), *s.SuccessPolicy, needsIndexed)
	} else if s.SuccessPolicy != nil {
		successPolicy(e, p.Child("successPolicy", "rules"), s)
	}
	if s.PodFailurePolicy != nil {
		check.OptionalOneOf(e, p.Child("podReplacementPolicy"), s.PodReplacementPolicy, batchv1.Failed)
	} else {
		check.OptionalOneOf(e, p.Child("podReplacementPolicy"), s.PodReplacementPolicy, batchv1.Failed, batchv1.TerminatingOrFailed)
	}
	e.Add(podspec.ValidateTemplate(&s.Template, p.Child("template"))...)
	restarts(e, p.Child("template", "spec", "restartPolicy"), s)
}

// restarts requires pods that come to an end.
func restarts(e *check.Errors, p *field.Path, s *batchv1.JobSpec) {
	switch r := s.Template.Spec.RestartPolicy; {
	case r == corev1.RestartPolicyAlways || r == "":
		e.Required(p, fmt.Sprintf("valid values: %q, %q", corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever))
	case r != corev1.RestartPolicyOnFailure && r != corev1.RestartPolicyNever:
		check.OneOf(e, p, r, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever)
	case s.PodFailurePolicy != nil && r != corev1.RestartPolicyNever:
		e.Invalid(p, r, fmt.Sprintf("only %q is supported when podFailurePolicy is specified", corev1.RestartPolicyNever))
	}
}

func completionMode(e *check.Errors, p *field.Path, s *batchv1.JobSpec) {
	if m := s.CompletionMode; m != nil && *m != batchv1.NonIndexedCompletion && !indexed(s) {
		e.Add(field.NotSupported(p.Child("completionMode"), m, []batchv1.CompletionMode{batchv1.NonIndexedCompletion, batchv1.IndexedCompletion}))
	}
	if !indexed(s) {
		if s.CompletionMode == nil || *s.CompletionMode == batchv1.NonIndexedCompletion {
			for _, f := range []struct {
				name string
				n    *int32
			}{{"backoffLimitPerIndex", s.BackoffLimitPerIndex}, {"maxFailedIndexes", s.MaxFailedIndexes}} {
				if f.n != nil {
					e.Invalid(p.Child(f.name), *f.n, needsIndexed)
				}
			}
		}
		return
	}
	if s.Completions == nil {
		e.Required(p.Child("completions"), "when completion mode is Indexed")
	}
	atMost(e, p.Child("parallelism"), s.Parallelism, mostIndexed, " when completion mode is Indexed")
	if f := s.MaxFailedIndexes; f != nil && *f > value(s.Completions) && s.Completions != nil {
		e.Invalid(p.Child("maxFailedIndexes"), *f, "must be less than or equal to completions")
	}
	atMost(e, p.Child("maxFailedIndexes"), s.MaxFailedIndexes, mostIndexed, "")
	if value(s.Completions) > mostIndexed && s.BackoffLimitPerIndex != nil {
		why := fmt.Sprintf(" when completions are above %d and used with backoff limit per index", mostIndexed)
		if s.MaxFailedIndexes == nil {
			e.Required(p.Child("maxFailedIndexes"), fmt.Sprintf("must be specified when completions is above %d", mostIndexed))
		}
		atMost(e, p.Child("parallelism"), s.Parallelism, mostHighIndexed, why)
		atMost(e, p.Child("maxFailedIndexes"), s.MaxFailedIndexes, mostHighIndexed, why)
	}
}

func atMost(e *check.Errors, p *field.Path, n *int32, limit int32, why string) {
	if n != nil && *n > limit {
		e.Invalid(p, *n, fmt.Sprintf("must be less than or equal to %d%s", limit, why))
	}
}

func tooMany(e *check.Errors, p *field.Path, n, limit int) bool {
	if n > limit {
		e.Add(field.TooMany(p, n, limit))
	}
	return n > limit
}

// requiredOneOf is check.RequiredOneOf with the known values in the text.
func requiredOneOf[T ~string](e *check.Errors, p *field.Path, v T, known ...T) {
	if v == "" {
		e.Required(p, fmt.Sprintf("valid values: %q", known))
		return
	}
	check.OneOf(e, p, v, known...)
}

func failurePolicy(e *check.Errors, p *field.Path, s *batchv1.JobSpec) {
	rules := s.PodFailurePolicy.Rules
	tooMany(e, p, len(rules), mostRules)
	for i := range rules {
		r, p := &rules[i], p.Index(i)
		if r.Action == batchv1.PodFailurePolicyActionFailIndex {
			if s.BackoffLimitPerIndex == nil {
				e.Invalid(p.Child("action"), r.Action, "requires the backoffLimitPerIndex to be set")
			}
		} else {
			requiredOneOf(e, p.Child("action"), r.Action, batchv1.PodFailurePolicyActionCount, batchv1.PodFailurePolicyActionFailIndex,
				batchv1.PodFailurePolicyActionFailJob, batchv1.PodFailurePolicyActionIgnore)
		}
		if r.OnExitCodes != nil {
			exitCodes(e, p.Child("onExitCodes"), r.OnExitCodes, &s.Template.Spec)
		}
		at := p.Child("onPodConditions")
		tooMany(e, at, len(r.OnPodConditions), mostRules)
		for j, c := range r.OnPodConditions {
			e.QualifiedName(at.Index(j).Child("type"), string(c.Type))
			requiredOneOf(e, at.Index(j).Child("status"), c.Status, corev1.ConditionFalse, corev1.ConditionTrue, corev1.ConditionUnknown)
		}
		switch {
		case r.OnExitCodes != nil && len(r.OnPodConditions) > 0:
			e.Invalid(p, field.OmitValueType{}, "specifying both OnExitCodes and OnPodConditions is not supported")
		case r.OnExitCodes == nil && len(r.OnPodConditions) == 0:
			e.Invalid(p, field.OmitValueType{}, "specifying one of OnExitCodes and OnPodConditions is required")
		}
	}
}

func exitCodes(e *check.Errors, p *field.Path, r *batchv1.PodFailurePolicyOnExitCodesRequirement, pod *corev1.PodSpec) {
	requiredOneOf(e, p.Child("operator"), r.Operator, batchv1.PodFailurePolicyOnExitCodesOpIn, batchv1.PodFailurePolicyOnExitCodesOpNotIn)
	if n := r.ContainerName; n != nil {
		named := func(c corev1.Container) bool { return c.Name == *n }
		if !slices.ContainsFunc(pod.Containers, named) && !slices.ContainsFunc(pod.InitContainers, named) {
			e.Invalid(p.Child("containerName"), *n, "must be one of the container or initContainer names in the pod template")
		}
	}
	at := p.Child("values")
	if len(r.Values) == 0 {
		e.Invalid(at, r.Values, "at least one value is required")
	}
	tooMany(e, at, len(r.Values), mostExitCodes)
	for i, code := range r.Values {
		if code == 0 && r.Operator == batchv1.PodFailurePolicyOnExitCodesOpIn {
			e.Invalid(at.Index(i), code, "must not be 0 for the In operator")
		}
		if slices.Contains(r.Values[:i], code) {
			e.Duplicate(at.Index(i), code)
		}
	}
	if !slices.IsSorted(r.Values) {
		e.Invalid(at, r.Values, "must be ordered")
	}
}

func successPolicy(e *check.Errors, p *field.Path, s *batchv1.JobSpec) {
	rules, completions := s.SuccessPolicy.Rules, value(s.Completions)
	if len(rules) == 0 {
		e.Required(p, "at least one rules must be specified when the successPolicy is specified")
	}
	tooMany(e, p, len(rules), mostRules)
	for i := range rules {
		r, p := &rules[i], p.Index(i)
		if r.SucceededCount == nil && r.SucceededIndexes == nil {
			e.Required(p, "at least one of succeededCount or succeededIndexes must be specified")
		}
		total := int32(math.MaxInt32)
		if x := r.SucceededIndexes; x != nil {
			at := p.Child("succeededIndexes")
			if len(*x) > longestIndexes {
				e.TooLong(at, longestIndexes)
			}
			list, err := parseIndexes(*x, completions)
			if err != nil {
				e.Invalid(at, *x, "error parsing succeededIndexes: "+err.Error())
			}
			total = list.total()
		}
		if n := r.SucceededCount; n != nil {
			at := p.Child("succeededCount")
			e.Add(apivalidation.ValidateNonnegativeField(int64(*n), at)...)
			atMost(e, at, n, completions, " (the number of specified completions)")
			atMost(e, at, n, total, " (the number of indexes in the specified succeededIndexes field)")
		}
	}
}
