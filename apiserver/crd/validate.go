package crd

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	schemavalidation "k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/common"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

func (s *served) prepareCreate(_ context.Context, obj kinds.Object) {
	if s.hasStatus() {
		delete(obj.(*unstructured.Unstructured).Object, "status")
	}
	obj.SetGeneration(1)
}

func (s *served) prepareUpdate(_ context.Context, obj, old kinds.Object) {
	now, was := obj.(*unstructured.Unstructured).Object, old.(*unstructured.Unstructured).Object
	if s.hasStatus() {
		if status, ok := was["status"]; ok {
			now["status"] = status
		} else {
			delete(now, "status")
		}
	}
	if !sameContent(now, was) {
		obj.SetGeneration(old.GetGeneration() + 1)
	}
}

// sameContent compares everything but metadata.
func sameContent(a, b map[string]any) bool {
	count := func(m map[string]any) int {
		if _, ok := m["metadata"]; ok {
			return len(m) - 1
		}
		return len(m)
	}
	if count(a) != count(b) {
		return false
	}
	for k, v := range a {
		w, ok := b[k]
		if k != "metadata" && (!ok || !equality.Semantic.DeepEqual(v, w)) {
			return false
		}
	}
	return true
}

// prepareStatus keeps everything as it was but the status, and who owns what.
func prepareStatus(_ context.Context, obj, old kinds.Object) {
	u := obj.(*unstructured.Unstructured)
	status, ok := u.Object["status"]
	managed := u.GetManagedFields()
	u.Object = old.(*unstructured.Unstructured).DeepCopy().Object
	u.SetManagedFields(managed)
	if ok {
		u.Object["status"] = status
	} else {
		delete(u.Object, "status")
	}
}

func (s *served) validate(ctx context.Context, obj kinds.Object) field.ErrorList {
	c, err := s.checks()
	if err != nil {
		return unusable(err)
	}
	u := obj.(*unstructured.Unstructured)
	errs := s.typeMeta(u)
	if len(errs) == 0 {
		errs = schemavalidation.ValidateCustomResource(nil, u.Object, c.whole)
		errs = append(errs, s.scaleSpec(u)...)
		errs = append(errs, s.scaleStatus(u)...)
	}
	errs = append(errs, objectmeta.Validate(ctx, nil, u.Object, c.shape, false)...)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, c.shape, u.Object)...)
	return append(errs, s.rules(ctx, c, u, nil, errs)...)
}

func (s *served) validateUpdate(ctx context.Context, obj, old kinds.Object) field.ErrorList {
	c, err := s.checks()
	if err != nil {
		return unusable(err)
	}
	u, was := obj.(*unstructured.Unstructured), old.(*unstructured.Unstructured)
	pair := c.pair(u, was)
	errs := s.typeMeta(u)
	if len(errs) == 0 {
		errs = validation.ValidateObjectMetaAccessorUpdate(u, was, field.NewPath("metadata"))
		errs = append(errs, schemavalidation.ValidateCustomResourceUpdate(nil, u.Object, was.Object, c.whole, schemavalidation.WithRatcheting(pair))...)
		errs = append(errs, s.scaleSpec(u)...)
		errs = append(errs, s.scaleStatus(u)...)
	}
	errs = append(errs, objectmeta.Validate(ctx, nil, u.Object, c.shape, false)...)
	errs = append(errs, c.lists(u, was)...)
	return append(errs, s.rules(ctx, c, u, was, errs, cel.WithRatcheting(pair))...)
}

func (s *served) validateStatus(ctx context.Context, obj, old kinds.Object) field.ErrorList {
	c, err := s.checks()
	if err != nil {
		return unusable(err)
	}
	u, was := obj.(*unstructured.Unstructured), old.(*unstructured.Unstructured)
	pair := c.pair(u, was)
	var options []schemavalidation.ValidationOption
	if c.shape != nil {
		options = append(options, schemavalidation.WithRatcheting(pair.Key("status")))
	}
	errs := s.typeMeta(u)
	if len(errs) == 0 {
		errs = validation.ValidateObjectMetaAccessorUpdate(u, was, field.NewPath("metadata"))
		if status, ok := u.Object["status"]; ok {
			errs = append(errs, schemavalidation.ValidateCustomResourceUpdate(field.NewPath("status"), status, was.Object["status"], c.status, options...)...)
		}
		errs = append(errs, s.scaleStatus(u)...)
	}
	errs = append(errs, c.lists(u, was)...)
	return append(errs, s.rules(ctx, c, u, was, errs, cel.WithRatcheting(pair))...)
}

// unusable says that a definition cannot be understood, although it was
// accepted.
func unusable(err error) field.ErrorList {
	return field.ErrorList{field.InternalError(nil, fmt.Errorf("schema of the definition cannot be used: %w", err))}
}

// pair sets an object against its old state, so that what has not changed may
// stay as it is.
func (c *checks) pair(u, was *unstructured.Unstructured) *common.CorrelatedObject {
	return common.NewCorrelatedObject(u.Object, was.Object, &model.Structural{Structural: c.shape})
}

