package crd

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"reflect"
	"slices"

	"k8s.io/apiextensions-apiserver/pkg/apihelpers"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/registry"
)

// settle accepts a definition's names, serves it and says so. It returns the
// definition as it is then; nil if it is gone. Others holds all definitions.
func (c *Controller) settle(ctx context.Context, res *registry.Resource, crd *v1.CustomResourceDefinition, others map[string]*v1.CustomResourceDefinition) (*v1.CustomResourceDefinition, error) {
	next := &v1.CustomResourceDefinition{TypeMeta: crd.TypeMeta, ObjectMeta: crd.ObjectMeta, Spec: crd.Spec, Status: *crd.Status.DeepCopy()}
	taken := taken(next, others)
	judge := func(crd *v1.CustomResourceDefinition) bool {
		before := crd.Status.DeepCopy()
		acceptNames(crd, taken)
		conform(crd)
		return !reflect.DeepEqual(before, &crd.Status)
	}
	changed := judge(next)
	if accepted(next) {
		if err := c.serve(ctx, next); err != nil {
			return nil, err
		}
		changed = establish(next) || changed
	}
	if changed {
		var err error
		next, err = c.update(ctx, res, crd, func(crd *v1.CustomResourceDefinition) bool {
			changed := judge(crd)
			if d := c.definition(crd.Name); d == nil || d.isOf(crd) { // or it comes round again
				changed = establish(crd) || changed
			}
			return changed
		})
		if err != nil || next == nil {
			return nil, err
		}
	} else {
		next = crd
	}
	if d := c.definition(crd.Name); d != nil && d.terminating.Swap(terminating(next)) != terminating(next) {
		c.registry.Touch() // discovery tells of other verbs
	}
	c.clean(ctx, res, next)
	return next, nil
}

// accepted reports whether a definition is to be served: its names have been
// accepted, now or in another form.
func accepted(crd *v1.CustomResourceDefinition) bool {
	return apihelpers.IsCRDConditionTrue(crd, v1.NamesAccepted) || apihelpers.IsCRDConditionTrue(crd, v1.Established)
}

// names are those that definitions of a group hold.
type names struct{ resources, kinds map[string]bool }

// taken are the names that others in a definition's group hold.
func taken(crd *v1.CustomResourceDefinition, others map[string]*v1.CustomResourceDefinition) names {
	t := names{map[string]bool{}, map[string]bool{}}
	for _, o := range others {
		if o.Spec.Group != crd.Spec.Group || o.Name == crd.Name {
			continue
		}
		n := o.Status.AcceptedNames
		for _, name := range append([]string{n.Plural, n.Singular}, n.ShortNames...) {
			t.resources[name] = true
		}
		t.kinds[n.Kind], t.kinds[n.ListKind] = true, true
	}
	delete(t.resources, "")
	delete(t.kinds, "")
	return t
}

// claimed are the names that a definition holds; those of kinds with a mark.
func claimed(crd *v1.CustomResourceDefinition) map[string]bool {
	n := crd.Status.AcceptedNames
	out := map[string]bool{}
	for _, name := range append([]string{n.Plural, n.Singular}, n.ShortNames...) {
		out[name] = true
	}
	out["kind "+n.Kind], out["kind "+n.ListKind] = true, true
	return out
}

// acceptNames takes over the names that a definition asks for, as far as
// nobody else holds them, and sets the conditions that tell of it.
func acceptNames(crd *v1.CustomResourceDefinition, taken names) {
	want, have := &crd.Spec.Names, &crd.Status.AcceptedNames
	own := slices.Clone(have.ShortNames)
	cond := v1.CustomResourceDefinitionCondition{
		Type: v1.NamesAccepted, Status: v1.ConditionTrue, Reason: "NoConflicts", Message: "no conflicts found",
	}
	refuse := func(reason string, err error) {
		cond.Status, cond.Reason, cond.Message = v1.ConditionFalse, reason, err.Error()
	}
	inUse := func(name string) error { return fmt.Errorf("%q is already in use", name) }
	accept := func(want string, have *string, taken map[string]bool, reason string) {
		if want != *have && taken[want] {
			refuse(reason, inUse(want))
			return
		}
		*have = want
	}
	accept(want.Plural, &have.Plural, taken.resources, "PluralConflict")
	accept(want.Singular, &have.Singular, taken.resources, "SingularConflict")
	var errs []error
	for _, name := range want.ShortNames {
		if !slices.Contains(own, name) && taken.resources[name] {
			errs = append(errs, inUse(name))
		}
	}
	if err := utilerrors.NewAggregate(errs); err != nil {
		refuse("ShortNamesConflict", err)
	} else {
		have.ShortNames = want.ShortNames
	}
	accept(want.Kind, &have.Kind, taken.kinds, "KindConflict")
	accept(want.ListKind, &have.ListKind, taken.kinds, "ListKindConflict")
	have.Categories = want.Categories
	set(crd, cond)
	if apihelpers.IsCRDConditionTrue(crd, v1.Established) {
		return
	}
	established := v1.CustomResourceDefinitionCondition{
		Type: v1.Established, Status: v1.ConditionFalse, Reason: "NotAccepted", Message: "not all names are accepted",
	}
	if old := apihelpers.FindCRDCondition(crd, v1.Established); old != nil && cond.Status != v1.ConditionTrue {
		return
	}
	if cond.Status == v1.ConditionTrue {
		established.Reason, established.Message = "Installing", "the initial names have been accepted"
	}
	if old := apihelpers.FindCRDCondition(crd, v1.Established); old == nil || old.Reason != "InvalidCABundle" {
		set(crd, established)
	}
}

