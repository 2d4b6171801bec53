// Package admissionregistration holds the kinds of admissionregistration.k8s.io/v1:
// webhooks and policies, and the bindings of policies.
package admissionregistration

import (
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// Kinds returns the kinds of admissionregistration.k8s.io/v1.
func Kinds() []*kinds.Kind {
	return []*kinds.Kind{
		validatingWebhookConfiguration(), mutatingWebhookConfiguration(),
		validatingAdmissionPolicy(), validatingAdmissionPolicyBinding(),
		mutatingAdmissionPolicy(), mutatingAdmissionPolicyBinding(),
	}
}

func gvk(kind string) schema.GroupVersionKind {
	return admissionregistrationv1.SchemeGroupVersion.WithKind(kind)
}
