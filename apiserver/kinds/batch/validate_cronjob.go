package batch

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

var zonePart = regexp.MustCompile(`^[A-Za-z._0-9+-]{1,14}$`)

func validateCronJob(c *batchv1.CronJob) field.ErrorList {
	e := &check.Errors{}
	cronJobSpec(e, field.NewPath("spec"), &c.Spec, nil)
	if len(c.Name) > longestCronJob {
		e.Invalid(field.NewPath("metadata", "name"), c.Name, fmt.Sprintf("must be no more than %d characters", longestCronJob))
	}
	return e.List
}

func validateCronJobUpdate(c, old *batchv1.CronJob) field.ErrorList {
	e := &check.Errors{}
	cronJobSpec(e, field.NewPath("spec"), &c.Spec, &old.Spec)
	return e.List
}

func cronJobSpec(e *check.Errors, p *field.Path, s, old *batchv1.CronJobSpec) {
	if s.Schedule != "" {
		schedule(e, p.Child("schedule"), s, old != nil && strings.Contains(old.Schedule, "TZ"))
	}
	if n := s.StartingDeadlineSeconds; n != nil {
		e.Nonnegative(p.Child("startingDeadlineSeconds"), *n)
	}
	if z := s.TimeZone; z != nil && (old == nil || old.TimeZone == nil || *old.TimeZone != *z) {
		timeZone(e, p.Child("timeZone"), *z)
	}
	check.RequiredOneOf(e, p.Child("concurrencyPolicy"), s.ConcurrencyPolicy, batchv1.AllowConcurrent, batchv1.ForbidConcurrent, batchv1.ReplaceConcurrent)
	at, job := p.Child("jobTemplate", "spec"), &s.JobTemplate.Spec
	jobSpec(e, at, job)
	if job.Selector != nil {
		e.Invalid(at.Child("selector"), job.Selector, "`selector` will be auto-generated")
	}
	if value(job.ManualSelector) {
		e.Add(field.NotSupported(at.Child("manualSelector"), job.ManualSelector, []string{"nil", "false"}))
	}
	e.OptionalNonnegative(p.Child("successfulJobsHistoryLimit"), s.SuccessfulJobsHistoryLimit)
	e.OptionalNonnegative(p.Child("failedJobsHistoryLimit"), s.FailedJobsHistoryLimit)
}

// schedule requires times in the notation of cron. A zone in it is only
// borne where there has been one.
func schedule(e *check.Errors, p *field.Path, s *batchv1.CronJobSpec, zoned bool) {
	if err := parseSchedule(s.Schedule); err != nil {
		e.Invalid(p, s.Schedule, err.Error())
	}
	switch has := strings.Contains(s.Schedule, "TZ"); {
	case has && zoned && s.TimeZone != nil:
		e.Invalid(p, s.Schedule, "cannot use both timeZone field and TZ or CRON_TZ in schedule")
	case has && !zoned:
		e.Invalid(p, s.Schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead")
	}
}

// parseSchedule keeps the parser's panic over a zone without times from its
// callers.
func parseSchedule(s string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("invalid schedule format: %v", r)
		}
	}()
	_, err = cron.ParseStandard(s)
	return err
}

func timeZone(e *check.Errors, p *field.Path, zone string) {
	if zone == "" {
		e.Invalid(p, zone, "timeZone must be nil or non-empty string")
		return
	}
	for part := range strings.SplitSeq(zone, "/") {
		if part == "." || part == ".." || strings.HasPrefix(part, "-") || !zonePart.MatchString(part) {
			e.Invalid(p, zone, "unknown time zone "+zone)
			return
		}
	}
	if strings.EqualFold(zone, "Local") {
		e.Invalid(p, zone, "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones")
	}
	if _, err := time.LoadLocation(zone); err != nil {
		e.Invalid(p, zone, err.Error())
	}
}
