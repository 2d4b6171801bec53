package admissionregistration

import (
	"context"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
)

func mutatingAdmissionPolicyBinding() *kinds.Kind {
	return kinds.Definition[*admissionregistrationv1.MutatingAdmissionPolicyBinding]{
		GVK: gvk("MutatingAdmissionPolicyBinding"),
		Names: kinds.Names{
			Resource: "mutatingadmissionpolicybindings", Singular: "mutatingadmissionpolicybinding",
			Categories: []string{"api-extensions"},
		},
		New: func() *admissionregistrationv1.MutatingAdmissionPolicyBinding {
			return &admissionregistrationv1.MutatingAdmissionPolicyBinding{}
		},
		NewList:      func() runtime.Object { return &admissionregistrationv1.MutatingAdmissionPolicyBindingList{} },
		AnyFinalizer: true,

		Default: func(b *admissionregistrationv1.MutatingAdmissionPolicyBinding) { defaultMatch(b.Spec.MatchResources) },
		PrepareCreate: func(_ context.Context, b *admissionregistrationv1.MutatingAdmissionPolicyBinding) {
			b.Generation = 1
		},
		PrepareUpdate: func(_ context.Context, b, old *admissionregistrationv1.MutatingAdmissionPolicyBinding) {
			if !equality.Semantic.DeepEqual(b.Spec, old.Spec) {
				b.Generation = old.Generation + 1
			}
		},

		Validate: func(_ context.Context, b *admissionregistrationv1.MutatingAdmissionPolicyBinding) field.ErrorList {
			return append(validateMutatingBinding(b), newName(b.Name)...)
		},
		ValidateUpdate: func(_ context.Context, b, _ *admissionregistrationv1.MutatingAdmissionPolicyBinding) field.ErrorList {
			return validateMutatingBinding(b)
		},
		Warnings: func(_ context.Context, b, old *admissionregistrationv1.MutatingAdmissionPolicyBinding) []string {
			if old == nil {
				return nil
			}
			return oldName(b.Name)
		},

		Columns: bindingColumns(),
		Cells: func(b *admissionregistrationv1.MutatingAdmissionPolicyBinding) []any {
			return []any{b.Name, b.Spec.PolicyName, paramRefCell(b.Spec.ParamRef), column.Since(b.CreationTimestamp)}
		},
	}.Kind()
}
