package core

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

func limitRange() *kinds.Kind {
	return kinds.Definition[*corev1.LimitRange]{
		GVK:        gvk("LimitRange"),
		Names:      kinds.Names{Resource: "limitranges", Singular: "limitrange", ShortNames: []string{"limits"}},
		Namespaced: true,
		New:        func() *corev1.LimitRange { return &corev1.LimitRange{} },
		NewList:    func() runtime.Object { return &corev1.LimitRangeList{} },

		Default: func(lr *corev1.LimitRange) {
			for i := range lr.Spec.Limits {
				defaultLimit(&lr.Spec.Limits[i])
			}
		},
		PrepareCreate: func(_ context.Context, lr *corev1.LimitRange) {
			if lr.Name == "" {
				lr.Name = string(uuid.NewUUID())
			}
		},
		CreateOnUpdate:      true,
		UnconditionalUpdate: true,
		RecheckName:         true,

		Validate:       func(_ context.Context, o *corev1.LimitRange) field.ErrorList { return validateLimitRange(o) },
		ValidateUpdate: func(_ context.Context, o, _ *corev1.LimitRange) field.ErrorList { return validateLimitRange(o) },
	}.Kind()
}

func defaultLimit(l *corev1.LimitRangeItem) {
	if l.Type == corev1.LimitTypeContainer {
		if l.Default == nil {
			l.Default = corev1.ResourceList{}
		}
		if l.DefaultRequest == nil {
			l.DefaultRequest = corev1.ResourceList{}
		}
		fill(l.Default, l.Max)
		fill(l.DefaultRequest, l.Default)
		fill(l.DefaultRequest, l.Min)
	}
	for _, list := range []corev1.ResourceList{l.Max, l.Min, l.Default, l.DefaultRequest, l.MaxLimitRequestRatio} {
		podspec.Round(list)
	}
}

// fill copies to a list what it lacks.
func fill(to, from corev1.ResourceList) {
	for name, q := range from {
		if _, set := to[name]; !set {
			to[name] = q.DeepCopy()
		}
	}
}
