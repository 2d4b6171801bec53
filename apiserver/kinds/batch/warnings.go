package batch

import (
	"context"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

func jobWarnings(_ context.Context, j, old *batchv1.Job) []string {
	if old != nil && j.Generation == old.Generation {
		return nil
	}
	return specWarnings(field.NewPath("spec"), j.Name, &j.Spec, old == nil)
}

func cronJobWarnings(_ context.Context, c, old *batchv1.CronJob) (texts []string) {
	if old == nil || c.Generation != old.Generation {
		texts = specWarnings(field.NewPath("spec", "jobTemplate", "spec"), c.Name, &c.Spec.JobTemplate.Spec, old == nil)
	}
	if old != nil && strings.Contains(c.Spec.Schedule, "TZ") {
		texts = append(texts, "cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, "+
			"see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details")
	}
	return texts
}

// specWarnings are what is worth mentioning about a job's specification at p;
// name is that of the object that it is in, which may be a new one.
func specWarnings(p *field.Path, name string, s *batchv1.JobSpec, created bool) (texts []string) {
	if created {
		texts = podspec.NameWarnings(name)
	}
	const mostCompletions, mostParallel = 100_000, 10_000
	indexed := s.CompletionMode != nil && *s.CompletionMode == batchv1.IndexedCompletion
	if indexed && s.Completions != nil && *s.Completions > mostCompletions && s.Parallelism != nil && *s.Parallelism > mostParallel {
		texts = append(texts, p.String()+": In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, "+
			"Kubernetes might not be able to track completedIndexes when a big number of indexes fail")
	}
	return append(texts, podspec.TemplateWarnings(p.Child("template"), &s.Template)...)
}
