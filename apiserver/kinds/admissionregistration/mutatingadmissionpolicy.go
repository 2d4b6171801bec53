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

func mutatingAdmissionPolicy() *kinds.Kind {
	return kinds.Definition[*admissionregistrationv1.MutatingAdmissionPolicy]{
		GVK: gvk("MutatingAdmissionPolicy"),
		Names: kinds.Names{
			Resource: "mutatingadmissionpolicies", Singular: "mutatingadmissionpolicy",
			Categories: []string{"api-extensions"},
		},
		New: func() *admissionregistrationv1.MutatingAdmissionPolicy {
			return &admissionregistrationv1.MutatingAdmissionPolicy{}
		},
		NewList:      func() runtime.Object { return &admissionregistrationv1.MutatingAdmissionPolicyList{} },
		AnyFinalizer: true,

		Default: func(p *admissionregistrationv1.MutatingAdmissionPolicy) {
			set(&p.Spec.FailurePolicy, admissionregistrationv1.Fail)
			defaultMatch(p.Spec.MatchConstraints)
		},
		PrepareCreate: func(_ context.Context, p *admissionregistrationv1.MutatingAdmissionPolicy) { p.Generation = 1 },
		PrepareUpdate: func(_ context.Context, p, old *admissionregistrationv1.MutatingAdmissionPolicy) {
			if !equality.Semantic.DeepEqual(p.Spec, old.Spec) {
				p.Generation = old.Generation + 1
			}
		},

		Validate: func(_ context.Context, p *admissionregistrationv1.MutatingAdmissionPolicy) field.ErrorList {
			return append(validateMutatingPolicy(p, nil), newName(p.Name)...)
		},
		ValidateUpdate: func(_ context.Context, p, old *admissionregistrationv1.MutatingAdmissionPolicy) field.ErrorList {
			return validateMutatingPolicy(p, old)
		},
		Warnings: func(_ context.Context, p, old *admissionregistrationv1.MutatingAdmissionPolicy) []string {
			if old == nil {
				return nil
			}
			return oldName(p.Name)
		},

		Columns: []metav1.TableColumnDefinition{
			column.Name(),
			column.Integer("Mutations", "Mutation indicates the number of mutations rules defined in this configuration"),
			column.Text("ParamKind", "ParamKind specifies the kind of resources used to parameterize this policy"),
			column.Age(),
		},
		Cells: func(p *admissionregistrationv1.MutatingAdmissionPolicy) []any {
			return []any{p.Name, int64(len(p.Spec.Mutations)), paramKindCell(p.Spec.ParamKind), column.Since(p.CreationTimestamp)}
		},
	}.Kind()
}
