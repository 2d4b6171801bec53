package apps

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
	"github.com/keelson-project/keelson/apiserver/kinds/core"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

func statefulSet() *kinds.Kind {
	return kinds.Definition[*appsv1.StatefulSet]{
		GVK: gvk("StatefulSet"),
		Names: kinds.Names{
			Resource: "statefulsets", Singular: "statefulset", ShortNames: []string{"sts"}, Categories: []string{"all"},
		},
		Namespaced: true,
		New:        func() *appsv1.StatefulSet { return &appsv1.StatefulSet{} },
		NewList:    func() runtime.Object { return &appsv1.StatefulSetList{} },

		ValidName: validation.NameIsDNSLabel,
		Default:   defaultStatefulSet,
		PrepareCreate: func(_ context.Context, s *appsv1.StatefulSet) {
			s.Status = appsv1.StatefulSetStatus{}
			s.Generation = 1
			podspec.DropTemplate(&s.Spec.Template, nil)
		},
		PrepareUpdate: func(_ context.Context, s, old *appsv1.StatefulSet) {
			s.Status = old.Status
			s.Generation = old.Generation
			podspec.DropTemplate(&s.Spec.Template, &old.Spec.Template)
			if !equality.Semantic.DeepEqual(s.Spec, old.Spec) {
				s.Generation++
			}
		},
		UnconditionalUpdate: true,
		Warnings: func(_ context.Context, s, old *appsv1.StatefulSet) []string {
			var out []string
			if old == nil || s.Generation != old.Generation {
				out = podspec.TemplateWarnings(below("template"), &s.Spec.Template)
			}
			for i := range s.Spec.VolumeClaimTemplates {
				p := below("volumeClaimTemplates").Index(i)
				if old != nil {
					p = p.Child("Spec") // so says kube-apiserver
				}
				out = append(out, podspec.ClaimWarnings(p, &s.Spec.VolumeClaimTemplates[i].Spec)...)
			}
			if l := s.Spec.RevisionHistoryLimit; l != nil && *l < 0 {
				out = append(out, "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended")
			}
			return out
		},

		HasStatus:           true,
		PrepareStatusUpdate: func(_ context.Context, s, old *appsv1.StatefulSet) { s.Spec = old.Spec },
		GetScale: func(s *appsv1.StatefulSet, scale *autoscalingv1.Scale) {
			scale.Spec.Replicas = deref(s.Spec.Replicas)
			scale.Status.Replicas = s.Status.Replicas
			scale.Status.Selector = scaleSelector(s.Spec.Selector)
		},
		SetScale: func(s *appsv1.StatefulSet, replicas int32) { s.Spec.Replicas = &replicas },

		Validate: func(_ context.Context, o *appsv1.StatefulSet) field.ErrorList { return validateStatefulSet(o) },
		ValidateUpdate: func(_ context.Context, o, old *appsv1.StatefulSet) field.ErrorList {
			return validateStatefulSetUpdate(o, old)
		},
		ValidateStatusUpdate: func(_ context.Context, o, old *appsv1.StatefulSet) field.ErrorList {
			return validateStatefulSetStatus(o, old)
		},

		Columns: append([]metav1.TableColumnDefinition{
			column.Name(), column.Text("Ready", "Number of the pod with ready state"), column.Age(),
		}, column.Templates()...),
		Cells: func(s *appsv1.StatefulSet) []any {
			names, images := column.Containers(s.Spec.Template.Spec.Containers)
			return []any{
				s.Name, fmt.Sprintf("%d/%d", s.Status.ReadyReplicas, deref(s.Spec.Replicas)),
				column.Since(s.CreationTimestamp), names, images,
			}
		},
	}.Kind()
}

func defaultStatefulSet(s *appsv1.StatefulSet) {
	if s.Spec.PodManagementPolicy == "" {
		s.Spec.PodManagementPolicy = appsv1.OrderedReadyPodManagement
	}
	u := &s.Spec.UpdateStrategy
	if u.Type == "" {
		u.Type = appsv1.RollingUpdateStatefulSetStrategyType
		set(&u.RollingUpdate, appsv1.RollingUpdateStatefulSetStrategy{})
	}
	if u.Type == appsv1.RollingUpdateStatefulSetStrategyType && u.RollingUpdate != nil {
		set(&u.RollingUpdate.Partition, 0)
		set(&u.RollingUpdate.MaxUnavailable, intstr.FromInt32(1))
	}
	set(&s.Spec.PersistentVolumeClaimRetentionPolicy, appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{})
	r := s.Spec.PersistentVolumeClaimRetentionPolicy
	if r.WhenDeleted == "" {
		r.WhenDeleted = appsv1.RetainPersistentVolumeClaimRetentionPolicyType
	}
	if r.WhenScaled == "" {
		r.WhenScaled = appsv1.RetainPersistentVolumeClaimRetentionPolicyType
	}
	set(&s.Spec.Replicas, 1)
	set(&s.Spec.RevisionHistoryLimit, 10)
	podspec.Default(&s.Spec.Template.Spec)
	for i := range s.Spec.VolumeClaimTemplates {
		claim := &s.Spec.VolumeClaimTemplates[i]
		claim.TypeMeta = metav1.TypeMeta{APIVersion: corev1.SchemeGroupVersion.String(), Kind: "PersistentVolumeClaim"}
		core.DefaultPersistentVolumeClaim(claim)
	}
}
