package standard

import (
	"context"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/keelson-project/keelson/apiserver/kinds/admissionregistration"
	"github.com/keelson-project/keelson/apiserver/registry"
)

// policyAccess asks may whether writers of admission policies can read what
// these use.
func policyAccess(r *registry.Registry, may authorizer.UnconditionalAuthorizer) admissionregistration.Access {
	resource := func(name string) schema.GroupVersionResource {
		return admissionregistrationv1.SchemeGroupVersion.WithResource(name)
	}
	validating := registry.ObjectsOf[*admissionregistrationv1.ValidatingAdmissionPolicy](r, resource("validatingadmissionpolicies")).GetLive
	mutating := registry.ObjectsOf[*admissionregistrationv1.MutatingAdmissionPolicy](r, resource("mutatingadmissionpolicies")).GetLive
	return admissionregistration.Access{
		Authorizer: may,
		Resource:   func(gvk schema.GroupVersionKind) (schema.GroupVersionResource, bool) { return resourceOf(r, gvk) },
		ParamKind: func(ctx context.Context, policyKind, name string) (*admissionregistrationv1.ParamKind, error) {
			if policyKind == "MutatingAdmissionPolicy" {
				p, err := mutating(ctx, "", name)
				if err != nil {
					return nil, err
				}
				return p.Spec.ParamKind, nil
			}
			p, err := validating(ctx, "", name)
			if err != nil {
				return nil, err
			}
			return p.Spec.ParamKind, nil
		},
	}
}

// resourceOf finds the stored resource whose objects are of a kind.
func resourceOf(r *registry.Registry, gvk schema.GroupVersionKind) (schema.GroupVersionResource, bool) {
	for _, res := range r.Resources() {
		if res.GVK == gvk {
			return res.GVR, true
		}
	}
	return schema.GroupVersionResource{}, false
}
