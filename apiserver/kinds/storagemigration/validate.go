package storagemigration

import (
	"context"
	"strings"

	storagemigrationv1beta1 "k8s.io/api/storagemigration/v1beta1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

func validate(_ context.Context, m *storagemigrationv1beta1.StorageVersionMigration) field.ErrorList {
	e, p, r := &check.Errors{}, field.NewPath("spec", "resource"), m.Spec.Resource
	if r.Resource == "" {
		e.Required(p.Child("resource"), "resource is required to be set")
	} else if msgs := validation.IsDNS1035Label(r.Resource); len(msgs) > 0 {
		e.Invalid(p.Child("resource"), r.Resource, strings.Join(msgs, ","))
	}
	if r.Group != "" {
		if msgs := validation.IsDNS1123Subdomain(r.Group); len(msgs) > 0 {
			e.Invalid(p.Child("group"), r.Group, strings.Join(msgs, ","))
		}
	}
	return e.List
}

func validateUpdate(ctx context.Context, m, old *storagemigrationv1beta1.StorageVersionMigration) field.ErrorList {
	e := &check.Errors{List: validate(ctx, m)}
	e.Same(field.NewPath("spec"), m.Spec, old.Spec)
	return e.List
}

func validateStatusUpdate(_ context.Context, m, old *storagemigrationv1beta1.StorageVersionMigration) field.ErrorList {
	e, p := &check.Errors{}, field.NewPath("status")
	version, conditions := p.Child("resourceVersion"), p.Child("conditions")
	if v := m.Status.ResourceVersion; v != "" {
		if _, err := resourceversion.CompareResourceVersion(v, v); err != nil {
			e.Invalid(version, v, err.Error())
		}
	}
	e.Add(metavalidation.ValidateConditions(m.Status.Conditions, conditions)...)
	if was := old.Status.ResourceVersion; was != "" && was != m.Status.ResourceVersion {
		e.Invalid(version, m.Status.ResourceVersion, check.Immutable)
	}
	const succeeded, failed = storagemigrationv1beta1.MigrationSucceeded, storagemigrationv1beta1.MigrationFailed
	if is(m, succeeded) && is(m, failed) {
		e.Invalid(conditions, m.Status.Conditions, "Both success and failed conditions cannot be true at the same time")
	}
	if is(old, succeeded) && !is(m, succeeded) {
		e.Invalid(conditions, m.Status.Conditions, "Success condition cannot be set to false once it is true")
	}
	if is(old, failed) && !is(m, failed) {
		e.Invalid(conditions, m.Status.Conditions, "Failed condition cannot be set to false once it is true")
	}
	return e.List
}
