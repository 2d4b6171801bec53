package core

import (
	"context"
	"strconv"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/check"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
	declared "github.com/keelson-project/keelson/apiserver/kinds/declarative/core/v1"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

func replicationController() *kinds.Kind {
	spec, status := corev1.ReplicationControllerSpec{}.SwaggerDoc(), corev1.ReplicationControllerStatus{}.SwaggerDoc()
	return kinds.Definition[*corev1.ReplicationController]{
		GVK: gvk("ReplicationController"),
		Names: kinds.Names{
			Resource: "replicationcontrollers", Singular: "replicationcontroller",
			ShortNames: []string{"rc"}, Categories: []string{"all"},
		},
		Namespaced: true,
		StorageKey: "controllers",
		New:        func() *corev1.ReplicationController { return &corev1.ReplicationController{} },
		NewList:    func() runtime.Object { return &corev1.ReplicationControllerList{} },
		ValidName:  check.GivenName,

		Default: defaultReplicationController,
		PrepareCreate: func(_ context.Context, rc *corev1.ReplicationController) {
			rc.Status = corev1.ReplicationControllerStatus{}
			rc.Generation = 1
			podspec.DropTemplate(rc.Spec.Template, nil)
		},
		PrepareUpdate: func(_ context.Context, rc, old *corev1.ReplicationController) {
			rc.Status = old.Status
			rc.Generation = old.Generation
			podspec.DropTemplate(rc.Spec.Template, old.Spec.Template)
			if !equality.Semantic.DeepEqual(rc.Spec, old.Spec) {
				rc.Generation++
			}
		},
		UnconditionalUpdate: true,
		DefaultPropagation:  metav1.DeletePropagationOrphan,

		HasStatus:           true,
		PrepareStatusUpdate: func(_ context.Context, rc, old *corev1.ReplicationController) { rc.Spec = old.Spec },
		GetScale: func(rc *corev1.ReplicationController, scale *autoscalingv1.Scale) {
			if rc.Spec.Replicas != nil {
				scale.Spec.Replicas = *rc.Spec.Replicas
			}
			scale.Status.Replicas = rc.Status.Replicas
			scale.Status.Selector = labels.SelectorFromSet(rc.Spec.Selector).String()
		},
		SetScale: func(rc *corev1.ReplicationController, replicas int32) { rc.Spec.Replicas = &replicas },

		Fields: func(rc *corev1.ReplicationController) fields.Set {
			return fields.Set{"status.replicas": strconv.Itoa(int(rc.Status.Replicas))}
		},
		FieldNames: []string{"status.replicas"},

		Rules: declared.Validate_ReplicationController,
		Validate: func(_ context.Context, o *corev1.ReplicationController) field.ErrorList {
			return validateReplicationController(o)
		},
		ValidateUpdate: func(_ context.Context, o, _ *corev1.ReplicationController) field.ErrorList {
			return validateReplicationController(o)
		},
		ValidateStatusUpdate: func(_ context.Context, o, _ *corev1.ReplicationController) field.ErrorList {
			return validateReplicationControllerStatus(o)
		},
		Warnings: func(_ context.Context, rc, old *corev1.ReplicationController) []string {
			p := field.NewPath("spec", "template")
			if old == nil {
				return podspec.NewTemplateWarnings(p, rc.Name, rc.Spec.Template)
			}
			if rc.Generation == old.Generation {
				return nil
			}
			// As kube-apiserver, about the template that was there before.
			return podspec.TemplateWarnings(p, old.Spec.Template)
		},

		Columns: append(append([]metav1.TableColumnDefinition{
			column.Name(),
			column.Integer("Desired", spec["replicas"]),
			column.Integer("Current", status["replicas"]),
			column.Integer("Ready", status["readyReplicas"]),
			column.Age(),
		}, column.Templates()...), column.Wide("Selector", spec["selector"])),
		Cells: func(rc *corev1.ReplicationController) []any {
			var desired int64
			if rc.Spec.Replicas != nil {
				desired = int64(*rc.Spec.Replicas)
			}
			names, images := "", ""
			if rc.Spec.Template != nil {
				names, images = column.Containers(rc.Spec.Template.Spec.Containers)
			}
			return []any{
				rc.Name, desired, int64(rc.Status.Replicas), int64(rc.Status.ReadyReplicas), column.Since(rc.CreationTimestamp),
				names, images, column.Labels(rc.Spec.Selector),
			}
		},
	}.Kind()
}

func defaultReplicationController(rc *corev1.ReplicationController) {
	if rc.Spec.Replicas == nil {
		rc.Spec.Replicas = ref(int32(1))
	}
	if rc.Spec.Template == nil {
		return
	}
	if l := rc.Spec.Template.Labels; l != nil {
		if len(rc.Spec.Selector) == 0 {
			rc.Spec.Selector = l
		}
		if len(rc.Labels) == 0 {
			rc.Labels = l
		}
	}
	podspec.Default(&rc.Spec.Template.Spec)
}
