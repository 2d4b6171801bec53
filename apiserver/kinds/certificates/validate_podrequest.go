package certificates

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"strings"

	certificatesv1beta1 "k8s.io/api/certificates/v1beta1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

// Limits of what a pod's request may carry, in bytes, and of the life of the
// certificate that it may ask for, in seconds.
const (
	mostKey   = 10 << 10
	mostProof = 10 << 10
	mostStub  = 10 << 10
	mostUID   = 128

	leastLife           = 60 * 60
	mostLife            = 91 * 24 * 60 * 60
	mostLifeOfOurSigner = 24 * 60 * 60
)

func validatePodRequest(r *certificatesv1beta1.PodCertificateRequest) field.ErrorList {
	e, p, s := &check.Errors{}, field.NewPath("spec"), &r.Spec
	e.SignerName(p.Child("signerName"), s.SignerName)
	annotations(e, p.Child("unverifiedUserAnnotations"), s.UnverifiedUserAnnotations)
	named := func(nameField, name, uidField string, uid types.UID) {
		e.Messages(p.Child(nameField), name, apivalidation.NameIsDNSSubdomain(name, false))
		if uid == "" {
			e.Invalid(p.Child(uidField), uid, "must not be empty")
		} else if len(uid) > mostUID {
			e.TooLong(p.Child(uidField), mostUID)
		}
	}
	named("podName", s.PodName, "podUID", s.PodUID)
	named("serviceAccountName", s.ServiceAccountName, "serviceAccountUID", s.ServiceAccountUID)
	named("nodeName", string(s.NodeName), "nodeUID", s.NodeUID)

	life, most := p.Child("maxExpirationSeconds"), int32(mostLife)
	if s.MaxExpirationSeconds == nil {
		e.Required(life, "must be set")
		return e.List
	}
	if ofKubernetes(s.SignerName) {
		most = mostLifeOfOurSigner
	}
	if n := *s.MaxExpirationSeconds; n < leastLife || n > most {
		e.Invalid(life, n, fmt.Sprintf("must be in the range [%d, %d]", leastLife, most))
	}
	//lint:ignore SA1019 clients of v1beta1 may still send a key with a proof
	stub, key, proof := len(s.StubPKCS10Request) > 0, len(s.PKIXPublicKey) > 0, len(s.ProofOfPossession) > 0
	switch {
	case stub && !key && !proof:
		stubRequest(e, p.Child("stubPKCS10Request"), s.StubPKCS10Request)
	case !stub && key && proof:
		provenKey(e, p, s)
	default:
		e.Invalid(p, field.OmitValueType{}, "exactly one of (stubPKCS10Request) or (pkixPublicKey, proofOfPossession) must be set")
	}
	return e.List
}

// ofKubernetes reports whether a signer belongs to the Kubernetes project.
func ofKubernetes(signer string) bool {
	domain, _, _ := strings.Cut(signer, "/")
	return domain == "kubernetes.io" || strings.HasSuffix(domain, ".kubernetes.io")
}

// annotations requires keys with a domain, in any case, and a bearable size.
func annotations(e *check.Errors, p *field.Path, set map[string]string) {
	for key := range set {
		e.Add(validation.IsDomainPrefixedKey(p, strings.ToLower(key))...)
	}
	if apivalidation.ValidateAnnotationsSize(set) != nil {
		e.TooLong(p, apivalidation.TotalAnnotationSizeLimitB)
	}
}

// keyFlaw is what is wrong with a public key: what to show of it and what to
// say; nothing if it is one to make certificates for.
func keyFlaw(key crypto.PublicKey, curves string) (shown any, text string) {
	switch key := key.(type) {
	case ed25519.PublicKey:
	case *ecdsa.PublicKey:
		if c := key.Curve; c != elliptic.P256() && c != elliptic.P384() && c != elliptic.P521() {
			return "curve " + c.Params().Name, "elliptic public keys must use curve " + curves
		}
	case *rsa.PublicKey:
		if bits := key.Size() * 8; bits != 3072 && bits != 4096 {
			return fmt.Sprintf("%d-bit modulus", bits), "RSA keys must have modulus size 3072 or 4096"
		}
	default:
		return field.OmitValueType{}, "unknown public key type; supported types are Ed25519, ECDSA, and RSA"
	}
	return nil, ""
}

// stubRequest requires a PKCS #10 request that is signed with its own key.
// What it asks for is the signer's business.
func stubRequest(e *check.Errors, p *field.Path, der []byte) {
	if len(der) > mostStub {
		e.TooLong(p, mostStub)
		return
	}
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		e.Invalid(p, field.OmitValueType{}, "must be a valid PKCS#10 CSR")
		return
	}
	if shown, text := keyFlaw(request.PublicKey, "P256, P384, or P521"); text != "" {
		e.Invalid(p, shown, text)
	} else if request.CheckSignature() != nil {
		e.Invalid(p, field.OmitValueType{}, "invalid signature")
	}
}

// provenKey requires a public key and the pod's UID signed with its private
// half, as v1beta1 has it.
func provenKey(e *check.Errors, p *field.Path, s *certificatesv1beta1.PodCertificateRequestSpec) {
	keyPath, proofPath := p.Child("pkixPublicKey"), p.Child("proofOfPossession")
	//lint:ignore SA1019 as above
	der, proof := s.PKIXPublicKey, s.ProofOfPossession
	if len(der) > mostKey {
		e.TooLong(keyPath, mostKey)
		return
	}
	if len(proof) > mostProof {
		e.TooLong(proofPath, mostProof)
		return
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		e.Invalid(keyPath, der, "must be a valid PKIX-serialized public key")
		return
	}
	if shown, text := keyFlaw(key, "P256 or P384"); text != "" {
		if shown == (field.OmitValueType{}) {
			shown = der
		}
		e.Invalid(keyPath, shown, text)
		return
	}
	if !proves(key, []byte(s.PodUID), proof) {
		e.Invalid(proofPath, field.OmitValueType{}, "could not verify proof-of-possession signature")
	}
}

// proves reports whether a text was signed with the private half of a key that
// keyFlaw has nothing against.
func proves(key crypto.PublicKey, text, signature []byte) bool {
	sum := sha256.Sum256(text)
	switch key := key.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(key, text, signature)
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, sum[:], signature)
	case *rsa.PublicKey:
		return rsa.VerifyPSS(key, crypto.SHA256, sum[:], signature, nil) == nil
	}
	return false
}

func validatePodRequestUpdate(r, old *certificatesv1beta1.PodCertificateRequest) field.ErrorList {
	e := &check.Errors{}
	e.Same(field.NewPath("spec"), r.Spec, old.Spec)
	return e.List
}
