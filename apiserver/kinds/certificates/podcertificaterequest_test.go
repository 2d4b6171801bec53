package certificates

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	certificatesv1beta1 "k8s.io/api/certificates/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/request"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

func ed(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func ec(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// stub is a PKCS #10 request for nothing in particular.
func stub(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// certificate is one for a public key, signed by a new authority.
func certificate(t *testing.T, template x509.Certificate, key crypto.PublicKey) string {
	t.Helper()
	template.SerialNumber = big.NewInt(1)
	der, err := x509.CreateCertificate(rand.Reader, &template, &x509.Certificate{Subject: pkix.Name{CommonName: "ca"}}, key, ed(t))
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func podRequest(t *testing.T, key crypto.Signer) *certificatesv1beta1.PodCertificateRequest {
	t.Helper()
	r := &certificatesv1beta1.PodCertificateRequest{
		ObjectMeta: metav1.ObjectMeta{Name: "r", Namespace: "ns"},
		Spec: certificatesv1beta1.PodCertificateRequestSpec{
			SignerName: "example.com/signer", PodName: "p", PodUID: "u1", ServiceAccountName: "s", ServiceAccountUID: "u2",
			NodeName: "n", NodeUID: "u3", StubPKCS10Request: stub(t, key),
		},
	}
	podCertificateRequest().Default(r)
	return r
}

func expect(t *testing.T, errs field.ErrorList, want string) {
	t.Helper()
	if want == "" {
		if len(errs) > 0 {
			t.Error("refused:", errs)
		}
		return
	}
	for _, err := range errs {
		if strings.HasPrefix(err.Error(), want) {
			return
		}
	}
	t.Errorf("%v, want %s", errs, want)
}

func TestPodRequest(t *testing.T) {
	k, key := podCertificateRequest(), ed(t)
	r := podRequest(t, key)
	if got := *r.Spec.MaxExpirationSeconds; got != 86400 {
		t.Errorf("a certificate for %d s by default, want a day", got)
	}
	long := strings.Repeat("u", 129)
	seconds := func(n int32) *int32 { return &n }
	for _, c := range []struct {
		name   string
		change func(s *certificatesv1beta1.PodCertificateRequestSpec)
		want   string
	}{
		{"fine", func(*certificatesv1beta1.PodCertificateRequestSpec) {}, ""},
		{"no signer", func(s *certificatesv1beta1.PodCertificateRequestSpec) { s.SignerName = "" }, "spec.signerName: Required value"},
		{"pod", func(s *certificatesv1beta1.PodCertificateRequestSpec) { s.PodName = "P" }, `spec.podName: Invalid value: "P": a lowercase RFC 1123 subdomain`},
		{"no pod UID", func(s *certificatesv1beta1.PodCertificateRequestSpec) { s.PodUID = "" }, `spec.podUID: Invalid value: "": must not be empty`},
		{"pod UID", func(s *certificatesv1beta1.PodCertificateRequestSpec) { s.PodUID = types.UID(long) }, "spec.podUID: Too long: may not be more than 128 bytes"},
		{"account", func(s *certificatesv1beta1.PodCertificateRequestSpec) { s.ServiceAccountName = "_" }, `spec.serviceAccountName: Invalid value: "_"`},
		{"no account UID", func(s *certificatesv1beta1.PodCertificateRequestSpec) { s.ServiceAccountUID = "" }, `spec.serviceAccountUID: Invalid value: ""`},
		{"account UID", func(s *certificatesv1beta1.PodCertificateRequestSpec) { s.ServiceAccountUID = types.UID(long) }, "spec.serviceAccountUID: Too long"},
		{"node", func(s *certificatesv1beta1.PodCertificateRequestSpec) { s.NodeName = "" }, `spec.nodeName: Invalid value: ""`},
		{"no node UID", func(s *certificatesv1beta1.PodCertificateRequestSpec) { s.NodeUID = "" }, `spec.nodeUID: Invalid value: ""`},
		{"node UID", func(s *certificatesv1beta1.PodCertificateRequestSpec) { s.NodeUID = types.UID(long) }, "spec.nodeUID: Too long"},
		{"annotation", func(s *certificatesv1beta1.PodCertificateRequestSpec) {
			s.UnverifiedUserAnnotations = map[string]string{"k": "v"}
		}, `spec.unverifiedUserAnnotations: Invalid value: "k"`},
		{"fine annotation", func(s *certificatesv1beta1.PodCertificateRequestSpec) {
			s.UnverifiedUserAnnotations = map[string]string{"Example.com/K": "v"}
		}, ""},
		{"annotations", func(s *certificatesv1beta1.PodCertificateRequestSpec) {
			s.UnverifiedUserAnnotations = map[string]string{"example.com/k": strings.Repeat("v", 256<<10)}
		}, "spec.unverifiedUserAnnotations: Too long"},
		{"no expiration", func(s *certificatesv1beta1.PodCertificateRequestSpec) { s.MaxExpirationSeconds = nil }, "spec.maxExpirationSeconds: Required value: must be set"},
		{"short", func(s *certificatesv1beta1.PodCertificateRequestSpec) { s.MaxExpirationSeconds = seconds(3599) }, "spec.maxExpirationSeconds: Invalid value: 3599: must be in the range [3600, 7862400]"},
		{"91 days", func(s *certificatesv1beta1.PodCertificateRequestSpec) { s.MaxExpirationSeconds = seconds(7862400) }, ""},
		{"long", func(s *certificatesv1beta1.PodCertificateRequestSpec) { s.MaxExpirationSeconds = seconds(7862401) }, "spec.maxExpirationSeconds: Invalid value: 7862401"},
		{"long for Kubernetes", func(s *certificatesv1beta1.PodCertificateRequestSpec) {
			s.SignerName, s.MaxExpirationSeconds = "kubernetes.io/s", seconds(86401)
		}, "spec.maxExpirationSeconds: Invalid value: 86401: must be in the range [3600, 86400]"},
		{"nothing asked", func(s *certificatesv1beta1.PodCertificateRequestSpec) { s.StubPKCS10Request = nil }, "spec: Invalid value: exactly one of (stubPKCS10Request) or (pkixPublicKey, proofOfPossession) must be set"},
		{"both forms", func(s *certificatesv1beta1.PodCertificateRequestSpec) { s.PKIXPublicKey = []byte("k") }, "spec: Invalid value: exactly one of"},
		{"large stub", func(s *certificatesv1beta1.PodCertificateRequestSpec) { s.StubPKCS10Request = make([]byte, 10<<10+1) }, "spec.stubPKCS10Request: Too long"},
		{"no stub", func(s *certificatesv1beta1.PodCertificateRequestSpec) { s.StubPKCS10Request = []byte("x") }, "spec.stubPKCS10Request: Invalid value: must be a valid PKCS#10 CSR"},
		{"curve", func(s *certificatesv1beta1.PodCertificateRequestSpec) {
			s.StubPKCS10Request = stub(t, ec(t, elliptic.P224()))
		}, `spec.stubPKCS10Request: Invalid value: "curve P-224": elliptic public keys must use curve P256, P384, or P521`},
		{"curve that will do", func(s *certificatesv1beta1.PodCertificateRequestSpec) {
			s.StubPKCS10Request = stub(t, ec(t, elliptic.P384()))
		}, ""},
		{"modulus", func(s *certificatesv1beta1.PodCertificateRequestSpec) { s.StubPKCS10Request = stub(t, rsaKey(t, 2048)) }, `spec.stubPKCS10Request: Invalid value: "2048-bit modulus": RSA keys must have modulus size 3072 or 4096`},
		{"signature", func(s *certificatesv1beta1.PodCertificateRequestSpec) {
			s.StubPKCS10Request = stub(t, key)
			s.StubPKCS10Request[len(s.StubPKCS10Request)-1] ^= 1
		}, "spec.stubPKCS10Request: Invalid value: invalid signature"},
	} {
		t.Run(c.name, func(t *testing.T) {
			changed := r.DeepCopy()
			c.change(&changed.Spec)
			expect(t, k.Validate(t.Context(), changed), c.want)
		})
	}
	other := podRequest(t, key)
	other.Spec.PodName = "q"
	expect(t, k.ValidateUpdate(t.Context(), other, r), `spec: Invalid value: {"SignerName":"example.com/signer","PodName":"q"`)
	expect(t, k.ValidateUpdate(t.Context(), r.DeepCopy(), r), "")
}

// TestProofOfPossession is about requests as only v1beta1 has them.
func TestProofOfPossession(t *testing.T) {
	k := podCertificateRequest()
	sign := func(key crypto.Signer, text string) []byte {
		t.Helper()
		message, opts := []byte(text), crypto.SignerOpts(crypto.Hash(0))
		if _, ok := key.(ed25519.PrivateKey); !ok {
			sum := sha256.Sum256(message)
			message, opts = sum[:], crypto.SHA256
		}
		if _, ok := key.(*rsa.PrivateKey); ok {
			opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
		}
		out, err := key.Sign(rand.Reader, message, opts)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	ask := func(key crypto.Signer, proof []byte) field.ErrorList {
		t.Helper()
		der, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		r := podRequest(t, key)
		r.Spec.StubPKCS10Request, r.Spec.PKIXPublicKey, r.Spec.ProofOfPossession = nil, der, proof
		return k.Validate(t.Context(), r)
	}
	for name, key := range map[string]crypto.Signer{"ed25519": ed(t), "ecdsa": ec(t, elliptic.P256()), "rsa": rsaKey(t, 3072)} {
		t.Run(name, func(t *testing.T) {
			expect(t, ask(key, sign(key, "u1")), "")
			expect(t, ask(key, sign(key, "u2")), "spec.proofOfPossession: Invalid value: could not verify proof-of-possession signature")
		})
	}
	expect(t, ask(ec(t, elliptic.P224()), []byte("p")), `spec.pkixPublicKey: Invalid value: "curve P-224": elliptic public keys must use curve P256 or P384`)
	expect(t, ask(rsaKey(t, 2048), []byte("p")), `spec.pkixPublicKey: Invalid value: "2048-bit modulus"`)
	expect(t, ask(ed(t), make([]byte, 10<<10+1)), "spec.proofOfPossession: Too long")
	expect(t, ask(ed(t), nil), "spec: Invalid value: exactly one of")
	r := podRequest(t, ed(t))
	r.Spec.StubPKCS10Request, r.Spec.PKIXPublicKey, r.Spec.ProofOfPossession = nil, []byte("k"), []byte("p")
	expect(t, k.Validate(t.Context(), r), "spec.pkixPublicKey: Invalid value")
	r.Spec.PKIXPublicKey = make([]byte, 10<<10+1)
	expect(t, k.Validate(t.Context(), r), "spec.pkixPublicKey: Too long")
}

func condition(conditionType string, status metav1.ConditionStatus) metav1.Condition {
	return metav1.Condition{Type: conditionType, Status: status, Reason: "R", LastTransitionTime: metav1.Now()}
}

func TestPodRequestAnswers(t *testing.T) {
	k, key := podCertificateRequest(), ed(t)
	now := time.Now().Truncate(time.Second)
	from, refresh, to := metav1.NewTime(now), metav1.NewTime(now.Add(time.Hour)), metav1.NewTime(now.Add(24*time.Hour))
	leaf := x509.Certificate{NotBefore: from.Time, NotAfter: to.Time}
	chain := certificate(t, leaf, key.Public())
	old := podRequest(t, key)
	done := old.DeepCopy()
	done.Status = certificatesv1beta1.PodCertificateRequestStatus{
		Conditions: []metav1.Condition{condition("Issued", "True")}, CertificateChain: chain, NotBefore: &from, BeginRefreshAt: &refresh, NotAfter: &to,
	}
	with := func(change func(*x509.Certificate)) string {
		other := leaf
		change(&other)
		return certificate(t, other, key.Public())
	}
	type status = certificatesv1beta1.PodCertificateRequestStatus
	for _, c := range []struct {
		name   string
		change func(s *status)
		want   string
	}{
		{"issued", func(*status) {}, ""},
		{"chain", func(s *status) { s.CertificateChain += chain }, ""},
		{"denied", func(s *status) { *s = status{Conditions: []metav1.Condition{condition("Denied", "True")}} }, ""},
		{"failed", func(s *status) { *s = status{Conditions: []metav1.Condition{condition("Failed", "True")}} }, ""},
		{"denied with more", func(s *status) { s.Conditions[0].Type = "Denied" }, "status: Invalid value: non-condition status fields must be empty when denying or failing the PodCertificateRequest"},
		{"no answer", func(s *status) { s.Conditions = nil }, `status: Invalid value: status is immutable unless transitioning to "Issued", "Denied", or "Failed"`},
		{"unknown condition", func(s *status) { s.Conditions[0].Type = "Other" }, `status.conditions.[0].type: Unsupported value: "Other": supported values: "Issued", "Denied", "Failed"`},
		{"not true", func(s *status) { s.Conditions[0].Status = "False" }, `status.conditions.[0].status: Unsupported value: "False": supported values: "True"`},
		{"two", func(s *status) { s.Conditions = append(s.Conditions, condition("Failed", "True")) }, `status.conditions.[1].type: Invalid value: "Failed": There may be at most one condition with type "Issued", "Denied", or "Failed"`},
		{"no reason", func(s *status) { s.Conditions[0].Reason = "" }, "status.conditions[0].reason: Required value"},
		{"large", func(s *status) { s.CertificateChain = strings.Repeat("x", 100<<10+1) }, "status.certificateChain: Too long"},
		{"no certificate", func(s *status) { s.CertificateChain = "x" }, `status.certificateChain: Invalid value: "x": issued certificate chain must contain at least one certificate`},
		{"other block", func(s *status) { s.CertificateChain = strings.ReplaceAll(chain, "CERTIFICATE", "KEY") }, "status.certificateChain: Invalid value"},
		{"bad certificate", func(s *status) {
			s.CertificateChain = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
		}, "status.certificateChain: Invalid value"},
		{"bad intermediate", func(s *status) {
			s.CertificateChain += "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
		}, "status.certificateChain: Invalid value"},
		{"another block behind", func(s *status) { s.CertificateChain += strings.ReplaceAll(chain, "CERTIFICATE", "KEY") }, "status.certificateChain: Invalid value"},
		{"another key", func(s *status) { s.CertificateChain = certificate(t, leaf, ed(t).Public()) }, "status.certificateChain: Invalid value"},
		{"dots", func(s *status) {
			s.CertificateChain = with(func(c *x509.Certificate) { c.DNSNames = []string{"a..b"} })
		}, `status.certificateChain: Invalid value: "a..b": leaf certificate's DNSName should not contain '..'`},
		{"dot", func(s *status) { s.CertificateChain = with(func(c *x509.Certificate) { c.DNSNames = []string{".b"} }) }, `status.certificateChain: Invalid value: ".b": leaf certificate's DNSName should not start or end with '.'`},
		{"mail", func(s *status) {
			s.CertificateChain = with(func(c *x509.Certificate) { c.EmailAddresses = []string{"b"} })
		}, `status.certificateChain: Invalid value: "b": leaf certificate should not contain invalid EmailAddress`},
		{"no times", func(s *status) { s.NotBefore, s.NotAfter, s.BeginRefreshAt = nil, nil, nil }, "status.notBefore: Required value"},
		{"no end", func(s *status) { s.NotAfter = nil }, "status.notAfter: Required value"},
		{"no refresh", func(s *status) { s.BeginRefreshAt = nil }, "status.beginRefreshAt: Required value"},
		{"other begin", func(s *status) { s.NotBefore = &refresh }, "status.notBefore: Invalid value"},
		{"old begin", func(s *status) {
			early := metav1.NewTime(now.Add(-6 * time.Minute))
			s.NotBefore, s.CertificateChain = &early, with(func(c *x509.Certificate) { c.NotBefore = early.Time })
		}, "status.notBefore: Invalid value"},
		{"other end", func(s *status) { s.NotAfter = &refresh }, "status.notAfter: Invalid value"},
		{"short", func(s *status) {
			soon := metav1.NewTime(now.Add(59 * time.Minute))
			s.NotAfter, s.CertificateChain = &soon, with(func(c *x509.Certificate) { c.NotAfter = soon.Time })
		}, `status.certificateChain: Invalid value: 3540000000000: leaf certificate lifetime must be >= 1 hour`},
		{"long", func(s *status) {
			late := metav1.NewTime(now.Add(25 * time.Hour))
			s.NotAfter, s.CertificateChain = &late, with(func(c *x509.Certificate) { c.NotAfter = late.Time })
		}, `status.certificateChain: Invalid value: 90000000000000: leaf certificate lifetime must be <= spec.maxExpirationSeconds (86400)`},
		{"early refresh", func(s *status) { s.BeginRefreshAt = &from }, "status.beginRefreshAt: Invalid value"},
		{"late refresh", func(s *status) { s.BeginRefreshAt = &to }, "status.beginRefreshAt: Invalid value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			changed := done.DeepCopy()
			c.change(&changed.Status)
			expect(t, k.Status.ValidateUpdate(t.Context(), changed, old), c.want)
			again := changed.DeepCopy()
			again.Status.Conditions = append([]metav1.Condition{}, condition("Failed", "True"))
			if c.want == "" && c.name != "failed" {
				expect(t, k.Status.ValidateUpdate(t.Context(), again, changed), "status: Invalid value: immutable after PodCertificateRequest is issued, denied, or failed")
			}
		})
	}
}

func TestOnlySignersAnswer(t *testing.T) {
	k, old := podCertificateRequest(), podRequest(t, ed(t))
	RequireSigner(k, authorizer.AuthorizerFunc(func(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
		if a.GetUser().GetName() == a.GetName() && a.GetVerb() == "sign" && a.GetResource() == "signers" && a.GetAPIGroup() == "certificates.k8s.io" {
			return authorizer.DecisionAllow, "", nil
		}
		return authorizer.DecisionNoOpinion, "", nil
	}))
	failed := old.DeepCopy()
	failed.Status.Conditions = []metav1.Condition{condition("Failed", "True")}
	as := func(name string) context.Context {
		return request.WithUser(t.Context(), &user.DefaultInfo{Name: name})
	}
	expect(t, k.Status.ValidateUpdate(as("example.com/signer"), failed, old), "")
	expect(t, k.Status.ValidateUpdate(as("example.com/*"), failed, old), "")
	expect(t, k.Status.ValidateUpdate(as("jane"), failed, old), `spec.signerName: Forbidden: User "jane" is not permitted to "sign" for signer "example.com/signer"`)
	expect(t, k.Status.ValidateUpdate(as("jane"), old, old), "")
	expect(t, k.Status.ValidateUpdate(t.Context(), failed, old), "spec.signerName: Internal error")
}

// TestStoredForm is about what v1 does not show of a request.
func TestStoredForm(t *testing.T) {
	k := podCertificateRequest()
	old := podRequest(t, ed(t))
	old.Spec.StubPKCS10Request, old.Spec.PKIXPublicKey, old.Spec.ProofOfPossession = nil, []byte("k"), []byte("p")
	view := k.Views[0]
	seen, err := view.FromStored(old)
	if err != nil {
		t.Fatal(err)
	}
	seen.(*certificatesv1.PodCertificateRequest).Status.Conditions = []metav1.Condition{condition("Denied", "True")}
	back, err := view.ToStored(seen)
	if err != nil {
		t.Fatal(err)
	}
	k.Status.PrepareUpdate(t.Context(), back, old)
	if got := back.(*certificatesv1beta1.PodCertificateRequest); string(got.Spec.PKIXPublicKey) != "k" || len(got.Status.Conditions) != 1 {
		t.Errorf("an answer through v1 leaves %+v", got)
	}
	if _, err := view.ToStored(kinds.Object(old)); err == nil {
		t.Error("a stored object passes for one that is shown")
	}
}
