package certificates

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/mail"
	"strings"
	"time"

	certificatesv1beta1 "k8s.io/api/certificates/v1beta1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

const (
	mostChain = 100 << 10 // bytes

	// issueSkew is how far from now a certificate may begin to be valid.
	issueSkew = 5 * time.Minute
	// leastIssued is the shortest life of a certificate, refreshMargin how far
	// from both ends of it the time to refresh it is.
	leastIssued   = time.Hour
	refreshMargin = 10 * time.Minute
)

// validatePodRequestStatus allows one change of a status: a request without an
// answer gets one.
func validatePodRequestStatus(r, old *certificatesv1beta1.PodCertificateRequest) field.ErrorList {
	e, p := &check.Errors{}, field.NewPath("status")
	answers(e, p, r.Status.Conditions)
	if len(e.List) > 0 {
		return e.List
	}
	fixed := func(want certificatesv1beta1.PodCertificateRequestStatus, otherwise string) {
		if !equality.Semantic.DeepEqual(r.Status, want) {
			e.Invalid(p, field.OmitValueType{}, otherwise)
		}
	}
	switch now := answer(r); {
	case answer(old) != "":
		fixed(old.Status, "immutable after PodCertificateRequest is issued, denied, or failed")
	case now == "":
		fixed(old.Status, `status is immutable unless transitioning to "Issued", "Denied", or "Failed"`)
	case now == issuedType:
		issuedChain(e, p, r, old)
	default:
		fixed(certificatesv1beta1.PodCertificateRequestStatus{Conditions: r.Status.Conditions},
			"non-condition status fields must be empty when denying or failing the PodCertificateRequest")
	}
	return e.List
}

// answers allows one condition at most, and that it is true.
func answers(e *check.Errors, p *field.Path, list []metav1.Condition) {
	count := 0
	for i, c := range list {
		at := p.Child("conditions", fmt.Sprintf("[%d]", i))
		if !known(c.Type) {
			e.NotSupported(at.Child("type"), c.Type, issuedType, deniedType, failedType)
			continue
		}
		if count++; count > 1 {
			e.Invalid(at.Child("type"), c.Type, `There may be at most one condition with type "Issued", "Denied", or "Failed"`)
		}
		check.OneOf(e, at.Child("status"), c.Status, metav1.ConditionTrue)
	}
	e.Add(metavalidation.ValidateConditions(list, p.Child("conditions"))...)
}

// answer is the type of the condition that ended a request, or empty.
func answer(r *certificatesv1beta1.PodCertificateRequest) string {
	for _, c := range r.Status.Conditions {
		if known(c.Type) && c.Status == metav1.ConditionTrue {
			return c.Type
		}
	}
	return ""
}

// issuedChain requires certificates of which the first is for the key that was
// asked for, and times that fit it.
func issuedChain(e *check.Errors, p *field.Path, r, old *certificatesv1beta1.PodCertificateRequest) {
	at, chain := p.Child("certificateChain"), r.Status.CertificateChain
	if len(chain) > mostChain {
		e.TooLong(at, mostChain)
		return
	}
	block, rest := pem.Decode([]byte(chain))
	switch {
	case block == nil:
		e.Invalid(at, chain, "issued certificate chain must contain at least one certificate")
		return
	case block.Type != "CERTIFICATE":
		e.Invalid(at, chain, "issued certificate chain must consist entirely of CERTIFICATE PEM blocks")
		return
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		e.Invalid(at, chain, "leaf certificate does not parse as valid X.509")
		return
	}
	leafNames(e, at, leaf)
	key, unreadable := requestedKey(old)
	if unreadable != nil {
		e.Add(unreadable)
		return
	}
	if !key.Equal(leaf.PublicKey) {
		e.Invalid(at, chain, "leaf certificate was not issued to the requested public key")
		return
	}
	if times(e, p, r, leaf) {
		intermediates(e, at, chain, rest)
	}
}

// leafNames refuses names in a certificate that parsers disagree about.
func leafNames(e *check.Errors, p *field.Path, leaf *x509.Certificate) {
	for _, name := range leaf.DNSNames {
		if name == "" {
			e.Invalid(p, name, "leaf certificate should not contain empty DNSName")
		}
		if strings.Contains(name, "..") {
			e.Invalid(p, name, "leaf certificate's DNSName should not contain '..'")
		}
		if strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") {
			e.Invalid(p, name, "leaf certificate's DNSName should not start or end with '.'")
		}
	}
	for _, address := range leaf.EmailAddresses {
		if _, err := mail.ParseAddress(address); err != nil {
			e.Invalid(p, address, "leaf certificate should not contain invalid EmailAddress")
		}
	}
}

