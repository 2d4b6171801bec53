package core

import (
	"context"
	"crypto/tls"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
)

func secret() *kinds.Kind {
	doc := corev1.Secret{}.SwaggerDoc()
	return kinds.Definition[*corev1.Secret]{
		GVK:        gvk("Secret"),
		Names:      kinds.Names{Resource: "secrets", Singular: "secret"},
		Namespaced: true,
		New:        func() *corev1.Secret { return &corev1.Secret{} },
		NewList:    func() runtime.Object { return &corev1.SecretList{} },

		Default: func(s *corev1.Secret) {
			if s.Type == "" {
				s.Type = corev1.SecretTypeOpaque
			}
			mergeStringData(s)
			emptyNotNull(s.Data)
		},
		Warnings: func(_ context.Context, s, _ *corev1.Secret) []string {
			if s.Type != corev1.SecretTypeTLS {
				return nil
			}
			if _, err := tls.X509KeyPair(s.Data[corev1.TLSCertKey], s.Data[corev1.TLSPrivateKeyKey]); err != nil {
				return []string{err.Error()}
			}
			return nil
		},
		UnconditionalUpdate: true,
		RecheckName:         true,

		Fields:     func(s *corev1.Secret) fields.Set { return fields.Set{"type": string(s.Type)} },
		FieldNames: []string{"type"},

		Validate:       func(_ context.Context, o *corev1.Secret) field.ErrorList { return validateSecret(o) },
		ValidateUpdate: func(_ context.Context, o, old *corev1.Secret) field.ErrorList { return validateSecretUpdate(o, old) },

		Columns: []metav1.TableColumnDefinition{
			column.Name(), column.Text("Type", doc["type"]), column.Text("Data", doc["data"]), column.Age(),
		},
		Cells: func(s *corev1.Secret) []any {
			return []any{s.Name, string(s.Type), int64(len(s.Data)), column.Since(s.CreationTimestamp)}
		},
	}.Kind()
}

// mergeStringData moves stringData, which only exists for writing, to data.
func mergeStringData(s *corev1.Secret) {
	if len(s.StringData) > 0 && s.Data == nil {
		s.Data = make(map[string][]byte, len(s.StringData))
	}
	for key, value := range s.StringData {
		s.Data[key] = []byte(value)
	}
	s.StringData = nil
}
