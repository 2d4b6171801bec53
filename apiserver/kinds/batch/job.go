package batch

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
	declared "github.com/keelson-project/keelson/apiserver/kinds/declarative/batch/v1"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

func job() *kinds.Kind {
	return kinds.Definition[*batchv1.Job]{
		GVK:        gvk("Job"),
		Names:      kinds.Names{Resource: "jobs", Singular: "job", Categories: []string{"all"}},
		Namespaced: true,
		New:        func() *batchv1.Job { return &batchv1.Job{} },
		NewList:    func() runtime.Object { return &batchv1.JobList{} },

		Default: func(j *batchv1.Job) {
			defaultJob(&j.Spec)
			inheritLabels(j)
		},
		PrepareCreate: func(_ context.Context, j *batchv1.Job) {
			selectOwnPods(j)
			j.Status = batchv1.JobStatus{}
			j.Generation = 1
			drop(&j.Spec, nil)
		},
		PrepareUpdate: func(_ context.Context, j, old *batchv1.Job) {
			j.Status = old.Status
			j.Generation = old.Generation
			drop(&j.Spec, &old.Spec)
			if !equality.Semantic.DeepEqual(j.Spec, old.Spec) {
				j.Generation++
			}
		},
		UnconditionalUpdate: true,
		DefaultPropagation:  metav1.DeletePropagationOrphan,
		DeleteWarnings:      jobDeleteWarnings,
		Canonicalize:        inheritLabels,

		HasStatus:           true,
		PrepareStatusUpdate: func(_ context.Context, j, old *batchv1.Job) { j.Spec = old.Spec },

		Fields: func(j *batchv1.Job) fields.Set {
			return fields.Set{"status.successful": strconv.Itoa(int(j.Status.Succeeded))}
		},
		FieldNames:   []string{"status.successful"},
		UnknownField: func(name string) string { return fmt.Sprintf("field label %q not supported for Job", name) },

		Rules:                declared.Validate_Job,
		RuleOptions:          func(_, _ *batchv1.Job) map[string]bool { return withoutWorkloads() },
		Validate:             func(_ context.Context, o *batchv1.Job) field.ErrorList { return validateJob(o) },
		ValidateUpdate:       func(_ context.Context, o, old *batchv1.Job) field.ErrorList { return validateJobUpdate(o, old) },
		ValidateStatusUpdate: func(_ context.Context, o, old *batchv1.Job) field.ErrorList { return validateJobStatus(o, old) },
		Warnings:             jobWarnings,

		Columns: append(append([]metav1.TableColumnDefinition{
			column.Name(),
			column.Text("Status", "Status of the job."),
			column.Text("Completions", batchv1.JobStatus{}.SwaggerDoc()["succeeded"]),
			column.Text("Duration", "Time required to complete the job."),
			column.Age(),
		}, column.Templates()...), column.Wide("Selector", batchv1.JobSpec{}.SwaggerDoc()["selector"])),
		Cells: jobCells,
	}.Kind()
}

// defaultJob fills in the specification of a job.
func defaultJob(spec *batchv1.JobSpec) {
	if spec.Completions == nil && spec.Parallelism == nil {
		set(&spec.Completions, 1)
	}
	set(&spec.Parallelism, 1)
	if spec.BackoffLimitPerIndex != nil {
		set(&spec.BackoffLimit, math.MaxInt32)
	}
	set(&spec.BackoffLimit, 6)
	set(&spec.CompletionMode, batchv1.NonIndexedCompletion)
	set(&spec.Suspend, false)
	if spec.PodFailurePolicy != nil {
		set(&spec.PodReplacementPolicy, batchv1.Failed)
	}
	set(&spec.PodReplacementPolicy, batchv1.TerminatingOrFailed)
	set(&spec.ManualSelector, false)
	defaultFailurePolicy(spec.PodFailurePolicy)
	podspec.Default(&spec.Template.Spec)
}

