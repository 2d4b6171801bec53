package certificates

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/diff"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

const (
	legacySigner = "kubernetes.io/legacy-unknown"
	leastSeconds = 600
)

var knownUsages = []certificatesv1.KeyUsage{
	certificatesv1.UsageAny, certificatesv1.UsageCertSign, certificatesv1.UsageClientAuth, certificatesv1.UsageCodeSigning,
	certificatesv1.UsageContentCommitment, certificatesv1.UsageCRLSign, certificatesv1.UsageDataEncipherment,
	certificatesv1.UsageDecipherOnly, certificatesv1.UsageDigitalSignature, certificatesv1.UsageEmailProtection,
	certificatesv1.UsageEncipherOnly, certificatesv1.UsageIPsecEndSystem, certificatesv1.UsageIPsecTunnel,
	certificatesv1.UsageIPsecUser, certificatesv1.UsageKeyAgreement, certificatesv1.UsageKeyEncipherment,
	certificatesv1.UsageMicrosoftSGC, certificatesv1.UsageNetscapeSGC, certificatesv1.UsageOCSPSigning,
	certificatesv1.UsageSMIME, certificatesv1.UsageServerAuth, certificatesv1.UsageSigning, certificatesv1.UsageTimestamping,
}

// flaws are what a stored request may have, being older than the rules
// against it: an update does not refuse it for them.
type flaws struct {
	unknownUsages, repeatedUsages, legacySigner bool
	repeatedConditions, untypedConditions       bool
	certificate                                 bool
}

func flawsOf(csr *certificatesv1.CertificateSigningRequest) (f flaws) {
	usages := map[certificatesv1.KeyUsage]bool{}
	for _, u := range csr.Spec.Usages {
		f.unknownUsages = f.unknownUsages || !slices.Contains(knownUsages, u)
		f.repeatedUsages = f.repeatedUsages || usages[u]
		usages[u] = true
	}
	f.legacySigner = csr.Spec.SignerName == legacySigner
	types := map[certificatesv1.RequestConditionType]bool{}
	for _, c := range csr.Status.Conditions {
		f.repeatedConditions = f.repeatedConditions || types[c.Type]
		types[c.Type] = true
	}
	f.untypedConditions = types[""]
	f.certificate = issued(csr.Status.Certificate) != nil
	return f
}

func validate(csr *certificatesv1.CertificateSigningRequest, may flaws) field.ErrorList {
	e, p, s := &check.Errors{}, field.NewPath("spec"), &csr.Spec
	if err := readable(s.Request); err != nil {
		e.Invalid(p.Child("request"), s.Request, err.Error())
	}
	if len(s.Usages) == 0 {
		e.Required(p.Child("usages"), "")
	}
	seen := map[certificatesv1.KeyUsage]bool{}
	for i, u := range s.Usages {
		at := p.Child("usages").Index(i)
		if !may.unknownUsages {
			check.OneOf(e, at, u, knownUsages...)
		}
		if seen[u] && !may.repeatedUsages {
			e.Duplicate(at, u)
		}
		seen[u] = true
	}
	if s.SignerName == legacySigner && !may.legacySigner {
		e.Invalid(p.Child("signerName"), s.SignerName, "the legacy signerName is not allowed via this API version")
	} else {
		e.SignerName(p.Child("signerName"), s.SignerName)
	}
	if n := s.ExpirationSeconds; n != nil && *n < leastSeconds {
		e.Invalid(p.Child("expirationSeconds"), *n, "may not specify a duration less than 600 seconds (10 minutes)")
	}
	conditions(e, field.NewPath("status", "conditions"), csr.Status.Conditions, may)
	if !may.certificate {
		if err := issued(csr.Status.Certificate); err != nil {
			e.Invalid(field.NewPath("status", "certificate"), "<certificate data>", err.Error())
		}
	}
	return e.List
}

// readable requires a signed request in PEM.
func readable(data []byte) error {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return errors.New("PEM block type must be CERTIFICATE REQUEST")
	}
	r, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return err
	}
	return r.CheckSignature()
}

func conditions(e *check.Errors, p *field.Path, list []certificatesv1.CertificateSigningRequestCondition, may flaws) {
	const approved, denied, failed = certificatesv1.CertificateApproved, certificatesv1.CertificateDenied, certificatesv1.CertificateFailed
	seen := map[certificatesv1.RequestConditionType]bool{}
	for i, c := range list {
		at, t := p.Index(i), c.Type
		if !may.untypedConditions {
			e.NotEmpty(at.Child("type"), string(t))
		}
		if t == approved || t == denied || t == failed {
			check.RequiredOneOf(e, at.Child("status"), c.Status, corev1.ConditionTrue)
		} else {
			check.RequiredOneOf(e, at.Child("status"), c.Status, corev1.ConditionFalse, corev1.ConditionTrue, corev1.ConditionUnknown)
		}
		if seen[t] && !may.repeatedConditions {
			e.Duplicate(at.Child("type"), t)
		}
		seen[t] = true
	}
}

// change says which part of a request's status an update may change.
type change struct{ approval, certificate bool }

func validateUpdate(csr, old *certificatesv1.CertificateSigningRequest, may change) field.ErrorList {
	e := &check.Errors{}
	status, tolerated := field.NewPath("status"), flawsOf(old)
	if bytes.Equal(csr.Status.Certificate, old.Status.Certificate) {
		tolerated.certificate = true
	} else if !may.certificate {
		e.Forbidden(status.Child("certificate"), "updates may not set certificate content")
	} else if len(old.Status.Certificate) > 0 {
		e.Forbidden(status.Child("certificate"), "updates may not modify existing certificate content")
	}
	e.Add(validate(csr, tolerated)...)
	for _, t := range []certificatesv1.RequestConditionType{certificatesv1.CertificateApproved, certificatesv1.CertificateDenied, certificatesv1.CertificateFailed} {
		now, was := picked(csr, t), picked(old, t)
		says := func(what string) { e.Forbidden(status.Child("conditions"), fmt.Sprintf("updates may not %s", what)) }
		switch fixed := !may.approval && t != certificatesv1.CertificateFailed; {
		case len(now) < len(was):
			says(fmt.Sprintf("remove a condition of type %q", t))
		case fixed && len(now) > len(was):
			says(fmt.Sprintf("add a condition of type %q", t))
		case fixed && !equality.Semantic.DeepEqual(now, was):
			says(fmt.Sprintf("modify a condition of type %q\n%v", t, diff.Diff(was, now)))
		}
	}
	return e.List
}

func picked(csr *certificatesv1.CertificateSigningRequest, t certificatesv1.RequestConditionType) (list []certificatesv1.CertificateSigningRequestCondition) {
	for _, i := range conditionsOf(csr, t) {
		list = append(list, csr.Status.Conditions[i])
	}
	return list
}

// issued requires certificates in PEM, or nothing.
func issued(data []byte) error {
	for rest, n := data, 0; len(data) > 0; n++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			if n == 0 {
				return errors.New("must contain at least one CERTIFICATE PEM block")
			}
			return nil
		}
		if block.Type != "CERTIFICATE" {
			return fmt.Errorf("only CERTIFICATE PEM blocks are allowed, found %q", block.Type)
		}
		if len(block.Headers) > 0 {
			return errors.New("no PEM block headers are permitted")
		}
		certs, err := x509.ParseCertificates(block.Bytes)
		if err != nil {
			return err
		}
		if len(certs) == 0 {
			return errors.New("found CERTIFICATE PEM block containing 0 certificates")
		}
	}
	return nil
}
