package core

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

func podTemplate() *kinds.Kind {
	return kinds.Definition[*corev1.PodTemplate]{
		GVK:        gvk("PodTemplate"),
		Names:      kinds.Names{Resource: "podtemplates", Singular: "podtemplate"},
		Namespaced: true,
		New:        func() *corev1.PodTemplate { return &corev1.PodTemplate{} },
		NewList:    func() runtime.Object { return &corev1.PodTemplateList{} },

		Default: func(t *corev1.PodTemplate) { podspec.Default(&t.Template.Spec) },
		PrepareCreate: func(_ context.Context, t *corev1.PodTemplate) {
			t.Generation = 1
			podspec.DropTemplate(&t.Template, nil)
		},
		PrepareUpdate: func(_ context.Context, t, old *corev1.PodTemplate) {
			t.Generation = old.Generation
			podspec.DropTemplate(&t.Template, &old.Template)
			if !equality.Semantic.DeepEqual(t.Template, old.Template) {
				t.Generation++
			}
		},
		Validate: func(_ context.Context, t *corev1.PodTemplate) field.ErrorList {
			return podspec.ValidateTemplate(&t.Template, field.NewPath("template"))
		},
		ValidateUpdate: func(_ context.Context, t, _ *corev1.PodTemplate) field.ErrorList {
			return podspec.ValidateTemplate(&t.Template, field.NewPath("template"))
		},
		UnconditionalUpdate: true,
		ReturnDeleted:       true,
		Warnings: func(_ context.Context, o, old *corev1.PodTemplate) []string {
			if old != nil && o.Generation == old.Generation {
				return nil
			}
			return podspec.TemplateWarnings(field.NewPath("template"), &o.Template)
		},

		Columns: []metav1.TableColumnDefinition{
			column.Name(),
			column.Text("Containers", "Names of each container in the template."),
			column.Text("Images", "Images referenced by each container in the template."),
			column.Text("Pod Labels", "The labels for the pod template."),
		},
		Cells: func(t *corev1.PodTemplate) []any {
			names, images := column.Containers(t.Template.Spec.Containers)
			return []any{t.Name, names, images, column.Labels(t.Template.Labels)}
		},
	}.Kind()
}
