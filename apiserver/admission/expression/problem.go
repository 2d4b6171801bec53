package expression

import (
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	apiservercel "k8s.io/apiserver/pkg/cel"
)

// Problem is what is wrong with an expression at a path, or nil.
func Problem(p *field.Path, r cel.CompilationResult) *field.Error {
	switch err := r.Error; {
	case err == nil:
		return nil
	case err.Type == apiservercel.ErrorTypeRequired:
		return field.Required(p, err.Detail)
	case err.Type == apiservercel.ErrorTypeInvalid:
		return field.Invalid(p, r.ExpressionAccessor.GetExpression(), err.Detail)
	default:
		return field.InternalError(p, err)
	}
}

// failed is the result for an expression that nobody has looked at.
func failed(use Use, text string, err error) cel.CompilationResult {
	return cel.CompilationResult{
		ExpressionAccessor: &source{use: use, text: text},
		Error:              &apiservercel.Error{Type: apiservercel.ErrorTypeInternal, Detail: err.Error(), Cause: err},
	}
}
