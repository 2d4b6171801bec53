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

// What a status may not be is refused only where it has changed: a job's
// controller catches up with a changed specification in its own time.
func validateJobStatus(j, old *batchv1.Job) field.ErrorList {
	c := &statusCheck{p: field.NewPath("status"), job: j, old: old}
	c.counts()
	c.completed()
	c.finished()
	c.indexes()
	c.rest()
	c.changes()
	return c.List
}

func isFinished(j *batchv1.Job) bool {
	return isTrue(j, batchv1.JobComplete) || isTrue(j, batchv1.JobFailed)
}

// turned reports whether one of the conditions is true now and was not, or the
// other way round.
func (c *statusCheck) turned(types ...batchv1.JobConditionType) bool {
	return slices.ContainsFunc(types, func(t batchv1.JobConditionType) bool { return isTrue(c.job, t) != isTrue(c.old, t) })
}

func (c *statusCheck) is(t batchv1.JobConditionType) bool { return isTrue(c.job, t) }

// refuse says what is wrong with the conditions.
func (c *statusCheck) refuse(broken bool, detail string) {
	if broken {
		c.Invalid(c.p.Child("conditions"), field.OmitValueType{}, detail)
	}
}

func differ[T any](a, b *T) bool { return !equality.Semantic.DeepEqual(a, b) }

