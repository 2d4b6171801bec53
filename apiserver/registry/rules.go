package registry

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/api/operation"
	"k8s.io/apimachinery/pkg/api/validate"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// declared adds to the errors that were found by hand what the rules of the
// Go type's tags refuse, in the version that is written. Errors by hand that
// say the same, or are marked as covered by such a rule, give way to it.
// Objects are in their stored form; old is nil on create.
func (r *Resource) declared(ctx context.Context, what operation.Type, obj, old kinds.Object, subresource string, errs field.ErrorList) field.ErrorList {
	k := r.Kind
	rules := k.Rules
	seen := r.view != nil && r.view.Rules != nil
	if seen {
		rules = r.view.Rules
	}
	if rules == nil {
		return errs
	}
	op := operation.Operation{Type: what}
	if subresource != "" {
		op.Request.Subresources = []string{subresource}
	}
	if k.RuleOptions != nil {
		op.Options = k.RuleOptions(obj, old)
	}
	if seen {
		var err error
		if obj, err = r.FromStored(obj); err != nil {
			return append(errs, field.InternalError(nil, err))
		}
		if old != nil {
			if old, err = r.FromStored(old); err != nil {
				return append(errs, field.InternalError(nil, err))
			}
		}
	}
	found := rules(ctx, op, obj, old)
	if len(found) == 0 {
		return errs
	}
	found = validate.FilterEnforcedDeclarativeErrors(ctx, found, withBeta)
	errs = slices.DeleteFunc(errs, func(err *field.Error) bool {
		return slices.ContainsFunc(found, func(f *field.Error) bool { return same(err, f) })
	})
	errs = validate.FilterCoveredHandwrittenErrors(ctx, errs, found, withBeta)
	return append(errs, found...)
}

// same reports whether two errors say the same, if in other words: those of
// names do.
func same(a, b *field.Error) bool {
	return a.Type == b.Type && a.Field == b.Field && (a.Detail == b.Detail || a.Field == "metadata.name")
}

// withBeta enforces rules of the beta stage, as is the default.
const withBeta = true
