package certificates

import (
	"bytes"
	"context"
	"fmt"
	"reflect"

	certificatesv1 "k8s.io/api/certificates/v1"
	certificatesv1beta1 "k8s.io/api/certificates/v1beta1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/keelson-project/keelson/apiserver/admission"
	kinds "github.com/keelson-project/keelson/apiserver/kinds/certificates"
)

const (
	group    = certificatesv1.GroupName
	requests = "certificatesigningrequests"
)

// Approval is the admission plugin CertificateApproval.
type Approval struct {
	// Authorizer decides; nil allows everything.
	Authorizer authorizer.Authorizer
}

// Name implements admission.Plugin.
func (Approval) Name() string { return "CertificateApproval" }

// Handles implements admission.Plugin.
func (Approval) Handles(op admission.Operation) bool { return op == admission.Update }

// Validate implements admission.Validator.
func (p Approval) Validate(ctx context.Context, a *admission.Attributes) error {
	old, ok := a.OldObject.(*certificatesv1.CertificateSigningRequest)
	if !ok || !a.Is(group, requests, "approval") {
		return nil
	}
	if signer := old.Spec.SignerName; !kinds.May(ctx, p.Authorizer, a.User, "approve", signer) {
		return admission.Forbidden(a, fmt.Errorf("user not permitted to approve requests with signerName %q", signer))
	}
	return nil
}

// Signing is the admission plugin CertificateSigning.
type Signing struct {
	// Authorizer decides; nil allows everything.
	Authorizer authorizer.Authorizer
}

// Name implements admission.Plugin.
func (Signing) Name() string { return "CertificateSigning" }

// Handles implements admission.Plugin.
func (Signing) Handles(op admission.Operation) bool { return op == admission.Update }

// Validate implements admission.Validator.
func (p Signing) Validate(ctx context.Context, a *admission.Attributes) error {
	old, ok := a.OldObject.(*certificatesv1.CertificateSigningRequest)
	if !ok || !a.Is(group, requests, "status") {
		return nil
	}
	csr, ok := a.Object.(*certificatesv1.CertificateSigningRequest)
	if !ok || bytes.Equal(old.Status.Certificate, csr.Status.Certificate) && apiequality.Semantic.DeepEqual(old.Status.Conditions, csr.Status.Conditions) {
		return nil
	}
	if signer := old.Spec.SignerName; !kinds.May(ctx, p.Authorizer, a.User, "sign", signer) {
		return admission.Forbidden(a, fmt.Errorf("user not permitted to sign requests with signerName %q", signer))
	}
	return nil
}

// Attest is the admission plugin ClusterTrustBundleAttest.
type Attest struct {
	// Authorizer decides; nil allows everything.
	Authorizer authorizer.Authorizer
}

// Name implements admission.Plugin.
func (Attest) Name() string { return "ClusterTrustBundleAttest" }

// Handles implements admission.Plugin.
func (Attest) Handles(op admission.Operation) bool {
	return op == admission.Create || op == admission.Update
}

// Validate implements admission.Validator.
func (p Attest) Validate(ctx context.Context, a *admission.Attributes) error {
	var signer string
	switch bundle := a.Object.(type) {
	case *certificatesv1.ClusterTrustBundle:
		signer = bundle.Spec.SignerName
	case *certificatesv1beta1.ClusterTrustBundle:
		signer = bundle.Spec.SignerName
	}
	if signer == "" || a.Operation == admission.Update && housekeeping(a.Object, a.OldObject) {
		return nil
	}
	if !kinds.May(ctx, p.Authorizer, a.User, "attest", signer) {
		return admission.Forbidden(a, fmt.Errorf("user not permitted to attest for signerName %q", signer))
	}
	return nil
}

// housekeeping reports whether an update changes nothing but owners,
// finalizers and who manages which fields.
func housekeeping(obj, old runtime.Object) bool {
	if old == nil || reflect.ValueOf(old).IsNil() {
		return false
	}
	changed := obj.DeepCopyObject()
	to, err := meta.Accessor(changed)
	if err != nil {
		return false
	}
	from, err := meta.Accessor(old)
	if err != nil {
		return false
	}
	to.SetOwnerReferences(from.GetOwnerReferences())
	to.SetFinalizers(from.GetFinalizers())
	to.SetManagedFields(from.GetManagedFields())
	return apiequality.Semantic.DeepEqual(changed, old)
}
