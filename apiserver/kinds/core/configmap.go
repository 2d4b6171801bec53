package core

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
)

func configMap() *kinds.Kind {
	return kinds.Definition[*corev1.ConfigMap]{
		GVK:        gvk("ConfigMap"),
		Names:      kinds.Names{Resource: "configmaps", Singular: "configmap", ShortNames: []string{"cm"}},
		Namespaced: true,
		New:        func() *corev1.ConfigMap { return &corev1.ConfigMap{} },
		NewList:    func() runtime.Object { return &corev1.ConfigMapList{} },

		Default:             func(c *corev1.ConfigMap) { emptyNotNull(c.BinaryData) },
		UnconditionalUpdate: true,
		RecheckName:         true,

		Validate: func(_ context.Context, o *corev1.ConfigMap) field.ErrorList { return validateConfigMap(o) },
		ValidateUpdate: func(_ context.Context, o, old *corev1.ConfigMap) field.ErrorList {
			return validateConfigMapUpdate(o, old)
		},

		Columns: []metav1.TableColumnDefinition{column.Name(), column.Text("Data", corev1.ConfigMap{}.SwaggerDoc()["data"]), column.Age()},
		Cells: func(cm *corev1.ConfigMap) []any {
			return []any{cm.Name, int64(len(cm.Data) + len(cm.BinaryData)), column.Since(cm.CreationTimestamp)}
		},
	}.Kind()
}
