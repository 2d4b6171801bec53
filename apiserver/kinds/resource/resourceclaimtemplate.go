package resource

import (
	"context"

	resourcev1 "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/check"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
	declared "github.com/keelson-project/keelson/apiserver/kinds/declarative/resource/v1"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

func resourceClaimTemplate() *kinds.Kind {
	return kinds.Definition[*resourcev1.ResourceClaimTemplate]{
		GVK:        gvk("ResourceClaimTemplate"),
		Names:      kinds.Names{Resource: "resourceclaimtemplates", Singular: "resourceclaimtemplate"},
		Namespaced: true,
		New:        func() *resourcev1.ResourceClaimTemplate { return &resourcev1.ResourceClaimTemplate{} },
		NewList:    func() runtime.Object { return &resourcev1.ResourceClaimTemplateList{} },

		Default: func(t *resourcev1.ResourceClaimTemplate) { defaultClaim(&t.Spec.Spec) },
		PrepareCreate: func(_ context.Context, t *resourcev1.ResourceClaimTemplate) {
			dropFromClaim(&t.Spec.Spec, &resourcev1.ResourceClaimSpec{})
		},
		PrepareUpdate: func(_ context.Context, t, old *resourcev1.ResourceClaimTemplate) {
			dropFromClaim(&t.Spec.Spec, &old.Spec.Spec)
		},
		UnconditionalUpdate: true,
		ReturnDeleted:       true,

		Rules: declared.Validate_ResourceClaimTemplate,
		Validate: func(_ context.Context, t *resourcev1.ResourceClaimTemplate) field.ErrorList {
			return validateTemplate(t)
		},
		ValidateUpdate: func(_ context.Context, t, old *resourcev1.ResourceClaimTemplate) field.ErrorList {
			e := &check.Errors{List: validateTemplate(t)}
			e.Same(field.NewPath("spec"), t.Spec, old.Spec)
			return e.List
		},

		Columns: []metav1.TableColumnDefinition{column.Name(), column.Age()},
		Cells: func(t *resourcev1.ResourceClaimTemplate) []any {
			return []any{t.Name, column.Since(t.CreationTimestamp)}
		},
	}.Kind()
}

func validateTemplate(t *resourcev1.ResourceClaimTemplate) field.ErrorList {
	e, p := &check.Errors{}, field.NewPath("spec")
	podspec.TemplateMetadata(e, p.Child("metadata"), &t.Spec.ObjectMeta)
	e.Add(validateClaim(p.Child("spec"), &t.Spec.Spec)...)
	return e.List
}
