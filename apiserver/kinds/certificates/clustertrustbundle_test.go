package certificates

import (
	"crypto/x509"
	"strings"
	"testing"

	certificatesv1beta1 "k8s.io/api/certificates/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestTrustBundle(t *testing.T) {
	k, key := clusterTrustBundle(), ed(t).Public()
	anchor := certificate(t, x509.Certificate{IsCA: true, BasicConstraintsValid: true}, key)
	leaf := certificate(t, x509.Certificate{BasicConstraintsValid: true}, key)
	headed := strings.Replace(anchor, "-----\n", "-----\na: b\n\n", 1)
	const bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
	make1 := func(name, signer, text string) *certificatesv1beta1.ClusterTrustBundle {
		return &certificatesv1beta1.ClusterTrustBundle{
			ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: certificatesv1beta1.ClusterTrustBundleSpec{SignerName: signer, TrustBundle: text},
		}
	}
	const at = "spec.trustBundle: Invalid value: \"<value omitted>\": "
	for _, c := range []struct{ name, signer, text, want string }{
		{"b", "", anchor, ""},
		{"a.b:c:b", "a.b/c", anchor + "text between\n" + certificate(t, x509.Certificate{IsCA: true, BasicConstraintsValid: true}, key), ""},
		{"a:b", "", anchor, `metadata.name: Invalid value: "a:b": ClusterTrustBundle without signer name must not have ":" in its name`},
		{"b", "a.b/c", anchor, `metadata.name: Invalid value: "b": ClusterTrustBundle for signerName a.b/c must be named with prefix a.b:c:`},
		{"a.b:c:B", "a.b/c", anchor, `metadata.name: Invalid value: "a.b:c:B": a lowercase RFC 1123 subdomain`},
		{"a:b", "a", anchor, `spec.signerName: Invalid value: "a": must be a fully qualified domain and path`},
		{"b", "", "", at + "at least one trust anchor must be provided"},
		{"b", "", strings.Repeat("x", 1<<20+1), "spec.trustBundle: Too long: may not be more than 1048576 bytes"},
		{"b", "", anchor + strings.ReplaceAll(anchor, "CERTIFICATE", "KEY"), at + "entry 1 has bad block type: KEY"},
		{"b", "", headed, at + "entry 0 has PEM block headers"},
		{"b", "", bad, at + "entry 0 does not parse as X.509"},
		{"b", "", leaf, at + "entry 0 does not have the CA bit set"},
		{"b", "", anchor + anchor, at + "duplicate trust anchor (indices [0 1])"},
	} {
		t.Run(c.want, func(t *testing.T) {
			expect(t, k.Validate(t.Context(), make1(c.name, c.signer, c.text)), c.want)
		})
	}
	generated := make1("", "a.b/c", anchor)
	generated.GenerateName = "a.b:c:b-"
	expect(t, k.Validate(t.Context(), generated), "")
	generated.GenerateName = "b-"
	expect(t, k.Validate(t.Context(), generated), `metadata.generateName: Invalid value: "b-": ClusterTrustBundle for signerName a.b/c`)

	old := make1("b", "", bad)
	expect(t, k.ValidateUpdate(t.Context(), make1("b", "", bad), old), "")
	expect(t, k.ValidateUpdate(t.Context(), make1("b", "", leaf), old), at+"entry 0 does not have the CA bit set")
	expect(t, k.ValidateUpdate(t.Context(), make1("b", "a.b/c", bad), old), `spec.signerName: Invalid value: "a.b/c": field is immutable`)
}
