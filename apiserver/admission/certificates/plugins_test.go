package certificates_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"testing"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/keelson-project/keelson/apiserver/admission/admissiontest"
	"github.com/keelson-project/keelson/apiserver/admission/certificates"
)

// mayOn gives a user one verb on one signer, and nobody else anything.
func mayOn(verb, signer string) authorizer.Authorizer {
	return authorizer.AuthorizerFunc(func(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
		if a.GetUser().GetName() == "ann" && a.GetVerb() == verb && a.GetName() == signer && a.GetResource() == "signers" && a.GetAPIGroup() == "certificates.k8s.io" {
			return authorizer.DecisionAllow, "", nil
		}
		return authorizer.DecisionNoOpinion, "", nil
	})
}

func csr(signer, status string) string {
	return `{"apiVersion":"certificates.k8s.io/v1","kind":"CertificateSigningRequest","metadata":{"name":"c"},"spec":{"signerName":"` + signer + `"},"status":{` + status + `}}`
}

func TestApproval(t *testing.T) {
	ann, bob := &user.DefaultInfo{Name: "ann"}, &user.DefaultInfo{Name: "bob"}
	for _, signer := range []string{"example.com/s", "example.com/*"} {
		admissiontest.Run(t, certificates.Approval{Authorizer: mayOn("approve", signer)}, []admissiontest.Case{
			{Name: "may", Object: csr("example.com/s", ""), Old: csr("example.com/s", ""), Subresource: "approval", User: ann},
			{Name: "may not", Object: csr("example.com/s", ""), Old: csr("example.com/s", ""), Subresource: "approval", User: bob,
				Refused: `certificatesigningrequests.certificates.k8s.io "c" is forbidden: user not permitted to approve requests with signerName "example.com/s"`},
			{Name: "another signer", Object: csr("example.com/s", ""), Old: csr("other.com/s", ""), Subresource: "approval", User: ann, Refused: `signerName "other.com/s"`},
			{Name: "no approval", Object: csr("example.com/s", ""), Old: csr("example.com/s", ""), User: bob},
		})
	}
}

func TestSigning(t *testing.T) {
	ann, bob := &user.DefaultInfo{Name: "ann"}, &user.DefaultInfo{Name: "bob"}
	const signed = `"certificate":"YQ=="`
	admissiontest.Run(t, certificates.Signing{Authorizer: mayOn("sign", "example.com/s")}, []admissiontest.Case{
		{Name: "may", Object: csr("example.com/s", signed), Old: csr("example.com/s", ""), Subresource: "status", User: ann},
		{Name: "may not", Object: csr("example.com/s", signed), Old: csr("example.com/s", ""), Subresource: "status", User: bob, Refused: `user not permitted to sign requests with signerName "example.com/s"`},
		{Name: "may not say that it failed", Object: csr("example.com/s", `"conditions":[{"type":"Failed"}]`), Old: csr("example.com/s", ""), Subresource: "status", User: bob, Refused: "not permitted to sign"},
		{Name: "changes nothing", Object: csr("example.com/s", signed), Old: csr("example.com/s", signed), Subresource: "status", User: bob},
	})
	admissiontest.Run(t, certificates.Signing{}, []admissiontest.Case{
		{Name: "everybody may everything", Object: csr("example.com/s", signed), Old: csr("example.com/s", ""), Subresource: "status", User: bob},
	})
}

func TestAttest(t *testing.T) {
	ann, bob := &user.DefaultInfo{Name: "ann"}, &user.DefaultInfo{Name: "bob"}
	for _, version := range []string{"v1", "v1beta1"} {
		bundle := func(meta, signer, bundle string) string {
			return `{"apiVersion":"certificates.k8s.io/` + version + `","kind":"ClusterTrustBundle","metadata":{"name":"b"` + meta + `},"spec":{"signerName":"` + signer + `","trustBundle":"` + bundle + `"}}`
		}
		admissiontest.Run(t, certificates.Attest{Authorizer: mayOn("attest", "example.com/s")}, []admissiontest.Case{
			{Name: "may", Object: bundle("", "example.com/s", "x"), User: ann},
			{Name: "may not", Object: bundle("", "example.com/s", "x"), User: bob, Refused: `user not permitted to attest for signerName "example.com/s"`},
			{Name: "no signer", Object: bundle("", "", "x"), User: bob},
			{Name: "changed", Object: bundle("", "example.com/s", "y"), Old: bundle("", "example.com/s", "x"), User: bob, Refused: "not permitted to attest"},
			{Name: "only finalizers changed", Object: bundle(`,"finalizers":["a/b"]`, "example.com/s", "x"), Old: bundle("", "example.com/s", "x"), User: bob},
		})
	}
}

func TestSubjects(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	request := func(signer string, groups ...string) string {
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "ann", Organization: groups}}, key)
		if err != nil {
			t.Fatal(err)
		}
		text := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
		return `{"apiVersion":"certificates.k8s.io/v1","kind":"CertificateSigningRequest","metadata":{"name":"c"},"spec":{"signerName":"` + signer + `","request":"` + text + `"}}`
	}
	const clients = "kubernetes.io/kube-apiserver-client"
	admissiontest.Run(t, certificates.SubjectRestriction{}, []admissiontest.Case{
		{Name: "a user", Object: request(clients, "people")},
		{Name: "a master", Object: request(clients, "people", "system:masters"), Refused: "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed"},
		{Name: "of another signer", Object: request("example.com/s", "system:masters")},
		{Name: "rubbish", Object: csr(clients, ""), Refused: "failed to parse CSR: PEM block type must be CERTIFICATE REQUEST"},
	})
}
