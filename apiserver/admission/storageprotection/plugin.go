// Package storageprotection keeps volumes, claims and volume attributes
// classes from vanishing while they are in use: each gets a finalizer, which a
// controller removes when nobody needs the object any more.
package storageprotection

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keelson-project/keelson/apiserver/admission"
)

// The finalizers.
const (
	Volume          = "kubernetes.io/pv-protection"
	Claim           = "kubernetes.io/pvc-protection"
	AttributesClass = "kubernetes.io/vac-protection"
)

// Plugin is the admission plugin StorageObjectInUseProtection.
type Plugin struct{}

// Name implements admission.Plugin.
func (Plugin) Name() string { return "StorageObjectInUseProtection" }

// Handles implements admission.Plugin.
func (Plugin) Handles(op admission.Operation) bool { return op == admission.Create }

// Admit implements admission.Mutator.
func (Plugin) Admit(_ context.Context, a *admission.Attributes) error {
	if a.Subresource != "" {
		return nil
	}
	switch obj := a.Object.(type) {
	case *corev1.PersistentVolume:
		protect(obj, Volume)
	case *corev1.PersistentVolumeClaim:
		protect(obj, Claim)
	case *storagev1.VolumeAttributesClass:
		protect(obj, AttributesClass)
	}
	return nil
}

func protect(obj metav1.Object, finalizer string) {
	if have := obj.GetFinalizers(); !slices.Contains(have, finalizer) {
		obj.SetFinalizers(append(have, finalizer))
	}
}
