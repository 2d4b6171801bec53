package apps

import (
	"context"
	"fmt"
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

func deployment() *kinds.Kind {
	spec, status := appsv1.DeploymentSpec{}.SwaggerDoc(), appsv1.DeploymentStatus{}.SwaggerDoc()
	return kinds.Definition[*appsv1.Deployment]{
		GVK: gvk("Deployment"),
		Names: kinds.Names{
			Resource: "deployments", Singular: "deployment", ShortNames: []string{"deploy"}, Categories: []string{"all"},
		},
		Namespaced: true,
		New:        func() *appsv1.Deployment { return &appsv1.Deployment{} },
		NewList:    func() runtime.Object { return &appsv1.DeploymentList{} },

		Default: defaultDeployment,
		PrepareCreate: func(_ context.Context, d *appsv1.Deployment) {
			d.Status = appsv1.DeploymentStatus{}
			d.Generation = 1
			podspec.DropTemplate(&d.Spec.Template, nil)
		},
		PrepareUpdate: func(_ context.Context, d, old *appsv1.Deployment) {
			d.Status = old.Status
			d.Generation = old.Generation
			podspec.DropTemplate(&d.Spec.Template, &old.Spec.Template)
			// Annotations count too: they hold the revision that is copied
			// to replica sets.
			if !maps.Equal(d.Annotations, old.Annotations) || !equality.Semantic.DeepEqual(d.Spec, old.Spec) {
				d.Generation++
			}
		},
		UnconditionalUpdate: true,

		Resets:    map[string][]string{"status": {"metadata.labels"}},
		HasStatus: true,
		PrepareStatusUpdate: func(_ context.Context, d, old *appsv1.Deployment) {
			d.Spec = old.Spec
			d.Labels = old.Labels
		},
		GetScale: func(d *appsv1.Deployment, scale *autoscalingv1.Scale) {
			scale.Spec.Replicas = deref(d.Spec.Replicas)
			scale.Status.Replicas = d.Status.Replicas
			scale.Status.Selector = scaleSelector(d.Spec.Selector)
		},
		SetScale: func(d *appsv1.Deployment, replicas int32) { d.Spec.Replicas = &replicas },

		Validate: func(_ context.Context, o *appsv1.Deployment) field.ErrorList { return validateDeployment(o) },
		ValidateUpdate: func(_ context.Context, o, old *appsv1.Deployment) field.ErrorList {
			return validateDeploymentUpdate(o, old)
		},
		ValidateStatusUpdate: func(_ context.Context, o, old *appsv1.Deployment) field.ErrorList {
			return validateDeploymentStatus(o, old)
		},
		Warnings: func(_ context.Context, o, old *appsv1.Deployment) []string {
			if old == nil {
				return podspec.NewTemplateWarnings(below("template"), o.Name, &o.Spec.Template)
			}
			if o.Generation == old.Generation {
				return nil
			}
			return podspec.TemplateWarnings(below("template"), &o.Spec.Template)
		},

		Columns: columns(spec["selector"],
			column.Name(),
			column.Text("Ready", "Number of the pod with ready state"),
			column.Text("Up-to-date", status["updatedReplicas"]),
			column.Text("Available", status["availableReplicas"]),
			column.Age(),
		),
		Cells: func(d *appsv1.Deployment) []any {
			selector := "<invalid>"
			if s, err := metav1.LabelSelectorAsSelector(d.Spec.Selector); err == nil {
				selector = s.String()
			}
			names, images := column.Containers(d.Spec.Template.Spec.Containers)
			return []any{
				d.Name, fmt.Sprintf("%d/%d", d.Status.ReadyReplicas, deref(d.Spec.Replicas)),
				int64(d.Status.UpdatedReplicas), int64(d.Status.AvailableReplicas), column.Since(d.CreationTimestamp),
				names, images, selector,
			}
		},
	}.Kind()
}

func defaultDeployment(d *appsv1.Deployment) {
	set(&d.Spec.Replicas, 1)
	set(&d.Spec.RevisionHistoryLimit, 10)
	set(&d.Spec.ProgressDeadlineSeconds, 600)
	s := &d.Spec.Strategy
	if s.Type == "" {
		s.Type = appsv1.RollingUpdateDeploymentStrategyType
	}
	if s.Type == appsv1.RollingUpdateDeploymentStrategyType {
		set(&s.RollingUpdate, appsv1.RollingUpdateDeployment{})
		set(&s.RollingUpdate.MaxUnavailable, intstr.FromString("25%"))
		set(&s.RollingUpdate.MaxSurge, intstr.FromString("25%"))
	}
	podspec.Default(&d.Spec.Template.Spec)
}
