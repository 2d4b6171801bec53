// Package namespacelifecycle refuses to create objects in namespaces that do
// not exist or are going away, and to delete those every cluster needs.
package namespacelifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/admission"
)

// Plugin is the admission plugin NamespaceLifecycle.
type Plugin struct {
	// Namespace returns a namespace or an API status error; required.
	Namespace func(ctx context.Context, name string) (*corev1.Namespace, error)
}

// Name implements admission.Plugin.
func (Plugin) Name() string { return "NamespaceLifecycle" }

// Handles implements admission.Plugin.
func (Plugin) Handles(op admission.Operation) bool {
	return op == admission.Create || op == admission.Delete
}

// immortal namespaces cannot be deleted.
func immortal(name string) bool {
	return slices.Contains([]string{metav1.NamespaceDefault, metav1.NamespaceSystem, metav1.NamespacePublic}, name)
}

// Admit implements admission.Mutator. It changes nothing, but refuses before
// other mutators work for nothing.
func (p Plugin) Admit(ctx context.Context, a *admission.Attributes) error {
	if a.Kind.GroupKind() == (schema.GroupKind{Kind: "Namespace"}) {
		if a.Operation == admission.Delete && a.Subresource == "" && immortal(a.Name) {
			return admission.Forbidden(a, errors.New("this namespace may not be deleted"))
		}
		return nil
	}
	if a.Namespace == "" || a.Operation == admission.Delete {
		return nil
	}
	// Asking who may what in a namespace to come is no harm.
	if a.Resource.Group == "authorization.k8s.io" && a.Resource.Resource == "localsubjectaccessreviews" {
		return nil
	}
	namespace, err := p.Namespace(ctx, a.Namespace)
	if err != nil {
		return err
	}
	if namespace.Status.Phase != corev1.NamespaceTerminating && namespace.DeletionTimestamp == nil {
		return nil
	}
	refusal := admission.Forbidden(a, fmt.Errorf("unable to create new content in namespace %s because it is being terminated", a.Namespace))
	if status := (*apierrors.StatusError)(nil); errors.As(refusal, &status) {
		status.ErrStatus.Details.Causes = append(status.ErrStatus.Details.Causes, metav1.StatusCause{
			Type: corev1.NamespaceTerminatingCause, Message: fmt.Sprintf("namespace %s is being terminated", a.Namespace), Field: "metadata.namespace",
		})
	}
	return refusal
}
