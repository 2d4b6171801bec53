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
// Go type's tags refuse. Errors by hand that say the same, or are marked as
// covered by such a rule, give way to it, and none is said twice. Objects are
// in their stored form; old is nil on create.
func (r *Resource) declared(ctx context.Context, what operation.Type, obj, old kinds.Object, subresource string, errs field.ErrorList) field.ErrorList {
	errs = bounded(errs)
	if r.IsUnstructured() {
		return errs
	}
	op := operation.Operation{Type: what}
	if subresource != "" {
		op.Request.Subresources = []string{subresource}
	}
	found, err := r.found(ctx, op, obj, old)
	if err != nil {
		return append(errs, field.InternalError(nil, err))
	}
	if found = bounded(found); len(found) > 0 {
		found = validate.FilterEnforcedDeclarativeErrors(ctx, found, withBeta)
	}
	if len(errs) == 0 {
		return found
	}
	errs = slices.DeleteFunc(errs, func(err *field.Error) bool {
		return slices.ContainsFunc(found, func(f *field.Error) bool { return same(err, f) })
	})
	return append(validate.FilterCoveredHandwrittenErrors(ctx, errs, found, withBeta), found...)
}

// found is what the rules of the version that is written find.
func (r *Resource) found(ctx context.Context, op operation.Operation, obj, old kinds.Object) (field.ErrorList, error) {
	k := r.Kind
	if k.RuleOptions != nil {
		op.Options = k.RuleOptions(obj, old)
	}
	if r.view == nil || r.view.Rules == nil {
		if k.Rules == nil {
			return nil, nil
		}
		return k.Rules(ctx, op, obj, old), nil
	}
	obj, err := r.FromStored(obj)
	if err != nil {
		return nil, err
	}
	if old != nil {
		if old, err = r.FromStored(old); err != nil {
			return nil, err
		}
	}
	return r.view.Rules(ctx, op, obj, old), nil
}

// same reports whether two errors say the same, if in other words: those of
// names do.
func same(a, b *field.Error) bool {
	return a.Type == b.Type && a.Field == b.Field && (a.Detail == b.Detail || a.Field == "metadata.name")
}

// withBeta enforces rules of the beta stage, as is the default.
const withBeta = true
