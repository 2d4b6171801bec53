package expression

import (
	"context"
	"errors"

	celtypes "github.com/google/cel-go/common/types"
	v1 "k8s.io/api/admissionregistration/v1"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
)

// Conditions are the compiled match conditions of a policy or webhook.
type Conditions struct {
	compiler *Compiler
	compiled []cel.CompilationResult
}

// Conditions compiles match conditions.
func (c *Compiler) Conditions(conditions []v1.MatchCondition) *Conditions {
	out := &Conditions{compiler: c}
	for _, m := range conditions {
		out.compiled = append(out.compiled, c.Compile(MatchCondition, m.Expression, Stored))
	}
	return out
}

// Match reports whether all conditions are true. One that is false counts more
// than one that cannot be evaluated.
func (c *Conditions) Match(ctx context.Context, v Values) (bool, error) {
	if len(c.compiled) == 0 {
		return true, nil
	}
	run := c.compiler.Run(ctx, v, celconfig.RuntimeCELCostBudgetMatchConditions)
	var errs []error
	for _, m := range c.compiled {
		result, err := run.Eval(m)
		switch {
		case errors.Is(err, ErrBudget):
			return false, err
		case err != nil:
			errs = append(errs, err)
		case result == celtypes.False:
			return false, nil
		}
	}
	return len(errs) == 0, utilerrors.NewAggregate(errs)
}
