package registry

import (
	"context"
	"errors"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/operation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// TestDeclared: rules of tags beside those by hand; what is said twice, or is
// not enforced, is not said.
func TestDeclared(t *testing.T) {
	path := func(name string) *field.Path { return field.NewPath(name) }
	rules := func(_ context.Context, op operation.Operation, obj, old kinds.Object) field.ErrorList {
		if obj.GetName() == "fine" {
			return nil
		}
		errs := field.ErrorList{
			field.Required(path("alpha"), "").MarkAlpha(),
			field.Required(path("beta"), "").MarkBeta(),
			field.Invalid(path("covered"), 1, "of the tag").WithOrigin("minimum").MarkBeta(),
			field.Invalid(path("metadata").Child("name"), "A", "at most 253 bytes").MarkBeta(),
		}
		if old != nil {
			errs = append(errs, field.Forbidden(path("updated"), op.Request.SubresourcePath()))
		}
		if op.Options["Feature"] {
			errs = append(errs, field.Forbidden(path("feature"), ""))
		}
		return errs
	}
	hand := func() field.ErrorList {
		return field.ErrorList{
			field.Required(path("own"), ""), field.Required(path("own"), ""),
			field.Required(path("beta"), ""),
			field.Invalid(path("covered"), 1, "by hand").WithOrigin("minimum").MarkCoveredByDeclarative(),
			field.Invalid(path("metadata").Child("name"), "A", "at most 253 characters"),
			field.Invalid(path("alpha"), 1, "by hand").MarkCoveredByDeclarative(),
		}
	}
	k := &kinds.Kind{New: func() kinds.Object { return &corev1.ConfigMap{} }, Rules: rules}
	r := &Resource{Kind: k}
	obj, fine := &corev1.ConfigMap{}, &corev1.ConfigMap{}
	fine.Name = "fine"
	texts := func(errs field.ErrorList) (list []string) {
		for _, err := range errs {
			list = append(list, err.Error())
		}
		slices.Sort(list)
		return list
	}
	check := func(what string, errs field.ErrorList, want ...string) {
		t.Helper()
		if got := texts(errs); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	declared := []string{"beta: Required value", "covered: Invalid value: 1: of the tag", `metadata.name: Invalid value: "A": at most 253 bytes`}
	check("create", r.declared(t.Context(), operation.Create, obj, nil, "", nil), declared...)
	check("beside errors by hand", r.declared(t.Context(), operation.Create, obj, nil, "", hand()),
		"alpha: Invalid value: 1: by hand", declared[0], declared[1], declared[2], "own: Required value")
	check("errors by hand alone", r.declared(t.Context(), operation.Create, fine, nil, "", hand()[:2]), "own: Required value")
	check("nothing", r.declared(t.Context(), operation.Create, fine, nil, "", nil))
	k.RuleOptions = func(_, _ kinds.Object) map[string]bool { return map[string]bool{"Feature": true} }
	check("update of a part", r.declared(t.Context(), operation.Update, obj, obj, "status", nil),
		declared[0], declared[1], "feature: Forbidden", declared[2], "updated: Forbidden: /status")
	k.Rules, k.RuleOptions = nil, nil
	check("without rules", r.declared(t.Context(), operation.Create, obj, nil, "", hand()[:2]), "own: Required value")

	r.view = &kinds.View{
		Rules: func(_ context.Context, _ operation.Operation, obj, _ kinds.Object) field.ErrorList {
			return field.ErrorList{field.Forbidden(path("seen"), obj.GetName())}
		},
		FromStored: func(obj kinds.Object) (kinds.Object, error) {
			if obj == fine {
				return nil, errors.New("unseen")
			}
			return &corev1.ConfigMap{ObjectMeta: fine.ObjectMeta}, nil
		},
	}
	check("in another version", r.declared(t.Context(), operation.Update, obj, obj, "", nil), "seen: Forbidden: fine")
	check("that cannot be shown", r.declared(t.Context(), operation.Create, fine, nil, "", nil), "<nil>: Internal error: unseen")
}
