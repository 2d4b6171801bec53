package serviceaccount

import (
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validate returns what is wrong with a request that has its defaults.
func validate(spec *authenticationv1.TokenRequestSpec) (errs field.ErrorList) {
	path := field.NewPath("spec")
	seconds, at := *spec.ExpirationSeconds, path.Child("expirationSeconds")
	if seconds < int64(minLifetime/time.Second) {
		errs = append(errs, field.Invalid(at, seconds, "may not specify a duration less than 10 minutes"))
	}
	if seconds > 1<<32 {
		errs = append(errs, field.Invalid(at, seconds, "may not specify a duration larger than 2^32 seconds"))
	}
	at = path.Child("attestations")
	if !isWebhooks(spec.BoundObjectRef) {
		if len(spec.Attestations) > 0 {
			return field.ErrorList{field.Invalid(at, spec.Attestations, "attestations may only be specified with a webhook bound object reference")}
		}
		return errs
	}
	if len(spec.Audiences) != 1 {
		errs = append(errs, field.Invalid(path.Child("audiences"), spec.Audiences, "must be length 1 when bound to a webhook config"))
	}
	return append(errs, validateAttestations(spec.Attestations, at)...)
}

// isWebhooks reports whether a token is to be bound to the configuration of
// webhooks.
func isWebhooks(ref *authenticationv1.BoundObjectReference) bool {
	return ref != nil && ref.APIVersion == admissionregistrationv1.SchemeGroupVersion.String() &&
		(ref.Kind == "ValidatingWebhookConfiguration" || ref.Kind == "MutatingWebhookConfiguration")
}

func validateAttestations(all map[string]authenticationv1.AttestationValue, at *field.Path) (errs field.ErrorList) {
	if len(all) != 1 {
		return field.ErrorList{field.Invalid(at, all, "webhook bound requests require exactly one admissionReviewAPIGroups attestation")}
	}
	for key, values := range all {
		at := at.Key(key)
		switch {
		case key != authenticationv1.AttestationAdmissionReviewAPIGroups:
			errs = append(errs, field.NotSupported(at, key, []string{authenticationv1.AttestationAdmissionReviewAPIGroups}))
		case len(values) != 1:
			errs = append(errs, field.Invalid(at, values, "must specify a single value"))
		case values[0] == "":
			errs = append(errs, field.Invalid(at.Index(0), "", "may not be an empty string"))
		case values[0] != "*":
			for _, msg := range validation.IsDNS1123Subdomain(values[0]) {
				errs = append(errs, field.Invalid(at.Index(0), values[0], "must specify a valid API Group: "+msg))
			}
		}
	}
	return errs
}
