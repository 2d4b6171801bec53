package apiextensions

import (
	"context"
	"slices"
	"strings"
	"time"

	"k8s.io/apiextensions-apiserver/pkg/apihelpers"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1beta1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
)

// Kinds returns the kinds of the group.
func Kinds() []*kinds.Kind { return []*kinds.Kind{customResourceDefinition()} }

func customResourceDefinition() *kinds.Kind {
	return kinds.Definition[*v1.CustomResourceDefinition]{
		GVK: v1.SchemeGroupVersion.WithKind("CustomResourceDefinition"),
		Names: kinds.Names{
			Resource: "customresourcedefinitions", Singular: "customresourcedefinition",
			ShortNames: []string{"crd", "crds"}, Categories: []string{"api-extensions"},
		},
		StorageKey: "apiextensions.k8s.io/customresourcedefinitions",
		New:        func() *v1.CustomResourceDefinition { return &v1.CustomResourceDefinition{} },
		NewList:    func() runtime.Object { return &v1.CustomResourceDefinitionList{} },
		Encode:     encode, Decode: decode,
		StoredAs:      v1beta1.SchemeGroupVersion.WithKind("CustomResourceDefinition"),
		TypeConverter: &typeConverter{},
		AnyFinalizer:  true,

		Default: setDefaults,
		PrepareCreate: func(_ context.Context, crd *v1.CustomResourceDefinition) {
			crd.Status = v1.CustomResourceDefinitionStatus{}
			crd.Generation = 1
			noteStorageVersion(crd)
		},
		Validate: validateCreate,
		PrepareUpdate: func(_ context.Context, crd, old *v1.CustomResourceDefinition) {
			old.Status.DeepCopyInto(&crd.Status)
			if !equality.Semantic.DeepEqual(crd.Spec, old.Spec) {
				crd.Generation = old.Generation + 1
			}
			noteStorageVersion(crd)
		},
		ValidateUpdate: validateUpdate,
		Warnings:       func(_ context.Context, crd, old *v1.CustomResourceDefinition) []string { return warnings(crd, old) },

		HasStatus: true,
		PrepareStatusUpdate: func(_ context.Context, crd, old *v1.CustomResourceDefinition) {
			crd.Spec = old.Spec
		},
		ValidateStatusUpdate: func(_ context.Context, crd, _ *v1.CustomResourceDefinition) field.ErrorList {
			return validateStatus(crd)
		},
		MarkDeleted: markDeleted,

		Columns: columns(),
		Cells:   cells,
	}.Kind()
}

// noteStorageVersion adds the version that objects are written in from now on
// to those they may be stored in.
func noteStorageVersion(crd *v1.CustomResourceDefinition) {
	for i := range crd.Spec.Versions {
		v := &crd.Spec.Versions[i]
		if !v.Storage {
			continue
		}
		if !apihelpers.IsStoredVersion(crd, v.Name) {
			crd.Status.StoredVersions = append(crd.Status.StoredVersions, v.Name)
		}
		return
	}
}

// markDeleted makes a definition wait until its objects are gone.
func markDeleted(crd *v1.CustomResourceDefinition) {
	now := metav1.NewTime(time.Now())
	crd.DeletionTimestamp = &now
	if !apihelpers.CRDHasFinalizer(crd, v1.CustomResourceCleanupFinalizer) {
		crd.Finalizers = append(crd.Finalizers, v1.CustomResourceCleanupFinalizer)
	}
	apihelpers.SetCRDCondition(crd, v1.CustomResourceDefinitionCondition{
		Type: v1.Terminating, Status: v1.ConditionTrue, Reason: "InstanceDeletionPending",
		Message: "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
	})
}

func columns() []metav1.TableColumnDefinition {
	wide := column.Wide("Established", "Established status")
	wide.Type = "boolean"
	return []metav1.TableColumnDefinition{
		column.Name(),
		column.Text("Scope", "Cluster/Namespaced"),
		column.Text("Versions", "Served versions"),
		{Name: "Created At", Type: "date", Description: metav1.ObjectMeta{}.SwaggerDoc()["creationTimestamp"]},
		column.Wide("Group", "API group"),
		column.Wide("Kind", "CustomResource kind"),
		column.Wide("ShortNames", "Short names"),
		wide,
	}
}

func cells(crd *v1.CustomResourceDefinition) []any {
	var served []string
	for _, v := range crd.Spec.Versions {
		switch {
		case v.Served && v.Storage:
			served = append(served, v.Name+"(storage)")
		case v.Served:
			served = append(served, v.Name)
		}
	}
	slices.Sort(served)
	return []any{
		crd.Name, string(crd.Spec.Scope), strings.Join(served, ","), crd.CreationTimestamp.UTC().Format(time.RFC3339),
		crd.Spec.Group, crd.Spec.Names.Kind, strings.Join(crd.Spec.Names.ShortNames, ","),
		apihelpers.IsCRDConditionTrue(crd, v1.Established),
	}
}
