package certificates

import (
	"crypto/x509"
	"encoding/pem"
	"testing"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/operation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func csr(t *testing.T) *certificatesv1.CertificateSigningRequest {
	t.Helper()
	return &certificatesv1.CertificateSigningRequest{
		ObjectMeta: metav1.ObjectMeta{Name: "r"},
		Spec: certificatesv1.CertificateSigningRequestSpec{
			Request:    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: stub(t, ed(t))}),
			SignerName: "example.com/signer", Usages: []certificatesv1.KeyUsage{certificatesv1.UsageClientAuth},
		},
	}
}

func TestSigningRequest(t *testing.T) {
	k, fine := certificateSigningRequest(), csr(t)
	for _, c := range []struct {
		change func(s *certificatesv1.CertificateSigningRequestSpec)
		want   string
	}{
		{func(*certificatesv1.CertificateSigningRequestSpec) {}, ""},
		{func(s *certificatesv1.CertificateSigningRequestSpec) { s.Request = nil }, "spec.request: Invalid value: null: PEM block type must be CERTIFICATE REQUEST"},
		{func(s *certificatesv1.CertificateSigningRequestSpec) { s.Usages = nil }, "spec.usages: Required value"},
		{func(s *certificatesv1.CertificateSigningRequestSpec) { s.Usages = append(s.Usages, "any use") }, `spec.usages[1]: Unsupported value: "any use"`},
		{func(s *certificatesv1.CertificateSigningRequestSpec) { s.Usages = append(s.Usages, s.Usages...) }, `spec.usages[1]: Duplicate value: "client auth"`},
		{func(s *certificatesv1.CertificateSigningRequestSpec) { s.SignerName = legacySigner }, `spec.signerName: Invalid value: "kubernetes.io/legacy-unknown": the legacy signerName is not allowed via this API version`},
		{func(s *certificatesv1.CertificateSigningRequestSpec) { s.SignerName = "x" }, `spec.signerName: Invalid value: "x": must be a fully qualified domain and path`},
		{func(s *certificatesv1.CertificateSigningRequestSpec) { n := int32(599); s.ExpirationSeconds = &n }, "spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)"},
	} {
		t.Run(c.want, func(t *testing.T) {
			changed := fine.DeepCopy()
			c.change(&changed.Spec)
			expect(t, k.Validate(t.Context(), changed), c.want)
		})
	}
}

// TestSigningRequestFlaws is about what older servers have let in.
func TestSigningRequestFlaws(t *testing.T) {
	k, old := certificateSigningRequest(), csr(t)
	old.Spec.SignerName = legacySigner
	old.Spec.Usages = []certificatesv1.KeyUsage{"any use", "any use"}
	is := corev1.ConditionTrue
	old.Status.Certificate = []byte("x")
	old.Status.Conditions = []certificatesv1.CertificateSigningRequestCondition{{Status: is}, {Status: is}, {Type: "Approved", Status: is}, {Type: "Denied", Status: is}}
	expect(t, k.ValidateUpdate(t.Context(), old.DeepCopy(), old), "")
	// New flaws are refused beside those of old.
	now := old.DeepCopy()
	now.Spec.Usages = nil
	expect(t, k.ValidateUpdate(t.Context(), now, old), "spec.usages: Required value")
}

func TestApproval(t *testing.T) {
	k, old := certificateSigningRequest(), csr(t)
	approval, status := k.Subresources["approval"], k.Status
	condition := func(conditionType certificatesv1.RequestConditionType, is corev1.ConditionStatus) certificatesv1.CertificateSigningRequestCondition {
		return certificatesv1.CertificateSigningRequestCondition{Type: conditionType, Status: is}
	}
	issuedOne := []byte(certificate(t, x509.Certificate{}, ed(t).Public()))
	with := func(cert []byte, list ...certificatesv1.CertificateSigningRequestCondition) *certificatesv1.CertificateSigningRequest {
		r := old.DeepCopy()
		r.Status.Conditions, r.Status.Certificate = list, cert
		return r
	}
	approved, denied, failed := condition("Approved", "True"), condition("Denied", "True"), condition("Failed", "True")
	for _, c := range []struct {
		name     string
		now, was *certificatesv1.CertificateSigningRequest
		// What is wrong with it as an approval and as a status.
		approval, status string
	}{
		{"approve", with(nil, approved), old, "", `status.conditions: Forbidden: updates may not add a condition of type "Approved"`},
		{"both", with(nil, approved, denied), old, `status.conditions: Invalid value: "{conditions[{\"type\": \"Approved\"}], conditions[{\"type\": \"Denied\"}]}": must specify at most one of`, `status.conditions: Forbidden: updates may not add a condition of type "Approved"`},
		{"take back", with(nil), with(nil, approved), `status.conditions: Forbidden: updates may not remove a condition of type "Approved"`, `status.conditions: Forbidden: updates may not remove a condition of type "Approved"`},
		{"fail", with(nil, failed), old, "", ""},
		{"unfail", with(nil), with(nil, failed), `status.conditions: Forbidden: updates may not remove a condition of type "Failed"`, `status.conditions: Forbidden: updates may not remove a condition of type "Failed"`},
		{"no status", with(nil, condition("Other", "")), old, "status.conditions[0].status: Required value", "status.conditions[0].status: Required value"},
		{"not true", with(nil, condition("Failed", "False")), old, `status.conditions[0].status: Unsupported value: "False": supported values: "True"`, `status.conditions[0].status: Unsupported value: "False"`},
		{"no type", with(nil, condition("", "True")), old, "status.conditions[0].type: Required value", "status.conditions[0].type: Required value"},
		{"twice", with(nil, condition("Other", "True"), condition("Other", "True")), old, `status.conditions[1].type: Duplicate value: "Other"`, `status.conditions[1].type: Duplicate value: "Other"`},
		{"issue", with(issuedOne), old, "", ""}, // approval takes certificates back
		{"no PEM", with([]byte("x")), old, "", `status.certificate: Invalid value: "<certificate data>": must contain at least one CERTIFICATE PEM block`},
		{"issue again", with([]byte(certificate(t, x509.Certificate{}, ed(t).Public()))), with(issuedOne), "", "status.certificate: Forbidden: updates may not modify existing certificate content"},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := c.now.DeepCopy()
			approval.PrepareUpdate(t.Context(), now, c.was)
			op := operation.Operation{Type: operation.Update, Request: operation.Request{Subresources: []string{"approval"}}}
			expect(t, append(approval.ValidateUpdate(t.Context(), now, c.was), k.Rules(t.Context(), op, now, c.was)...), c.approval)
			now = c.now.DeepCopy()
			status.PrepareUpdate(t.Context(), now, c.was)
			expect(t, status.ValidateUpdate(t.Context(), now, c.was), c.status)
			for _, condition := range now.Status.Conditions {
				if condition.LastUpdateTime.IsZero() || condition.LastTransitionTime.IsZero() {
					t.Errorf("%s has no times", condition.Type)
				}
			}
		})
	}
	// Without a part of its own, a writer changes neither.
	expect(t, k.ValidateUpdate(t.Context(), with(issuedOne, approved), old), "status.certificate: Forbidden: updates may not set certificate content")
}
