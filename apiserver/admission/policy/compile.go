package policy

import (
	v1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apiserver/pkg/admission/plugin/cel"

	"github.com/keelson-project/keelson/apiserver/admission/expression"
)

type (
	values = expression.Values
	run    = expression.Run
)

// prepare makes a compiler that knows the variables of a policy.
func prepare(params bool, variables []v1.Variable, needed bool) *expression.Compiler {
	c := expression.NewCompiler(expression.Config{Params: params, Variables: needed})
	for _, v := range variables {
		// What is wrong with one is said by the expressions that name it.
		c.Variable(v.Name, v.Expression, expression.Stored)
	}
	return c
}

var errBudget = expression.ErrBudget

// validating is a compiled ValidatingAdmissionPolicy.
type validating struct {
	*expression.Conditions
	compiler                           *expression.Compiler
	spec                               *v1.ValidatingAdmissionPolicySpec
	validations, messages, annotations []cel.CompilationResult
}

func compileValidating(p *v1.ValidatingAdmissionPolicy) *validating {
	s := &p.Spec
	c := prepare(s.ParamKind != nil, s.Variables, len(s.Variables) > 0)
	out := &validating{Conditions: c.Conditions(s.MatchConditions), compiler: c, spec: s}
	for i := range s.Validations {
		rule := &s.Validations[i]
		out.validations = append(out.validations, c.Compile(expression.Validation, rule.Expression, expression.Stored))
		var message cel.CompilationResult
		if rule.MessageExpression != "" {
			message = c.Compile(expression.Message, rule.MessageExpression, expression.Stored)
		}
		out.messages = append(out.messages, message)
	}
	for i := range s.AuditAnnotations {
		out.annotations = append(out.annotations, c.Compile(expression.AuditAnnotation, s.AuditAnnotations[i].ValueExpression, expression.Stored))
	}
	return out
}

// mutating is a compiled MutatingAdmissionPolicy.
type mutating struct {
	*expression.Conditions
	compiler  *expression.Compiler
	spec      *v1.MutatingAdmissionPolicySpec
	mutations []cel.CompilationResult
}

func compileMutating(p *v1.MutatingAdmissionPolicy) *mutating {
	s := &p.Spec
	c := prepare(s.ParamKind != nil, s.Variables, true)
	out := &mutating{Conditions: c.Conditions(s.MatchConditions), compiler: c, spec: s}
	for i := range s.Mutations {
		m, use, text := &s.Mutations[i], expression.JSONPatch, ""
		switch {
		case m.PatchType == v1.PatchTypeApplyConfiguration && m.ApplyConfiguration != nil:
			use, text = expression.ApplyConfiguration, m.ApplyConfiguration.Expression
		case m.JSONPatch != nil:
			text = m.JSONPatch.Expression
		}
		out.mutations = append(out.mutations, c.Compile(use, text, expression.Stored))
	}
	return out
}
