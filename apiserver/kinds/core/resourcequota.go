package core

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

func resourceQuota() *kinds.Kind {
	return kinds.Definition[*corev1.ResourceQuota]{
		GVK:        gvk("ResourceQuota"),
		Names:      kinds.Names{Resource: "resourcequotas", Singular: "resourcequota", ShortNames: []string{"quota"}},
		Namespaced: true,
		New:        func() *corev1.ResourceQuota { return &corev1.ResourceQuota{} },
		NewList:    func() runtime.Object { return &corev1.ResourceQuotaList{} },

		Default: func(q *corev1.ResourceQuota) {
			podspec.Round(q.Spec.Hard)
			podspec.Round(q.Status.Hard)
			podspec.Round(q.Status.Used)
		},
		PrepareCreate:       func(_ context.Context, q *corev1.ResourceQuota) { q.Status = corev1.ResourceQuotaStatus{} },
		PrepareUpdate:       func(_ context.Context, q, old *corev1.ResourceQuota) { q.Status = old.Status },
		Warnings:            quotaWarnings,
		UnconditionalUpdate: true,
		ReturnDeleted:       true,

		HasStatus:           true,
		PrepareStatusUpdate: func(_ context.Context, q, old *corev1.ResourceQuota) { q.Spec = old.Spec },

		Validate: func(_ context.Context, o *corev1.ResourceQuota) field.ErrorList { return validateQuota(o) },
		ValidateUpdate: func(_ context.Context, o, old *corev1.ResourceQuota) field.ErrorList {
			return validateQuotaUpdate(o, old)
		},
		ValidateStatusUpdate: func(_ context.Context, o, _ *corev1.ResourceQuota) field.ErrorList { return validateQuotaStatus(o) },

		Columns: []metav1.TableColumnDefinition{
			column.Name(),
			column.Text("Request", "Request represents a minimum amount of cpu/memory that a container may consume."),
			column.Text("Limit", "Limits control the maximum amount of cpu/memory that a container may use independent of contention on the node."),
			column.Age(),
		},
		Cells: func(q *corev1.ResourceQuota) []any {
			var requests, limits []string
			for _, name := range slices.Sorted(maps.Keys(q.Status.Hard)) {
				used, hard := q.Status.Used[name], q.Status.Hard[name]
				entry := fmt.Sprintf("%s: %s/%s", name, used.String(), hard.String())
				if strings.HasPrefix(string(name), "limits.") {
					limits = append(limits, entry)
				} else {
					requests = append(requests, entry)
				}
			}
			return []any{q.Name, strings.Join(requests, ", "), strings.Join(limits, ", "), column.Since(q.CreationTimestamp)}
		},
	}.Kind()
}

func quotaWarnings(_ context.Context, q, old *corev1.ResourceQuota) []string {
	if old != nil {
		return nil
	}
	var out []string
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceStorage, corev1.ResourceEphemeralStorage} {
		requests, limits := "requests."+name, "limits."+name
		request, ok := q.Spec.Hard[requests]
		if !ok && (name == corev1.ResourceCPU || name == corev1.ResourceMemory) {
			requests = name
			request, ok = q.Spec.Hard[requests]
		}
		if limit, limited := q.Spec.Hard[limits]; ok && limited && request.Cmp(limit) > 0 {
			out = append(out, fmt.Sprintf("ResourceQuota %s (%s) should be less than %s (%s)", requests, request.String(), limits, limit.String()))
		}
	}
	return out
}
