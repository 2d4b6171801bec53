package standard_test

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	v1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestWebhooks: webhooks change and refuse objects from the moment that they
// are configured until they no longer are.
func TestWebhooks(t *testing.T) {
	hook := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		review := &admissionv1.AdmissionReview{}
		if err := json.NewDecoder(r.Body).Decode(review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer := &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true}
		if r.URL.Path == "/mutate" {
			answer.Patch, answer.PatchType = []byte(`[{"op": "add", "path": "/metadata/labels", "value": {"by": "webhook"}}]`), new(admissionv1.PatchTypeJSONPatch)
		} else {
			answer.Allowed = !strings.Contains(string(review.Request.Object.Raw), `"by":"webhook"`)
		}
		if err := json.NewEncoder(w).Encode(&admissionv1.AdmissionReview{TypeMeta: review.TypeMeta, Response: answer}); err != nil {
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(hook.Close)
	w := start(t)
	ctx, c := t.Context(), w.admin.AdmissionregistrationV1()
	at := func(path string) v1.WebhookClientConfig {
		return v1.WebhookClientConfig{
			URL: new(hook.URL + path), CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: hook.Certificate().Raw}),
		}
	}
	rules := []v1.RuleWithOperations{{Operations: []v1.OperationType{v1.Create}, Rule: v1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}}}}
	try := func(name, label, want string) {
		t.Helper()
		m, err := w.admin.CoreV1().ConfigMaps("default").Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
		if err == nil && m.Labels["by"] != label {
			t.Errorf("%s: %v", name, m.Labels)
		}
	}
	try("without", "", "")
	if _, err := c.MutatingWebhookConfigurations().Create(ctx, &v1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "m"}, Webhooks: []v1.MutatingWebhook{{
			Name: "m.example.com", ClientConfig: at("/mutate"), Rules: rules, SideEffects: new(v1.SideEffectClassNone), AdmissionReviewVersions: []string{"v1"},
		}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	try("changed", "webhook", "")
	validating := &v1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "v"}, Webhooks: []v1.ValidatingWebhook{{
			Name: "v.example.com", ClientConfig: at("/validate"), Rules: rules, SideEffects: new(v1.SideEffectClassNone), AdmissionReviewVersions: []string{"v1"},
		}},
	}
	validating, err := c.ValidatingWebhookConfigurations().Create(ctx, validating, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	try("refused", "", `admission webhook "v.example.com" denied the request without explanation`)
	if err := c.MutatingWebhookConfigurations().Delete(ctx, "m", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	try("allowed", "", "")
	validating.Webhooks[0].ClientConfig = v1.WebhookClientConfig{Service: &v1.ServiceReference{Namespace: "default", Name: "none"}}
	if _, err := c.ValidatingWebhookConfigurations().Update(ctx, validating, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	try("unreachable", "", `failed calling webhook "v.example.com": failed to call webhook: Post "https://none.default.svc:443/?timeout=10s": service "none" not found`)
}
