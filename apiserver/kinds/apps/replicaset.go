package apps

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

func replicaSet() *kinds.Kind {
	spec, status := appsv1.ReplicaSetSpec{}.SwaggerDoc(), appsv1.ReplicaSetStatus{}.SwaggerDoc()
	return kinds.Definition[*appsv1.ReplicaSet]{
		GVK: gvk("ReplicaSet"),
		Names: kinds.Names{
			Resource: "replicasets", Singular: "replicaset", ShortNames: []string{"rs"}, Categories: []string{"all"},
		},
		Namespaced: true,
		New:        func() *appsv1.ReplicaSet { return &appsv1.ReplicaSet{} },
		NewList:    func() runtime.Object { return &appsv1.ReplicaSetList{} },

		Default: func(rs *appsv1.ReplicaSet) {
			set(&rs.Spec.Replicas, 1)
			podspec.Default(&rs.Spec.Template.Spec)
		},
		PrepareCreate: func(_ context.Context, rs *appsv1.ReplicaSet) {
			rs.Status = appsv1.ReplicaSetStatus{}
			rs.Generation = 1
			podspec.DropTemplate(&rs.Spec.Template, nil)
		},
		PrepareUpdate: func(_ context.Context, rs, old *appsv1.ReplicaSet) {
			rs.Status = old.Status
			rs.Generation = old.Generation
			podspec.DropTemplate(&rs.Spec.Template, &old.Spec.Template)
			if !equality.Semantic.DeepEqual(rs.Spec, old.Spec) {
				rs.Generation++
			}
		},
		UnconditionalUpdate: true,

		HasStatus:           true,
		PrepareStatusUpdate: func(_ context.Context, rs, old *appsv1.ReplicaSet) { rs.Spec = old.Spec },
		GetScale: func(rs *appsv1.ReplicaSet, scale *autoscalingv1.Scale) {
			scale.Spec.Replicas = deref(rs.Spec.Replicas)
			scale.Status.Replicas = rs.Status.Replicas
			scale.Status.Selector = scaleSelector(rs.Spec.Selector)
		},
		SetScale: func(rs *appsv1.ReplicaSet, replicas int32) { rs.Spec.Replicas = &replicas },

		Validate: func(_ context.Context, o *appsv1.ReplicaSet) field.ErrorList { return validateReplicaSet(o) },
		ValidateUpdate: func(_ context.Context, o, old *appsv1.ReplicaSet) field.ErrorList {
			return validateReplicaSetUpdate(o, old)
		},
		ValidateStatusUpdate: func(_ context.Context, o, _ *appsv1.ReplicaSet) field.ErrorList { return validateReplicaSetStatus(o) },
		Warnings: func(_ context.Context, o, old *appsv1.ReplicaSet) []string {
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
			column.Integer("Desired", spec["replicas"]),
			column.Integer("Current", status["replicas"]),
			column.Integer("Ready", status["readyReplicas"]),
			column.Age(),
		),
		Cells: func(rs *appsv1.ReplicaSet) []any {
			names, images := column.Containers(rs.Spec.Template.Spec.Containers)
			return []any{
				rs.Name, int64(deref(rs.Spec.Replicas)), int64(rs.Status.Replicas), int64(rs.Status.ReadyReplicas),
				column.Since(rs.CreationTimestamp), names, images, column.Selector(rs.Spec.Selector),
			}
		},
	}.Kind()
}
