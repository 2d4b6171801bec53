package node

import (
	"context"
	"maps"
	"slices"

	nodev1 "k8s.io/api/node/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
	declared "github.com/keelson-project/keelson/apiserver/kinds/declarative/node/v1"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

func runtimeClass() *kinds.Kind {
	return kinds.Definition[*nodev1.RuntimeClass]{
		GVK:     gvk("RuntimeClass"),
		Names:   kinds.Names{Resource: "runtimeclasses", Singular: "runtimeclass"},
		New:     func() *nodev1.RuntimeClass { return &nodev1.RuntimeClass{} },
		NewList: func() runtime.Object { return &nodev1.RuntimeClassList{} },

		CreateOnUpdate: true,

		Warnings:       warnings,
		Rules:          declared.Validate_RuntimeClass,
		Validate:       func(_ context.Context, o *nodev1.RuntimeClass) field.ErrorList { return validate(o) },
		ValidateUpdate: func(_ context.Context, o, old *nodev1.RuntimeClass) field.ErrorList { return validateUpdate(o, old) },

		Columns: []metav1.TableColumnDefinition{
			column.Name(), column.Text("Handler", ""), column.Age(),
		},
		Cells: func(rc *nodev1.RuntimeClass) []any {
			return []any{rc.Name, rc.Handler, column.Since(rc.CreationTimestamp)}
		},
	}.Kind()
}

// warnings mention old node labels in what a class selects nodes by.
func warnings(_ context.Context, rc, _ *nodev1.RuntimeClass) (out []string) {
	if rc.Scheduling == nil {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(rc.Scheduling.NodeSelector)) {
		if msg := podspec.OldNodeLabel(key); msg != "" {
			out = append(out, "scheduling.nodeSelector: "+msg)
		}
	}
	return out
}
