package batch

import (
	"fmt"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

func isTrue(j *batchv1.Job, t batchv1.JobConditionType) bool {
	return slices.ContainsFunc(j.Status.Conditions, func(c batchv1.JobCondition) bool {
		return c.Type == t && c.Status == corev1.ConditionTrue
	})
}

// statusCheck looks at a change of a job's status.
type statusCheck struct {
	check.Errors
	p        *field.Path
	job, old *batchv1.Job
}

func validateJobStatus(j, old *batchv1.Job) field.ErrorList {
	c := &statusCheck{p: field.NewPath("status"), job: j, old: old}
	c.counts()
	c.conditions()
	c.times()
	c.indexes()
	return c.List
}

func (c *statusCheck) finished() bool {
	return isTrue(c.job, batchv1.JobComplete) || isTrue(c.job, batchv1.JobFailed)
}

func (c *statusCheck) counts() {
	s, was, p := &c.job.Status, &c.old.Status, c.p
	c.Nonnegative(p.Child("active"), int64(s.Active))
	c.Nonnegative(p.Child("succeeded"), int64(s.Succeeded))
	c.Nonnegative(p.Child("failed"), int64(s.Failed))
	c.OptionalNonnegative(p.Child("ready"), s.Ready)
	c.OptionalNonnegative(p.Child("terminating"), s.Terminating)
	if u := s.UncountedTerminatedPods; u != nil {
		at, seen := p.Child("uncountedTerminatedPods"), map[types.UID]bool{}
		c.uncounted(at.Child("succeeded"), u.Succeeded, seen)
		c.uncounted(at.Child("failed"), u.Failed, seen)
		if c.finished() && len(seen) > 0 {
			c.Invalid(at, u, "must be empty for finished job")
		}
	}
	if s.Active > 0 && c.finished() {
		c.Invalid(p.Child("active"), s.Active, "active>0 is invalid for finished job")
	}
	if value(s.Terminating) > 0 && c.finished() {
		c.Invalid(p.Child("terminating"), s.Terminating, "terminating>0 is invalid for finished job")
	}
	if value(s.Ready) > s.Active {
		c.Invalid(p.Child("ready"), *s.Ready, "cannot set more ready pods than active")
	}
	if s.Failed < was.Failed {
		c.Invalid(p.Child("failed"), s.Failed, "cannot decrease the failed counter")
	}
	// An indexed job that is scaled down forgets what is beyond its end.
	elastic := indexed(&c.job.Spec) && equality.Semantic.DeepEqual(c.job.Spec.Completions, c.job.Spec.Parallelism)
	if s.Succeeded < was.Succeeded && !elastic {
		c.Invalid(p.Child("succeeded"), s.Succeeded, "cannot decrease the succeeded counter")
	}
}

func (c *statusCheck) uncounted(p *field.Path, list []types.UID, seen map[types.UID]bool) {
	for i, uid := range list {
		switch {
		case uid == "":
			c.Invalid(p.Index(i), uid, "must not be empty")
		case seen[uid]:
			c.Duplicate(p.Index(i), uid)
		}
		seen[uid] = true
	}
}

func (c *statusCheck) conditions() {
	const complete, failed = batchv1.JobComplete, batchv1.JobFailed
	const met, target = batchv1.JobSuccessCriteriaMet, batchv1.JobFailureTarget
	is := func(t batchv1.JobConditionType) bool { return isTrue(c.job, t) }
	was := func(t batchv1.JobConditionType) bool { return isTrue(c.old, t) }
	refuse := func(broken bool, detail string) {
		if broken {
			c.Invalid(c.p.Child("conditions"), field.OmitValueType{}, detail)
		}
	}
	refuse(is(complete) && is(failed), "cannot set Complete=True and Failed=true conditions")
	refuse(is(complete) && is(target), "cannot set Complete=True and FailureTarget=true conditions")
	refuse(is(failed) && !is(target), "cannot set Failed=True condition without the FailureTarget=true condition")
	refuse(is(complete) && !is(met), "cannot set Complete=True condition without the SuccessCriteriaMet=true condition")
	refuse(is(met) && is(failed), "cannot set SuccessCriteriaMet=True and Failed=true conditions")
	refuse(is(met) && is(target), "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions")
	refuse(c.job.Spec.SuccessPolicy != nil && !is(met) && is(complete), "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True")
	for _, t := range []batchv1.JobConditionType{failed, complete, target} {
		refuse(was(t) && !is(t), fmt.Sprintf("cannot disable the terminal %s=True condition", t))
	}
	refuse(was(met) && !is(met), "cannot disable the SuccessCriteriaMet=True condition")
	refuse(was(complete) && !was(met) && is(met), "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions")
}

func (c *statusCheck) times() {
	s, was, complete := &c.job.Status, &c.old.Status, isTrue(c.job, batchv1.JobComplete)
	at := c.p.Child("completionTime")
	if s.CompletionTime != nil && !complete {
		c.Invalid(at, s.CompletionTime, "cannot set completionTime when there is no Complete=True condition")
	}
	if s.CompletionTime == nil && complete {
		c.Required(at, "completionTime is required for Complete jobs")
	}
	if s.StartTime != nil && s.CompletionTime != nil && s.CompletionTime.Before(s.StartTime) {
		c.Invalid(at, s.CompletionTime, "must be equal to or after `startTime`")
	}
	idle := value(c.job.Spec.Suspend) && c.job.Spec.Completions != nil && *c.job.Spec.Completions == 0
	if s.StartTime == nil && c.finished() && !idle {
		c.Required(c.p.Child("startTime"), "startTime is required for finished job")
	}
	if s.CompletionTime != nil && was.CompletionTime != nil && !s.CompletionTime.Equal(was.CompletionTime) {
		c.Invalid(at, s.CompletionTime, check.Immutable)
	}
	resumes := isTrue(c.old, batchv1.JobSuspended) && !isTrue(c.job, batchv1.JobSuspended)
	if was.StartTime != nil && !was.StartTime.Equal(s.StartTime) && !value(c.job.Spec.Suspend) && !resumes {
		c.Invalid(c.p.Child("startTime"), s.StartTime, "field is immutable for unsuspended job once set")
	}
}

// indexes looks at lists of indexes that have changed.
func (c *statusCheck) indexes() {
	s, was, spec := &c.job.Status, &c.old.Status, &c.job.Spec
	completions := value(spec.Completions)
	done, err := parseIndexes(s.CompletedIndexes, completions)
	changed := s.CompletedIndexes != was.CompletedIndexes
	if at := c.p.Child("completedIndexes"); changed {
		if err != nil && spec.Completions != nil {
			c.Invalid(at, s.CompletedIndexes, "error parsing completedIndexes: "+err.Error())
		}
		if s.CompletedIndexes != "" && !indexed(spec) {
			c.Invalid(at, s.CompletedIndexes, "cannot set non-empty completedIndexes when non-indexed completion mode")
		}
	}
	if s.FailedIndexes == nil {
		return
	}
	at := c.p.Child("failedIndexes")
	failed, err := parseIndexes(*s.FailedIndexes, completions)
	if was.FailedIndexes == nil || *s.FailedIndexes != *was.FailedIndexes {
		changed = true
		if spec.BackoffLimitPerIndex == nil {
			c.Invalid(at, *s.FailedIndexes, "cannot set non-null failedIndexes when backoffLimitPerIndex is null")
		} else if err != nil && spec.Completions != nil {
			c.Invalid(at, *s.FailedIndexes, "error parsing failedIndexes: "+err.Error())
		}
	}
	if i, both := done.overlap(failed); both && changed {
		c.Invalid(at, *s.FailedIndexes, fmt.Sprintf("failedIndexes and completedIndexes overlap at index: %d", i))
	}
}