func (c *statusCheck) counts() {
	s, p := &c.job.Status, c.p
	c.Nonnegative(p.Child("active"), int64(s.Active))
	c.Nonnegative(p.Child("succeeded"), int64(s.Succeeded))
	c.Nonnegative(p.Child("failed"), int64(s.Failed))
	c.OptionalNonnegative(p.Child("ready"), s.Ready)
	c.OptionalNonnegative(p.Child("terminating"), s.Terminating)
	if u := s.UncountedTerminatedPods; u != nil {
		at, seen := p.Child("uncountedTerminatedPods"), map[types.UID]bool{}
		c.uncounted(at.Child("succeeded"), u.Succeeded, seen)
		c.uncounted(at.Child("failed"), u.Failed, seen)
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

const (
	complete = batchv1.JobComplete
	failed   = batchv1.JobFailed
	target   = batchv1.JobFailureTarget
	met      = batchv1.JobSuccessCriteriaMet
)

// completed looks at jobs that have come to an end, well or badly.
func (c *statusCheck) completed() {
	s, was, at := &c.job.Status, &c.old.Status, c.p.Child("completionTime")
	moved := differ(s.CompletionTime, was.CompletionTime)
	c.refuse(c.turned(complete, failed) && c.is(complete) && c.is(failed), "cannot set Complete=True and Failed=true conditions")
	c.refuse(c.turned(complete, target) && c.is(complete) && c.is(target), "cannot set Complete=True and FailureTarget=true conditions")
	if ended := c.turned(complete) || moved; ended && s.CompletionTime != nil && !c.is(complete) {
		c.Invalid(at, s.CompletionTime, "cannot set completionTime when there is no Complete=True condition")
	} else if ended && s.CompletionTime == nil && c.is(complete) {
		c.Required(at, "completionTime is required for Complete jobs")
	}
	if (moved || differ(s.StartTime, was.StartTime)) && s.StartTime != nil && s.CompletionTime != nil && s.CompletionTime.Before(s.StartTime) {
		c.Invalid(at, s.CompletionTime, "must be equal to or after `startTime`")
	}
	c.refuse((c.turned(failed) || differ(s.FailedIndexes, was.FailedIndexes)) && c.is(failed) && !c.is(target),
		"cannot set Failed=True condition without the FailureTarget=true condition")
	c.refuse(c.turned(complete, met) && c.is(complete) && !c.is(met), "cannot set Complete=True condition without the SuccessCriteriaMet=true condition")
}

// finished looks at what jobs at their end have no more.
func (c *statusCheck) finished() {
	if !isFinished(c.job) {
		return
	}
	s, was, p, ended := &c.job.Status, &c.old.Status, c.p, !isFinished(c.old)
	if (ended || s.Active != was.Active) && s.Active > 0 {
		c.Invalid(p.Child("active"), s.Active, "active>0 is invalid for finished job")
	}
	idle := value(c.job.Spec.Suspend) && c.job.Spec.Completions != nil && *c.job.Spec.Completions == 0
	if (ended || differ(s.StartTime, was.StartTime)) && s.StartTime == nil && !idle {
		c.Required(p.Child("startTime"), "startTime is required for finished job")
	}
	u := s.UncountedTerminatedPods
	if (ended || differ(u, was.UncountedTerminatedPods)) && u != nil && len(u.Failed)+len(u.Succeeded) > 0 {
		c.Invalid(p.Child("uncountedTerminatedPods"), u, "must be empty for finished job")
	}
}

// indexes looks at lists of indexes that have changed.
func (c *statusCheck) indexes() {
	s, was, spec := &c.job.Status, &c.old.Status, &c.job.Spec
	changed, failedChanged := s.CompletedIndexes != was.CompletedIndexes, differ(s.FailedIndexes, was.FailedIndexes)
	done, lost := c.p.Child("completedIndexes"), c.p.Child("failedIndexes")
	if n := spec.Completions; n != nil && changed {
		if _, err := parseIndexes(s.CompletedIndexes, *n); err != nil {
			c.Invalid(done, s.CompletedIndexes, "error parsing completedIndexes: "+err.Error())
		}
	}
	if n := spec.Completions; n != nil && failedChanged && spec.BackoffLimitPerIndex != nil && s.FailedIndexes != nil {
		if _, err := parseIndexes(*s.FailedIndexes, *n); err != nil {
			c.Invalid(lost, *s.FailedIndexes, "error parsing failedIndexes: "+err.Error())
		}
	}
	if changed && s.CompletedIndexes != "" && !indexed(spec) {
		c.Invalid(done, s.CompletedIndexes, "cannot set non-empty completedIndexes when non-indexed completion mode")
	}
	if failedChanged && spec.BackoffLimitPerIndex == nil && s.FailedIndexes != nil {
		c.Invalid(lost, *s.FailedIndexes, "cannot set non-null failedIndexes when backoffLimitPerIndex is null")
	}
	if n := spec.Completions; n != nil && s.FailedIndexes != nil && (changed || failedChanged) {
		if i, both := validIndexes(s.CompletedIndexes, *n).overlap(validIndexes(*s.FailedIndexes, *n)); both {
			c.Invalid(lost, *s.FailedIndexes, fmt.Sprintf("failedIndexes and completedIndexes overlap at index: %d", i))
		}
	}
}

func (c *statusCheck) rest() {
	s, was, p := &c.job.Status, &c.old.Status, c.p
	ended := isFinished(c.job) != isFinished(c.old)
	if (ended || differ(s.Terminating, was.Terminating)) && value(s.Terminating) > 0 && isFinished(c.job) {
		c.Invalid(p.Child("terminating"), s.Terminating, "terminating>0 is invalid for finished job")
	}
	if (differ(s.Ready, was.Ready) || s.Active != was.Active) && s.Ready != nil && *s.Ready > s.Active {
		c.Invalid(p.Child("ready"), *s.Ready, "cannot set more ready pods than active")
	}
	c.refuse(c.is(met) && c.is(failed), "cannot set SuccessCriteriaMet=True and Failed=true conditions")
	c.refuse(c.is(met) && c.is(target), "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions")
	c.refuse(c.job.Spec.SuccessPolicy != nil && !c.is(met) && c.is(complete), "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True")
}

// changes looks at what must not go back.
func (c *statusCheck) changes() {
	s, was, p := &c.job.Status, &c.old.Status, c.p
	for _, t := range []batchv1.JobConditionType{failed, complete, target} {
		c.refuse(isTrue(c.old, t) && !c.is(t), fmt.Sprintf("cannot disable the terminal %s=True condition", t))
	}
	if s.Failed < was.Failed {
		c.Invalid(p.Child("failed"), s.Failed, "cannot decrease the failed counter")
	}
	// An indexed job that is scaled down forgets what is beyond its end.
	elastic := indexed(&c.job.Spec) && !differ(c.job.Spec.Completions, c.job.Spec.Parallelism)
	if s.Succeeded < was.Succeeded && !elastic {
		c.Invalid(p.Child("succeeded"), s.Succeeded, "cannot decrease the succeeded counter")
	}
	if s.CompletionTime != nil && was.CompletionTime != nil && !s.CompletionTime.Equal(was.CompletionTime) {
		c.Invalid(p.Child("completionTime"), s.CompletionTime, check.Immutable)
	}
	resumes := isTrue(c.old, batchv1.JobSuspended) && slices.ContainsFunc(s.Conditions, func(x batchv1.JobCondition) bool {
		return x.Type == batchv1.JobSuspended && x.Status == corev1.ConditionFalse
	})
	if was.StartTime != nil && !was.StartTime.Equal(s.StartTime) && !value(c.job.Spec.Suspend) && !resumes {
		c.Invalid(p.Child("startTime"), s.StartTime, "field is immutable for unsuspended job once set")
	}
	c.refuse(isTrue(c.old, met) && !c.is(met), "cannot disable the SuccessCriteriaMet=True condition")
	c.refuse(isTrue(c.old, complete) && !isTrue(c.old, met) && c.is(met), "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions")
}
