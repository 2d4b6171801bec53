package batch

import (
	"context"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
	declared "github.com/keelson-project/keelson/apiserver/kinds/declarative/batch/v1"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

func cronJob() *kinds.Kind {
	spec, status := batchv1.CronJobSpec{}.SwaggerDoc(), batchv1.CronJobStatus{}.SwaggerDoc()
	return kinds.Definition[*batchv1.CronJob]{
		GVK:        gvk("CronJob"),
		Names:      kinds.Names{Resource: "cronjobs", Singular: "cronjob", ShortNames: []string{"cj"}, Categories: []string{"all"}},
		Namespaced: true,
		New:        func() *batchv1.CronJob { return &batchv1.CronJob{} },
		NewList:    func() runtime.Object { return &batchv1.CronJobList{} },

		Default: func(c *batchv1.CronJob) {
			if c.Spec.ConcurrencyPolicy == "" {
				c.Spec.ConcurrencyPolicy = batchv1.AllowConcurrent
			}
			set(&c.Spec.Suspend, false)
			set(&c.Spec.SuccessfulJobsHistoryLimit, 3)
			set(&c.Spec.FailedJobsHistoryLimit, 1)
			// A job template keeps what it leaves out open, but for its pods.
			defaultFailurePolicy(c.Spec.JobTemplate.Spec.PodFailurePolicy)
			podspec.Default(&c.Spec.JobTemplate.Spec.Template.Spec)
		},
		PrepareCreate: func(_ context.Context, c *batchv1.CronJob) {
			c.Status = batchv1.CronJobStatus{}
			c.Generation = 1
			drop(&c.Spec.JobTemplate.Spec, nil)
		},
		PrepareUpdate: func(_ context.Context, c, old *batchv1.CronJob) {
			c.Status = old.Status
			c.Generation = old.Generation
			drop(&c.Spec.JobTemplate.Spec, &old.Spec.JobTemplate.Spec)
			if !equality.Semantic.DeepEqual(c.Spec, old.Spec) {
				c.Generation++
			}
		},
		UnconditionalUpdate: true,
		AnyStatusFinalizer:  true,

		HasStatus:           true,
		PrepareStatusUpdate: func(_ context.Context, c, old *batchv1.CronJob) { c.Spec = old.Spec },

		Rules:          declared.Validate_CronJob,
		RuleOptions:    func(_, _ *batchv1.CronJob) map[string]bool { return withoutWorkloads() },
		Validate:       func(_ context.Context, o *batchv1.CronJob) field.ErrorList { return validateCronJob(o) },
		ValidateUpdate: func(_ context.Context, o, old *batchv1.CronJob) field.ErrorList { return validateCronJobUpdate(o, old) },
		Warnings:       cronJobWarnings,

		Columns: append(append([]metav1.TableColumnDefinition{
			column.Name(),
			column.Text("Schedule", spec["schedule"]),
			column.Text("Timezone", spec["timeZone"]),
			column.Boolean("Suspend", spec["suspend"]),
			column.Integer("Active", status["active"]),
			column.Text("Last Schedule", status["lastScheduleTime"]),
			column.Age(),
		}, column.Templates()...), column.Wide("Selector", batchv1.JobSpec{}.SwaggerDoc()["selector"])),
		Cells: func(c *batchv1.CronJob) []any {
			suspend := column.Unset
			if s := c.Spec.Suspend; s != nil {
				suspend = "False"
				if *s {
					suspend = "True"
				}
			}
			last := column.None
			if t := c.Status.LastScheduleTime; t != nil {
				last = column.Since(*t)
			}
			j := &c.Spec.JobTemplate.Spec
			names, images := column.Containers(j.Template.Spec.Containers)
			return []any{
				c.Name, c.Spec.Schedule, column.Or(c.Spec.TimeZone, column.None), suspend, int64(len(c.Status.Active)),
				last, column.Since(c.CreationTimestamp), names, images, column.Selector(j.Selector),
			}
		},
	}.Kind()
}
