package apiextensions

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apiextensions-apiserver/pkg/apihelpers"
	internal "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

func validateCreate(ctx context.Context, served *v1.CustomResourceDefinition) field.ErrorList {
	e := &check.Errors{}
	crd := judged(e, served)
	if crd == nil {
		return e.List
	}
	name(e, crd)
	j := &judge{Errors: e, ctx: ctx, strict: strictest()}
	j.spec(&crd.Spec, field.NewPath("spec"))
	status(e, &crd.Status)
	storedVersions(e, crd)
	approval(e, crd, nil)
	preserving(e, crd, nil)
	return e.List
}

func validateUpdate(ctx context.Context, served, was *v1.CustomResourceDefinition) field.ErrorList {
	e := &check.Errors{}
	crd, old := judged(e, served), judged(e, was)
	if crd == nil || old == nil {
		return e.List
	}
	if !equality.Semantic.DeepEqual(served.Spec, was.Spec) {
		p := field.NewPath("spec")
		j := &judge{Errors: e, ctx: ctx, strict: asBefore(crd, old)}
		j.spec(&crd.Spec, p)
		if internal.IsCRDConditionTrue(old, internal.Established) {
			e.Same(p.Child("scope"), crd.Spec.Scope, old.Spec.Scope)
			e.Same(p.Child("names", "kind"), crd.Spec.Names.Kind, old.Spec.Names.Kind)
		}
		e.Same(p.Child("group"), crd.Spec.Group, old.Spec.Group)
		e.Same(p.Child("names", "plural"), crd.Spec.Names.Plural, old.Spec.Names.Plural)
	}
	status(e, &crd.Status)
	storedVersions(e, crd)
	approval(e, crd, old)
	preserving(e, crd, old)
	return e.List
}

func validateStatus(served *v1.CustomResourceDefinition) field.ErrorList {
	e := &check.Errors{}
	if crd := judged(e, served); crd != nil {
		status(e, &crd.Status)
	}
	return e.List
}

// judged is the internal form.
func judged(e *check.Errors, served *v1.CustomResourceDefinition) *internal.CustomResourceDefinition {
	crd, err := toInternal(served)
	if err != nil {
		e.Add(field.InternalError(field.NewPath("spec"), err))
		return nil
	}
	return crd
}

// name requires that a definition is called after what it defines.
func name(e *check.Errors, crd *internal.CustomResourceDefinition) {
	const detail = `must be spec.names.plural+"."+spec.group`
	want, meta := crd.Spec.Names.Plural+"."+crd.Spec.Group, field.NewPath("metadata")
	if g := crd.GenerateName; g != "" && g != want {
		e.Invalid(meta.Child("generateName"), g, detail)
	}
	if crd.Name != "" && crd.Name != want {
		e.Invalid(meta.Child("name"), crd.Name, detail)
	}
}

func status(e *check.Errors, s *internal.CustomResourceDefinitionStatus) {
	names(e, &s.AcceptedNames, field.NewPath("status", "acceptedNames"))
}

// storedVersions requires that whatever objects are stored as can be read.
func storedVersions(e *check.Errors, crd *internal.CustomResourceDefinition) {
	p, stored := field.NewPath("status", "storedVersions"), crd.Status.StoredVersions
	if len(stored) == 0 {
		e.Invalid(p, stored, "must have at least one stored version")
		return
	}
	seen := map[string]bool{} // a version that is listed twice has its place but once
	for _, v := range crd.Spec.Versions {
		if v.Storage && (seen[v.Name] || !slices.Contains(stored, v.Name)) {
			e.Invalid(p, stored, "must have the storage version "+v.Name)
		}
		seen[v.Name] = true
	}
	for i, name := range stored {
		if !seen[name] && !slices.Contains(stored[i+1:], name) {
			e.Invalid(p.Index(i), name, fmt.Sprintf("missing from spec.versions; %[1]s was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in %[1]s and removes %[1]s from status.storedVersions", name))
		}
	}
}

// approval requires a word from those whom a group of Kubernetes belongs to.
// What it says is only looked at when it changes.
func approval(e *check.Errors, crd, old *internal.CustomResourceDefinition) {
	if !apihelpers.IsProtectedCommunityGroup(crd.Spec.Group) {
		return
	}
	state, reason := apihelpers.GetAPIApprovalState(crd.Annotations)
	if old != nil {
		if was, _ := apihelpers.GetAPIApprovalState(old.Annotations); was == state {
			return
		}
	}
	p := field.NewPath("metadata", "annotations").Key(v1.KubeAPIApprovedAnnotation)
	switch state {
	case apihelpers.APIApproved, apihelpers.APIApprovalBypassed:
	case apihelpers.APIApprovalMissing:
		e.Required(p, reason)
	default:
		e.Invalid(p, crd.Annotations[v1.KubeAPIApprovedAnnotation], reason)
	}
}

// preserving refuses the old way to keep unknown fields, where it is new.
func preserving(e *check.Errors, crd, old *internal.CustomResourceDefinition) {
	if old != nil && isTrue(old.Spec.PreserveUnknownFields) {
		return
	}
	if isTrue(crd.Spec.PreserveUnknownFields) {
		e.Invalid(field.NewPath("spec", "preserveUnknownFields"), crd.Spec.PreserveUnknownFields, "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead")
	}
}

func isTrue(b *bool) bool { return b != nil && *b }
