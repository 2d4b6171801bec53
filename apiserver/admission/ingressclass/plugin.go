// Package ingressclass gives ingresses that name no class the default one.
package ingressclass

import (
	"context"
	"iter"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/keelson-project/keelson/apiserver/admission"
)

// annotation is how ingresses named their class before there was a field.
const annotation = "kubernetes.io/ingress.class"

// Plugin is the admission plugin DefaultIngressClass.
type Plugin struct {
	// Default returns the name of the class that [Default] finds, or nothing;
	// required.
	Default func(ctx context.Context) (string, error)
}

// Name implements admission.Plugin.
func (Plugin) Name() string { return "DefaultIngressClass" }

// Handles implements admission.Plugin.
func (Plugin) Handles(op admission.Operation) bool { return op == admission.Create }

// Admit implements admission.Mutator.
func (p Plugin) Admit(ctx context.Context, a *admission.Attributes) error {
	ingress, ok := a.Object.(*networkingv1.Ingress)
	if !ok || a.Subresource != "" || ingress.Spec.IngressClassName != nil {
		return nil
	}
	if _, annotated := ingress.Annotations[annotation]; annotated {
		return nil
	}
	name, err := p.Default(ctx)
	if err != nil {
		return admission.Forbidden(a, err)
	}
	if name != "" {
		ingress.Spec.IngressClassName = &name
	}
	return nil
}

// Default returns the name of the class that is marked as the default, of
// several that of the youngest.
func Default(all iter.Seq[*networkingv1.IngressClass]) string {
	var found *networkingv1.IngressClass
	for c := range all {
		if c.Annotations[networkingv1.AnnotationIsDefaultIngressClass] == "true" && (found == nil || found.CreationTimestamp.Before(&c.CreationTimestamp)) {
			found = c
		}
	}
	if found == nil {
		return ""
	}
	return found.Name
}
