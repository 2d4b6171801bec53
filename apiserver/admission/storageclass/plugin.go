// Package storageclass gives claims that name no storage class the default
// one.
package storageclass

import (
	"context"
	"iter"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"

	"github.com/keelson-project/keelson/apiserver/admission"
)

// Plugin is the admission plugin DefaultStorageClass.
type Plugin struct {
	// Default returns the name of the class that [Default] finds, or nothing;
	// required.
	Default func(ctx context.Context) (string, error)
}

// Name implements admission.Plugin.
func (Plugin) Name() string { return "DefaultStorageClass" }

// Handles implements admission.Plugin.
func (Plugin) Handles(op admission.Operation) bool { return op == admission.Create }

// Admit implements admission.Mutator.
func (p Plugin) Admit(ctx context.Context, a *admission.Attributes) error {
	claim, ok := a.Object.(*corev1.PersistentVolumeClaim)
	if !ok || a.Subresource != "" || named(claim) {
		return nil
	}
	name, err := p.Default(ctx)
	if err != nil {
		return admission.Forbidden(a, err)
	}
	if name != "" {
		claim.Spec.StorageClassName = &name
	}
	return nil
}

// named reports whether a claim says which class it wants; none is a wish too.
func named(claim *corev1.PersistentVolumeClaim) bool {
	_, annotated := claim.Annotations[corev1.BetaStorageClassAnnotation]
	return annotated || claim.Spec.StorageClassName != nil
}

// Default returns the name of the class that is marked as the default, of
// several that of the youngest.
func Default(all iter.Seq[*storagev1.StorageClass]) string {
	var found *storagev1.StorageClass
	for c := range all {
		if marked(c) && (found == nil || found.CreationTimestamp.Before(&c.CreationTimestamp)) {
			found = c
		}
	}
	if found == nil {
		return ""
	}
	return found.Name
}

func marked(c *storagev1.StorageClass) bool {
	return c.Annotations["storageclass.kubernetes.io/is-default-class"] == "true" ||
		c.Annotations["storageclass.beta.kubernetes.io/is-default-class"] == "true"
}
