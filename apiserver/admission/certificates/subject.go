package certificates

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	certificatesv1 "k8s.io/api/certificates/v1"
	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/keelson-project/keelson/apiserver/admission"
)

// SubjectRestriction is the admission plugin CertificateSubjectRestriction:
// nobody becomes a member of system:masters by a certificate for clients.
type SubjectRestriction struct{}

// Name implements admission.Plugin.
func (SubjectRestriction) Name() string { return "CertificateSubjectRestriction" }

// Handles implements admission.Plugin.
func (SubjectRestriction) Handles(op admission.Operation) bool { return op == admission.Create }

// Validate implements admission.Validator.
func (SubjectRestriction) Validate(_ context.Context, a *admission.Attributes) error {
	csr, ok := a.Object.(*certificatesv1.CertificateSigningRequest)
	if !ok || !a.Is(group, requests, "") || csr.Spec.SignerName != certificatesv1.KubeAPIServerClientSignerName {
		return nil
	}
	request, err := parse(csr.Spec.Request)
	if err != nil {
		return admission.Forbidden(a, fmt.Errorf("failed to parse CSR: %w", err))
	}
	if slices.Contains(request.Subject.Organization, user.SystemPrivilegedGroup) {
		return admission.Forbidden(a, fmt.Errorf("use of %s signer with system:masters group is not allowed", certificatesv1.KubeAPIServerClientSignerName))
	}
	return nil
}

func parse(request []byte) (*x509.CertificateRequest, error) {
	block, _ := pem.Decode(request)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, errors.New("PEM block type must be CERTIFICATE REQUEST")
	}
	return x509.ParseCertificateRequest(block.Bytes)
}