// set sets a condition, unless it says the same already.
func set(crd *v1.CustomResourceDefinition, cond v1.CustomResourceDefinitionCondition) {
	if !apihelpers.IsCRDConditionEquivalent(apihelpers.FindCRDCondition(crd, cond.Type), &cond) {
		apihelpers.SetCRDCondition(crd, cond)
	}
}

// establish says that a definition whose names are accepted is served, and
// reports whether that is news.
func establish(crd *v1.CustomResourceDefinition) bool {
	if !apihelpers.IsCRDConditionTrue(crd, v1.NamesAccepted) || apihelpers.IsCRDConditionTrue(crd, v1.Established) {
		return false
	}
	before := crd.Status.DeepCopy()
	cond := v1.CustomResourceDefinitionCondition{
		Type: v1.Established, Status: v1.ConditionTrue, Reason: "InitialNamesAccepted", Message: "the initial names have been accepted",
	}
	if !usableAuthority(crd) {
		cond.Status, cond.Reason, cond.Message = v1.ConditionFalse, "InvalidCABundle", "The conversion webhook CABundle is invalid"
	}
	set(crd, cond)
	return !reflect.DeepEqual(before, &crd.Status)
}

// usableAuthority reports whether the conversion webhook, if there is one, can
// be checked.
func usableAuthority(crd *v1.CustomResourceDefinition) bool {
	c := crd.Spec.Conversion
	if c == nil || c.Webhook == nil || c.Webhook.ClientConfig == nil {
		return true
	}
	bundle := c.Webhook.ClientConfig.CABundle
	return len(bytes.TrimSpace(bundle)) == 0 || x509.NewCertPool().AppendCertsFromPEM(bundle)
}

// conform sets the conditions about old and protected definitions.
func conform(crd *v1.CustomResourceDefinition) {
	if crd.Spec.PreserveUnknownFields { // newer ones are refused unless they are structural
		set(crd, v1.CustomResourceDefinitionCondition{
			Type: v1.NonStructuralSchema, Status: v1.ConditionTrue, Reason: "Violations", Message: violations(crd),
		})
	} else if apihelpers.FindCRDCondition(crd, v1.NonStructuralSchema) != nil {
		apihelpers.RemoveCRDCondition(crd, v1.NonStructuralSchema)
	}
	if !apihelpers.IsProtectedCommunityGroup(crd.Spec.Group) {
		return
	}
	cond := v1.CustomResourceDefinitionCondition{Type: v1.KubernetesAPIApprovalPolicyConformant, Status: v1.ConditionFalse}
	state, reason := apihelpers.GetAPIApprovalState(crd.Annotations)
	cond.Message = reason
	switch state {
	case apihelpers.APIApproved:
		cond.Status, cond.Reason = v1.ConditionTrue, "ApprovedAnnotation"
	case apihelpers.APIApprovalBypassed:
		cond.Reason = "UnapprovedAnnotation"
	case apihelpers.APIApprovalMissing:
		cond.Reason = "MissingAnnotation"
	default:
		cond.Reason = "InvalidAnnotation"
	}
	set(crd, cond)
}

// violations are what keeps a definition from being structural.
func violations(crd *v1.CustomResourceDefinition) string {
	errs := field.ErrorList{field.Invalid(field.NewPath("spec", "preserveUnknownFields"), true, "must be false")}
	for i := range crd.Spec.Versions {
		v := &crd.Spec.Versions[i]
		if v.Schema == nil || v.Schema.OpenAPIV3Schema == nil {
			continue
		}
		in := &apiextensions.CustomResourceValidation{}
		err := v1.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(v.Schema, in, nil)
		var shape *structuralschema.Structural
		if err == nil {
			shape, err = structuralschema.NewStructural(in.OpenAPIV3Schema)
		}
		if err != nil {
			return fmt.Sprintf("failed to check validation schema for version %s: %v", v.Name, err)
		}
		errs = append(errs, structuralschema.ValidateStructural(field.NewPath("spec", "versions").Index(i).Child("schema", "openAPIV3Schema"), shape)...)
	}
	return errs.ToAggregate().Error()
}