func defaultFailurePolicy(p *batchv1.PodFailurePolicy) {
	if p == nil {
		return
	}
	for i := range p.Rules {
		for j := range p.Rules[i].OnPodConditions {
			if c := &p.Rules[i].OnPodConditions[j]; c.Status == "" {
				c.Status = corev1.ConditionTrue
			}
		}
	}
}

// selectOwnPods labels the pods of a job with its name and UID, which must be
// set, and selects them by the UID, unless the job brings its own selector.
func selectOwnPods(j *batchv1.Job) {
	if j.Spec.ManualSelector != nil && *j.Spec.ManualSelector {
		return
	}
	if j.Spec.Template.Labels == nil {
		j.Spec.Template.Labels = make(map[string]string, 4)
	}
	uid := string(j.UID)
	for _, l := range [][2]string{
		{"job-name", j.Name}, {batchv1.JobNameLabel, j.Name}, {"controller-uid", uid}, {batchv1.ControllerUidLabel, uid},
	} {
		if _, ok := j.Spec.Template.Labels[l[0]]; !ok {
			j.Spec.Template.Labels[l[0]] = l[1]
		}
	}
	if j.Spec.Selector == nil {
		j.Spec.Selector = &metav1.LabelSelector{}
	}
	if j.Spec.Selector.MatchLabels == nil {
		j.Spec.Selector.MatchLabels = make(map[string]string, 1)
	}
	if _, ok := j.Spec.Selector.MatchLabels[batchv1.ControllerUidLabel]; !ok {
		j.Spec.Selector.MatchLabels[batchv1.ControllerUidLabel] = uid
	}
}

// inheritLabels gives a job without labels those of its pods.
func inheritLabels(j *batchv1.Job) {
	if l := j.Spec.Template.Labels; l != nil && len(j.Labels) == 0 {
		j.Labels = l
	}
}

func jobCells(j *batchv1.Job) []any {
	completions := fmt.Sprintf("%d/1", j.Status.Succeeded)
	if c := j.Spec.Completions; c != nil {
		completions = fmt.Sprintf("%d/%d", j.Status.Succeeded, *c)
	} else if p := j.Spec.Parallelism; p != nil && *p > 1 {
		completions += fmt.Sprintf(" of %d", *p)
	}
	took := ""
	if start, end := j.Status.StartTime, j.Status.CompletionTime; start != nil && end != nil {
		took = duration.HumanDuration(end.Sub(start.Time))
	} else if start != nil {
		took = duration.HumanDuration(time.Since(start.Time))
	}
	names, images := column.Containers(j.Spec.Template.Spec.Containers)
	return []any{
		j.Name, jobState(j), completions, took, column.Since(j.CreationTimestamp), names, images, column.Selector(j.Spec.Selector),
	}
}

func jobState(j *batchv1.Job) string {
	is := func(t batchv1.JobConditionType) bool {
		for _, c := range j.Status.Conditions {
			if c.Type == t {
				return c.Status == corev1.ConditionTrue
			}
		}
		return false
	}
	switch {
	case is(batchv1.JobComplete):
		return "Complete"
	case is(batchv1.JobFailed):
		return "Failed"
	case j.DeletionTimestamp != nil:
		return "Terminating"
	case is(batchv1.JobSuspended):
		return "Suspended"
	case is(batchv1.JobFailureTarget):
		return "FailureTarget"
	case is(batchv1.JobSuccessCriteriaMet):
		return "SuccessCriteriaMet"
	}
	return "Running"
}

// drop clears the fields of features that are off by default, unless the old
// specification, nil for a new object, uses them already.
func drop(spec, old *batchv1.JobSpec) {
	var was *corev1.PodTemplateSpec
	if old != nil {
		was = &old.Template
	}
	if old == nil || old.Scheduling == nil {
		spec.Scheduling = nil
	}
	podspec.DropTemplate(&spec.Template, was)
}

// jobDeleteWarnings tells those who leave it open that a job's pods stay.
func jobDeleteWarnings(opts *metav1.DeleteOptions) []string {
	//lint:ignore SA1019 old clients still send it
	if opts.PropagationPolicy != nil || opts.OrphanDependents != nil {
		return nil
	}
	return []string{"child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning"}
}
