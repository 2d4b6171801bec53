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
)

func validatingAdmissionPolicy() *kinds.Kind {
	return kinds.Definition[*admissionregistrationv1.ValidatingAdmissionPolicy]{
		GVK: gvk("ValidatingAdmissionPolicy"),
		Names: kinds.Names{
			Resource: "validatingadmissionpolicies", Singular: "validatingadmissionpolicy",
			Categories: []string{"api-extensions"},
		},
		New: func() *admissionregistrationv1.ValidatingAdmissionPolicy {
			return &admissionregistrationv1.ValidatingAdmissionPolicy{}
		},
		NewList:      func() runtime.Object { return &admissionregistrationv1.ValidatingAdmissionPolicyList{} },
		AnyFinalizer: true,

		Default: func(p *admissionregistrationv1.ValidatingAdmissionPolicy) {
			set(&p.Spec.FailurePolicy, admissionregistrationv1.Fail)
			defaultMatch(p.Spec.MatchConstraints)
		},
		PrepareCreate: func(_ context.Context, p *admissionregistrationv1.ValidatingAdmissionPolicy) {
			p.Status = admissionregistrationv1.ValidatingAdmissionPolicyStatus{}
			p.Generation = 1
		},
		PrepareUpdate: func(_ context.Context, p, old *admissionregistrationv1.ValidatingAdmissionPolicy) {
			p.Status = old.Status
			if !equality.Semantic.DeepEqual(p.Spec, old.Spec) {
				p.Generation = old.Generation + 1
			}
		},

		HasStatus: true,
		PrepareStatusUpdate: func(_ context.Context, p, old *admissionregistrationv1.ValidatingAdmissionPolicy) {
			p.Spec = old.Spec
			metav1.ResetObjectMetaForStatus(&p.ObjectMeta, &old.ObjectMeta)
		},
		Resets: map[string][]string{"status": {"metadata"}},

		Validate: func(_ context.Context, p *admissionregistrationv1.ValidatingAdmissionPolicy) field.ErrorList {
			return append(validatePolicy(p, nil), newName(p.Name)...)
		},
		ValidateUpdate: func(_ context.Context, p, old *admissionregistrationv1.ValidatingAdmissionPolicy) field.ErrorList {
			return validatePolicy(p, old)
		},
		ValidateStatusUpdate: func(_ context.Context, p, _ *admissionregistrationv1.ValidatingAdmissionPolicy) field.ErrorList {
			return validatePolicyStatus(&p.Status)
		},
		Warnings: func(_ context.Context, p, old *admissionregistrationv1.ValidatingAdmissionPolicy) []string {
			if old == nil {
				return nil
			}
			return oldName(p.Name)
		},

		Columns: []metav1.TableColumnDefinition{
			column.Name(),
			column.Integer("Validations", "Validations indicates the number of validation rules defined in this configuration"),
			column.Text("ParamKind", "ParamKind specifies the kind of resources used to parameterize this policy"),
			column.Age(),
		},
		Cells: func(p *admissionregistrationv1.ValidatingAdmissionPolicy) []any {
			return []any{p.Name, int64(len(p.Spec.Validations)), paramKindCell(p.Spec.ParamKind), column.Since(p.CreationTimestamp)}
		},
	}.Kind()
}

// defaultMatch fills in what the constraints of a policy or of a binding leave
// out; nil is left alone.
func defaultMatch(m *admissionregistrationv1.MatchResources) {
	if m == nil {
		return
	}
	set(&m.MatchPolicy, admissionregistrationv1.Equivalent)
	set(&m.NamespaceSelector, metav1.LabelSelector{})
	set(&m.ObjectSelector, metav1.LabelSelector{})
	for _, rules := range [][]admissionregistrationv1.NamedRuleWithOperations{m.ResourceRules, m.ExcludeResourceRules} {
		for i := range rules {
			set(&rules[i].Scope, admissionregistrationv1.AllScopes)
		}
	}
}

func paramKindCell(k *admissionregistrationv1.ParamKind) string {
	if k == nil {
		return column.Unset
	}
	return k.APIVersion + "/" + k.Kind
}
