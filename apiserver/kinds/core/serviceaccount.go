package core

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
)

const enforceMountableSecrets = "kubernetes.io/enforce-mountable-secrets"

func serviceAccount() *kinds.Kind {
	return kinds.Definition[*corev1.ServiceAccount]{
		GVK:        gvk("ServiceAccount"),
		Names:      kinds.Names{Resource: "serviceaccounts", Singular: "serviceaccount", ShortNames: []string{"sa"}},
		Namespaced: true,
		New:        func() *corev1.ServiceAccount { return &corev1.ServiceAccount{} },
		NewList:    func() runtime.Object { return &corev1.ServiceAccountList{} },

		ValidName:           validation.ValidateServiceAccountName,
		PrepareCreate:       func(_ context.Context, sa *corev1.ServiceAccount) { keepSecretNames(sa) },
		PrepareUpdate:       func(_ context.Context, sa, _ *corev1.ServiceAccount) { keepSecretNames(sa) },
		UnconditionalUpdate: true,
		RecheckName:         true,
		ReturnDeleted:       true,
		Warnings: func(_ context.Context, sa, old *corev1.ServiceAccount) []string {
			if _, set := sa.Annotations[enforceMountableSecrets]; !set {
				return nil
			}
			if old != nil {
				if _, before := old.Annotations[enforceMountableSecrets]; before {
					return nil
				}
			}
			return []string{"metadata.annotations[" + enforceMountableSecrets + "]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"}
		},

		Columns: []metav1.TableColumnDefinition{column.Name(), column.Age()},
		Cells: func(sa *corev1.ServiceAccount) []any {
			return []any{sa.Name, column.Since(sa.CreationTimestamp)}
		},
	}.Kind()
}

// keepSecretNames drops all but the names from the references to secrets.
func keepSecretNames(sa *corev1.ServiceAccount) {
	for i := range sa.Secrets {
		sa.Secrets[i] = corev1.ObjectReference{Name: sa.Secrets[i].Name}
	}
}
