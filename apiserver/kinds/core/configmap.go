package core

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

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

		UnconditionalUpdate: true,

		Columns: []metav1.TableColumnDefinition{column.Name(), column.Text("Data", corev1.ConfigMap{}.SwaggerDoc()["data"]), column.Age()},
		Cells: func(cm *corev1.ConfigMap) []any {
			return []any{cm.Name, int64(len(cm.Data) + len(cm.BinaryData)), column.Since(cm.CreationTimestamp)}
		},
	}.Kind()
}
