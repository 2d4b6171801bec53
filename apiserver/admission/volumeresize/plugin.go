// Package volumeresize lets claims grow only where their storage class says
// that volumes can.
package volumeresize

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"

	"github.com/keelson-project/keelson/apiserver/admission"
)

// Plugin is the admission plugin PersistentVolumeClaimResize.
type Plugin struct {
	// Class returns a storage class or an error; required.
	Class func(ctx context.Context, name string) (*storagev1.StorageClass, error)
}

// Name implements admission.Plugin.
func (Plugin) Name() string { return "PersistentVolumeClaimResize" }

// Handles implements admission.Plugin.
func (Plugin) Handles(op admission.Operation) bool { return op == admission.Update }

// Validate implements admission.Validator.
func (p Plugin) Validate(ctx context.Context, a *admission.Attributes) error {
	claim, ok := a.Object.(*corev1.PersistentVolumeClaim)
	old, wasOne := a.OldObject.(*corev1.PersistentVolumeClaim)
	if !ok || !wasOne || a.Subresource != "" {
		return nil
	}
	if size := claim.Spec.Resources.Requests.Storage(); size.Cmp(*old.Spec.Resources.Requests.Storage()) <= 0 {
		return nil
	}
	if old.Status.Phase != corev1.ClaimBound {
		return admission.Forbidden(a, errors.New("Only bound persistent volume claims can be expanded")) //nolint:staticcheck // the API's wording
	}
	if !p.canGrow(ctx, className(claim), className(old)) {
		return admission.Forbidden(a, errors.New("only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize"))
	}
	return nil
}

func (p Plugin) canGrow(ctx context.Context, class, before string) bool {
	if class == "" || class != before {
		return false
	}
	c, err := p.Class(ctx, class)
	return err == nil && c.AllowVolumeExpansion != nil && *c.AllowVolumeExpansion
}

func className(claim *corev1.PersistentVolumeClaim) string {
	if name, annotated := claim.Annotations[corev1.BetaStorageClassAnnotation]; annotated {
		return name
	}
	if claim.Spec.StorageClassName != nil {
		return *claim.Spec.StorageClassName
	}
	return ""
}
