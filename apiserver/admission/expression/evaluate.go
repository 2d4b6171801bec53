package expression

import (
	"context"
	"errors"
	"fmt"
	"math"

	celgo "github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types/ref"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
)

// ErrBudget ends an evaluation that costs too much.
var ErrBudget = errors.New("validation failed due to running out of cost budget, no further validation rules will be run")

// Values are what expressions see. Those that are nil are null to them, but an
// authorizer that is nil is not there at all.
type Values struct {
	Object, OldObject, Params, Request, Namespace ref.Val
	// Authorizer and RequestResource are the variables authorizer and
	// authorizer.requestResource.
	Authorizer, RequestResource ref.Val
}

// Run evaluates expressions of one policy on the same values; it belongs to
// one goroutine. Variables are evaluated at most once in a Run, when an
// expression first names them.
type Run struct {
	ctx        context.Context
	variables  cel.CompositionContext // nil without variables
	activation activation
	left       int64
}

// Run begins an evaluation that may cost as much as budget says.
func (c *Compiler) Run(ctx context.Context, v Values, budget int64) *Run {
	r := &Run{ctx: ctx, left: budget, activation: activation{values: v}}
	if c.composed != nil {
		r.variables = c.composed.CreateContext(ctx)
		r.ctx = r.variables
		r.activation.variables = r.variables.Variables(&r.activation)
	}
	return r
}

// Left is what the rest of the evaluation may cost.
func (r *Run) Left() int64 { return r.left }

// Eval evaluates a compiled expression. After an error that is [ErrBudget]
// there is nothing more to evaluate.
func (r *Run) Eval(p cel.CompilationResult) (ref.Val, error) {
	if p.Error != nil {
		return nil, fmt.Errorf("compilation error: %w", p.Error)
	}
	text := p.ExpressionAccessor.GetExpression()
	value, details, err := p.Program.ContextEval(r.ctx, &r.activation)
	if r.variables != nil {
		if err := r.spend(r.variables.GetAndResetCost()); err != nil {
			return nil, err
		}
	}
	if err := r.spend(cost(details)); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("expression '%v' resulted in error: %w", text, err)
	}
	return value, nil
}

// cost is what an expression has cost; one that cannot be told is too much.
func cost(details *celgo.EvalDetails) int64 {
	if details == nil {
		return math.MaxInt64
	}
	if actual := details.ActualCost(); actual != nil && *actual < math.MaxInt64 {
		return int64(*actual)
	}
	return math.MaxInt64
}

func (r *Run) spend(n int64) error {
	if n > r.left {
		r.left = 0
		return ErrBudget
	}
	r.left -= n
	return nil
}

// activation finds the values by the names that expressions use.
type activation struct {
	values    Values
	variables ref.Val
}

// ResolveName implements interpreter.Activation.
func (a *activation) ResolveName(name string) (any, bool) {
	switch name {
	case cel.ObjectVarName:
		return value(a.values.Object), true
	case cel.OldObjectVarName:
		return value(a.values.OldObject), true
	case cel.ParamsVarName:
		return value(a.values.Params), true
	case cel.RequestVarName:
		return value(a.values.Request), true
	case cel.NamespaceVarName:
		return value(a.values.Namespace), true
	case cel.AuthorizerVarName:
		return a.values.Authorizer, a.values.Authorizer != nil
	case cel.RequestResourceAuthorizerVarName:
		return a.values.RequestResource, a.values.RequestResource != nil
	case cel.VariableVarName:
		return value(a.variables), true
	}
	return nil, false
}

// value is nil without a type for a value that is not there.
func value(v ref.Val) any {
	if v == nil {
		return nil
	}
	return v
}

// Parent implements interpreter.Activation.
func (a *activation) Parent() celgo.Activation { return nil }