// lists refuses items that are not told apart, unless they were there before.
func (c *checks) lists(u, was *unstructured.Unstructured) field.ErrorList {
	errs := listtype.ValidateListSetsAndMaps(nil, c.shape, u.Object)
	if len(errs) > 0 && len(listtype.ValidateListSetsAndMaps(nil, c.shape, was.Object)) > 0 {
		return nil
	}
	return errs
}

// rules evaluates the expressions, unless the object is broken so that they
// would make no sense.
func (s *served) rules(ctx context.Context, c *checks, u, was *unstructured.Unstructured, found field.ErrorList, options ...cel.Option) field.ErrorList {
	if c.rules == nil {
		return nil
	}
	meta := validation.ValidateObjectMetaAccessor(u, s.of.namespaced(), validation.NameIsDNSSubdomain, field.NewPath("metadata"))
	if slices.ContainsFunc(found, blocks) || slices.ContainsFunc(meta, blocks) {
		return field.ErrorList{field.Invalid(nil, nil, "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation")}
	}
	var old any
	if was != nil {
		old = was.Object
	}
	errs, _ := c.rules.Validate(ctx, nil, c.shape, u.Object, old, celconfig.RuntimeCELCostBudget, options...)
	return errs
}

// blocks reports whether an error keeps expressions from being evaluated.
func blocks(err *field.Error) bool {
	switch err.Type {
	case field.ErrorTypeNotSupported, field.ErrorTypeRequired, field.ErrorTypeTooLong, field.ErrorTypeTooMany, field.ErrorTypeTypeInvalid:
		return true
	}
	return false
}

func (s *served) typeMeta(u *unstructured.Unstructured) (errs field.ErrorList) {
	if kind := u.GetKind(); kind != s.gvk.Kind {
		errs = append(errs, field.Invalid(field.NewPath("kind"), kind, "must be "+s.gvk.Kind))
	}
	if v, want := u.GetAPIVersion(), s.gvk.GroupVersion().String(); v != want {
		errs = append(errs, field.Invalid(field.NewPath("apiVersion"), v, "must be "+want))
	}
	return errs
}

func (s *served) scaleSpec(u *unstructured.Unstructured) field.ErrorList {
	if s.spec.Subresources == nil || s.spec.Subresources.Scale == nil {
		return nil
	}
	return replicas(u, s.spec.Subresources.Scale.SpecReplicasPath)
}

func (s *served) scaleStatus(u *unstructured.Unstructured) field.ErrorList {
	if s.spec.Subresources == nil || s.spec.Subresources.Scale == nil {
		return nil
	}
	scale := s.spec.Subresources.Scale
	errs := replicas(u, scale.StatusReplicasPath)
	if path := scale.LabelSelectorPath; path != nil {
		if text, _, err := unstructured.NestedString(u.Object, fieldPath(*path)...); err != nil {
			errs = append(errs, field.Invalid(field.NewPath(*path), text, err.Error()))
		}
	}
	return errs
}

// replicas requires a number of replicas at a path, or nothing.
func replicas(u *unstructured.Unstructured, path string) field.ErrorList {
	refuse := func(n int64, detail string) field.ErrorList {
		return field.ErrorList{field.Invalid(field.NewPath(path), n, detail)}
	}
	switch n, _, err := unstructured.NestedInt64(u.Object, fieldPath(path)...); {
	case err != nil:
		return refuse(n, err.Error())
	case n < 0:
		return refuse(n, "should be a non-negative integer")
	case n > math.MaxInt32:
		return refuse(n, fmt.Sprintf("should be less than or equal to %v", math.MaxInt32))
	}
	return nil
}

// warnings tells of new finalizers that others may take for their own.
func warnings(_ context.Context, obj, old kinds.Object) []string {
	added := slices.Clone(obj.GetFinalizers())
	slices.Sort(added)
	added = slices.Compact(added)
	if u, ok := old.(*unstructured.Unstructured); ok && u != nil {
		before := u.GetFinalizers()
		added = slices.DeleteFunc(added, func(f string) bool { return slices.Contains(before, f) })
	}
	var out []string
	warn := func(finalizer, text string) {
		out = append(out, fmt.Sprintf("metadata.finalizers: %q: %s", finalizer, text))
	}
	for _, f := range added {
		for _, msg := range utilvalidation.IsQualifiedName(f) {
			warn(f, msg)
		}
		switch {
		case strings.Contains(f, "/"), f == metav1.FinalizerOrphanDependents, f == metav1.FinalizerDeleteDependents, f == string(corev1.FinalizerKubernetes):
		case strings.Contains(f, "."):
			warn(f, "prefer a domain-qualified finalizer name including a path (/) to avoid accidental conflicts with other finalizer writers")
		default:
			warn(f, "prefer a domain-qualified finalizer name to avoid accidental conflicts with other finalizer writers")
		}
	}
	return out
}
