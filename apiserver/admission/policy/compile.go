package policy

import (
	"context"
	"errors"

	celtypes "github.com/google/cel-go/common/types"
	v1 "k8s.io/api/admissionregistration/v1"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	celconfig "k8s.io/apiserver/pkg/apis/cel"

	"github.com/keelson-project/keelson/apiserver/admission/expression"
)

type (
	values = expression.Values
	run    = expression.Run
)

var errBudget = expression.ErrBudget

// conditions are the compiled match conditions of a policy.
type conditions struct {
	compiler *expression.Compiler
	matching []cel.CompilationResult
}

func compileConditions(c *expression.Compiler, variables []v1.Variable, matching []v1.MatchCondition) conditions {
	for _, v := range variables {
		// What is wrong with one is said by the expressions that name it.
		c.Variable(v.Name, v.Expression, expression.Stored)
	}
	out := conditions{compiler: c}
	for _, m := range matching {
		out.matching = append(out.matching, c.Compile(expression.MatchCondition, m.Expression, expression.Stored))
	}
	return out
}

// matches reports whether all conditions are true. One that is false counts
// more than one that cannot be evaluated.
func (c *conditions) matches(ctx context.Context, v values) (bool, error) {
	if len(c.matching) == 0 {
		return true, nil
	}
	run := c.compiler.Run(ctx, v, celconfig.RuntimeCELCostBudgetMatchConditions)
	var errs []error
	for _, m := range c.matching {
		result, err := run.Eval(m)
		switch {
		case errors.Is(err, errBudget):
			return false, err
		case err != nil:
			errs = append(errs, err)
		case result == celtypes.False:
			return false, nil
		}
	}
	return len(errs) == 0, utilerrors.NewAggregate(errs)
}

// validating is a compiled ValidatingAdmissionPolicy.
type validating struct {
	conditions
	spec                               *v1.ValidatingAdmissionPolicySpec
	validations, messages, annotations []cel.CompilationResult
}

func compileValidating(p *v1.ValidatingAdmissionPolicy) *validating {
	s := &p.Spec
	c := expression.NewCompiler(expression.Config{Params: s.ParamKind != nil, Variables: len(s.Variables) > 0})
	out := &validating{conditions: compileConditions(c, s.Variables, s.MatchConditions), spec: s}
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
	conditions
	spec      *v1.MutatingAdmissionPolicySpec
	mutations []cel.CompilationResult
}

func compileMutating(p *v1.MutatingAdmissionPolicy) *mutating {
	s := &p.Spec
	c := expression.NewCompiler(expression.Config{Params: s.ParamKind != nil, Variables: true})
	out := &mutating{conditions: compileConditions(c, s.Variables, s.MatchConditions), spec: s}
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
