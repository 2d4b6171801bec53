package resource

import (
	"errors"

	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/dynamic-resource-allocation/cel"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

// age says whether a value is new or has been stored before.
type age int

const (
	fresh age = iota
	stored
)

// unless is fresh, unless a value is what it was.
func unless(same bool) age {
	if same {
		return stored
	}
	return fresh
}

// selectors checks what devices are selected by. A list that is too long is
// refused with its type, and not looked into.
func selectors(e *check.Errors, p *field.Path, list []resourcev1.DeviceSelector, a age) {
	if len(list) > resourcev1.DeviceSelectorsMaxSize {
		return
	}
	for i := range list {
		at := p.Index(i).Child("cel")
		if list[i].CEL == nil {
			e.Required(at, "")
		} else if a == fresh {
			expression(e, at.Child("expression"), list[i].CEL.Expression)
		}
	}
}

// expression requires a CEL expression over a device that comes to true or
// false, and cannot cost too much.
func expression(e *check.Errors, p *field.Path, text string) {
	if len(text) > resourcev1.CELSelectorExpressionMaxLength {
		e.TooLong(p, resourcev1.CELSelectorExpressionMaxLength)
		return
	}
	newest := environment.NewExpressions
	r := cel.GetCompiler(cel.Features{EnableConsumableCapacity: true}).CompileCELExpression(text, cel.Options{EnvType: &newest})
	var wrong *apiservercel.Error
	switch {
	case r.Error == nil:
		if r.MaxCost > resourcev1.CELSelectorExpressionMaxCost {
			e.Forbidden(p, "too complex, exceeds cost limit")
		}
	case !errors.As(r.Error, &wrong):
		e.Add(field.InternalError(p, r.Error))
	case wrong.Type == apiservercel.ErrorTypeRequired:
		e.Required(p, wrong.Detail)
	case wrong.Type == apiservercel.ErrorTypeInvalid:
		e.Invalid(p, text, wrong.Detail)
	default:
		e.Add(field.InternalError(p, wrong))
	}
}