// publicKey is what all keys of the standard library do.
type publicKey interface {
	Equal(other crypto.PublicKey) bool
}

// requestedKey is the key that a request was made for.
func requestedKey(r *certificatesv1beta1.PodCertificateRequest) (publicKey, *field.Error) {
	var key any
	p, text := field.NewPath("spec", "stubPKCS10Request"), "must be a valid PKCS#10 CSR"
	if stub := r.Spec.StubPKCS10Request; len(stub) > 0 {
		if request, err := x509.ParseCertificateRequest(stub); err == nil {
			key = request.PublicKey
		}
	} else {
		p, text = field.NewPath("spec", "pkixPublicKey"), "must be a valid PKIX-serialized public key"
		//lint:ignore SA1019 requests made through v1beta1 may have it
		if pkix, err := x509.ParsePKIXPublicKey(r.Spec.PKIXPublicKey); err == nil {
			key = pkix
		}
	}
	if known, ok := key.(publicKey); ok {
		return known, nil
	}
	return nil, field.Invalid(p, field.OmitValueType{}, text)
}

// times requires the times in a status: those of the certificate, which begins
// about now and lives no longer than was asked for, and one between them to
// refresh it. It reports whether they may stay.
func times(e *check.Errors, p *field.Path, r *certificatesv1beta1.PodCertificateRequest, leaf *x509.Certificate) bool {
	from, to, refresh := r.Status.NotBefore, r.Status.NotAfter, r.Status.BeginRefreshAt
	fromPath, toPath, refreshPath := p.Child("notBefore"), p.Child("notAfter"), p.Child("beginRefreshAt")
	if from == nil {
		e.Required(fromPath, "must be present and consistent with the issued certificate")
	}
	if to == nil {
		e.Required(toPath, "must be present and consistent with the issued certificate")
	}
	if refresh == nil {
		e.Required(refreshPath, "must be present and in the range [notbefore+10min, notafter-10min]")
	}
	if len(e.List) > 0 {
		return false
	}
	life, most, now := leaf.NotAfter.Sub(leaf.NotBefore), r.Spec.MaxExpirationSeconds, time.Now()
	switch {
	case !from.Time.Equal(leaf.NotBefore):
		e.Invalid(fromPath, from.Time, "must be set to the NotBefore time encoded in the leaf certificate")
	case !from.After(now.Add(-issueSkew)) || !from.Time.Before(now.Add(issueSkew)):
		e.Invalid(fromPath, from.Time, "must be set to within 5 minutes of kube-apiserver's current time")
	case !to.Time.Equal(leaf.NotAfter):
		e.Invalid(toPath, to.Time, "must be set to the NotAfter time encoded in the leaf certificate")
	case life < leastIssued:
		e.Invalid(p.Child("certificateChain"), life, "leaf certificate lifetime must be >= 1 hour")
	case most != nil && life > time.Duration(*most)*time.Second:
		e.Invalid(p.Child("certificateChain"), life, fmt.Sprintf("leaf certificate lifetime must be <= spec.maxExpirationSeconds (%v)", *most))
	case refresh.Time.Before(from.Add(refreshMargin)):
		e.Invalid(refreshPath, refresh.Time, "must be at least 10 minutes after status.notBefore")
	case refresh.After(to.Add(-refreshMargin)):
		e.Invalid(refreshPath, refresh.Time, "must be at least 10 minutes before status.notAfter")
	default:
		return true
	}
	return false
}

// intermediates requires that what follows the first certificate of a chain
// are certificates too.
func intermediates(e *check.Errors, p *field.Path, chain string, rest []byte) {
	for {
		var block *pem.Block
		switch block, rest = pem.Decode(rest); {
		case block == nil:
			return
		case block.Type != "CERTIFICATE":
			e.Invalid(p, chain, "issued certificate chain must consist entirely of CERTFICATE PEM blocks")
			return
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			e.Invalid(p, chain, "intermediate certificate does not parse as valid X.509")
			return
		}
	}
}
