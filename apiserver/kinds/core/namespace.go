package core

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
)

func namespace() *kinds.Kind {
	return kinds.Definition[*corev1.Namespace]{
		GVK:     gvk("Namespace"),
		Names:   kinds.Names{Resource: "namespaces", Singular: "namespace", ShortNames: []string{"ns"}},
		New:     func() *corev1.Namespace { return &corev1.Namespace{} },
		NewList: func() runtime.Object { return &corev1.NamespaceList{} },

		ValidName: validation.ValidateNamespaceName,
		Default: func(ns *corev1.Namespace) {
			if ns.Status.Phase == "" {
				ns.Status.Phase = corev1.NamespaceActive
			}
			labelWithName(ns)
		},
		PrepareCreate: func(_ context.Context, ns *corev1.Namespace) {
			ns.Status = corev1.NamespaceStatus{Phase: corev1.NamespaceActive}
			if !slices.Contains(ns.Spec.Finalizers, corev1.FinalizerKubernetes) {
				ns.Spec.Finalizers = append(ns.Spec.Finalizers, corev1.FinalizerKubernetes)
			}
		},
		PrepareUpdate: func(_ context.Context, ns, old *corev1.Namespace) {
			ns.Spec.Finalizers = old.Spec.Finalizers
			ns.Status = old.Status
		},
		Canonicalize:        labelWithName,
		UnconditionalUpdate: true,
		RecheckName:         true,
		ReturnDeleted:       true,
		GracefulDelete: func(_ context.Context, ns *corev1.Namespace, opts *metav1.DeleteOptions) bool {
			opts.GracePeriodSeconds = nil // it takes what it takes
			ns.Status.Phase = corev1.NamespaceTerminating
			return len(ns.Spec.Finalizers) > 0
		},
		Unfinished: func(ns *corev1.Namespace) bool { return len(ns.Spec.Finalizers) > 0 },
		Subresources: map[string]kinds.Part[*corev1.Namespace]{
			"finalize": {PrepareUpdate: func(_ context.Context, ns, old *corev1.Namespace) { ns.Status = old.Status }},
		},

		Resets:    map[string][]string{"finalize": {"status"}},
		HasStatus: true,
		PrepareStatusUpdate: func(_ context.Context, ns, old *corev1.Namespace) {
			ns.Spec = old.Spec
		},

		Fields: func(ns *corev1.Namespace) fields.Set {
			return fields.Set{"status.phase": string(ns.Status.Phase)}
		},
		FieldNames: []string{"status.phase"},

		Validate:             func(_ context.Context, o *corev1.Namespace) field.ErrorList { return validateNamespace(o) },
		ValidateUpdate:       func(_ context.Context, o, _ *corev1.Namespace) field.ErrorList { return validateNamespace(o) },
		ValidateStatusUpdate: func(_ context.Context, o, _ *corev1.Namespace) field.ErrorList { return validateNamespaceStatus(o) },

		Columns: []metav1.TableColumnDefinition{column.Name(), column.Text("Status", "The status of the namespace"), column.Age()},
		Cells: func(ns *corev1.Namespace) []any {
			return []any{ns.Name, string(ns.Status.Phase), column.Since(ns.CreationTimestamp)}
		},
	}.Kind()
}

// labelWithName keeps the label that lets selectors find a namespace by name.
func labelWithName(ns *corev1.Namespace) {
	if ns.Name == "" || ns.Labels[corev1.LabelMetadataName] == ns.Name {
		return
	}
	if ns.Labels == nil {
		ns.Labels = make(map[string]string, 1)
	}
	ns.Labels[corev1.LabelMetadataName] = ns.Name
}
