package admissionregistration

import (
	"context"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
	declared "github.com/keelson-project/keelson/apiserver/kinds/declarative/admissionregistration/v1"
)

func validatingAdmissionPolicyBinding() *kinds.Kind {
	return kinds.Definition[*admissionregistrationv1.ValidatingAdmissionPolicyBinding]{
		GVK: gvk("ValidatingAdmissionPolicyBinding"),
		Names: kinds.Names{
			Resource: "validatingadmissionpolicybindings", Singular: "validatingadmissionpolicybinding",
			Categories: []string{"api-extensions"},
		},
		New: func() *admissionregistrationv1.ValidatingAdmissionPolicyBinding {
			return &admissionregistrationv1.ValidatingAdmissionPolicyBinding{}
		},
		NewList:      func() runtime.Object { return &admissionregistrationv1.ValidatingAdmissionPolicyBindingList{} },
		AnyFinalizer: true,

		Default: func(b *admissionregistrationv1.ValidatingAdmissionPolicyBinding) { defaultMatch(b.Spec.MatchResources) },
		PrepareCreate: func(_ context.Context, b *admissionregistrationv1.ValidatingAdmissionPolicyBinding) {
			b.Generation = 1
		},
		PrepareUpdate: func(_ context.Context, b, old *admissionregistrationv1.ValidatingAdmissionPolicyBinding) {
			if !equality.Semantic.DeepEqual(b.Spec, old.Spec) {
				b.Generation = old.Generation + 1
			}
		},

		Rules: declared.Validate_ValidatingAdmissionPolicyBinding,
		Validate: func(_ context.Context, b *admissionregistrationv1.ValidatingAdmissionPolicyBinding) field.ErrorList {
			return append(validateBinding(b), newName(b.Name)...)
		},
		ValidateUpdate: func(_ context.Context, b, _ *admissionregistrationv1.ValidatingAdmissionPolicyBinding) field.ErrorList {
			return validateBinding(b)
		},
		Warnings: func(_ context.Context, b, old *admissionregistrationv1.ValidatingAdmissionPolicyBinding) []string {
			if old == nil {
				return nil
			}
			return oldName(b.Name)
		},

		Columns: bindingColumns(),
		Cells: func(b *admissionregistrationv1.ValidatingAdmissionPolicyBinding) []any {
			return []any{b.Name, b.Spec.PolicyName, paramRefCell(b.Spec.ParamRef), column.Since(b.CreationTimestamp)}
		},
	}.Kind()
}

func bindingColumns() []metav1.TableColumnDefinition {
	return []metav1.TableColumnDefinition{
		column.Name(),
		column.Text("PolicyName", "PolicyName indicates the policy definition which the policy binding binded to"),
		column.Text("ParamRef", "ParamRef indicates the param resource which sets the configuration param"),
		column.Age(),
	}
}

// paramRefCell names the parameters of a binding. Whether they live in
// namespaces it does not know.
func paramRefCell(r *admissionregistrationv1.ParamRef) string {
	switch {
	case r == nil, r.Name == "" && r.Selector == nil:
		return column.Unset
	case r.Name == "":
		return r.Selector.String()
	case r.Namespace == "":
		return "*/" + r.Name
	}
	return r.Namespace + "/" + r.Name
}
