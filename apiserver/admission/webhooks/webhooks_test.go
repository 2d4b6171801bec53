package webhooks

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	v1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/warning"

	"github.com/keelson-project/keelson/apiserver/admission"
	"github.com/keelson-project/keelson/apiserver/admission/match"
	"github.com/keelson-project/keelson/apiserver/admission/view"
)

// judge is a webhook; it answers with what say makes of a review.
type judge struct {
	*httptest.Server
	reviews []*admissionv1.AdmissionReview // while it is asked by one at a time
}

func serve(t *testing.T, say func(r *admissionv1.AdmissionReview) any) *judge {
	t.Helper()
	j := &judge{}
	j.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		review := &admissionv1.AdmissionReview{}
		if err := json.NewDecoder(r.Body).Decode(review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		j.reviews = append(j.reviews, review)
		answer := say(review)
		if answer == nil {
			<-r.Context().Done()
			return
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(j.Close)
	return j
}

// answer is one in the form of the question.
func answer(r *admissionv1.AdmissionReview, a admissionv1.AdmissionResponse) *admissionv1.AdmissionReview {
	a.UID = r.Request.UID
	return &admissionv1.AdmissionReview{TypeMeta: r.TypeMeta, Response: &a}
}

func allow(r *admissionv1.AdmissionReview) any {
	return answer(r, admissionv1.AdmissionResponse{Allowed: true})
}

func patching(patch string) func(r *admissionv1.AdmissionReview) any {
	return func(r *admissionv1.AdmissionReview) any {
		return answer(r, admissionv1.AdmissionResponse{Allowed: true, Patch: []byte(patch), PatchType: new(admissionv1.PatchTypeJSONPatch)})
	}
}

// hookAt is a webhook about config maps, with what edit says otherwise.
func hookAt(j *judge, edit func(w *v1.MutatingWebhook)) v1.MutatingWebhook {
	w := v1.MutatingWebhook{
		Name: "hook.example.com", AdmissionReviewVersions: []string{"v1"},
		ClientConfig: v1.WebhookClientConfig{
			URL: &j.URL, CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: j.Certificate().Raw}),
		},
		Rules: []v1.RuleWithOperations{{Operations: []v1.OperationType{"*"}, Rule: v1.Rule{
			APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"},
		}}},
		FailurePolicy: new(v1.Fail), MatchPolicy: new(v1.Equivalent), SideEffects: new(v1.SideEffectClassNone), TimeoutSeconds: new(int32(5)),
		NamespaceSelector: &metav1.LabelSelector{}, ObjectSelector: &metav1.LabelSelector{}, ReinvocationPolicy: new(v1.NeverReinvocationPolicy),
	}
	if edit != nil {
		edit(&w)
	}
	return w
}

func validatingOf(w v1.MutatingWebhook) v1.ValidatingWebhook {
	return v1.ValidatingWebhook{
		Name: w.Name, ClientConfig: w.ClientConfig, Rules: w.Rules, FailurePolicy: w.FailurePolicy, MatchPolicy: w.MatchPolicy,
		NamespaceSelector: w.NamespaceSelector, ObjectSelector: w.ObjectSelector, SideEffects: w.SideEffects, TimeoutSeconds: w.TimeoutSeconds,
		AdmissionReviewVersions: w.AdmissionReviewVersions, MatchConditions: w.MatchConditions,
	}
}

func world() *view.World {
	return &view.World{
		World: match.World{
			Namespace: func(_ context.Context, name string) (*corev1.Namespace, error) {
				return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"name": name}}}, nil
			},
			Equivalent: func(gvr schema.GroupVersionResource, _ string) []match.Version {
				gvr.Version = "v0"
				return []match.Version{{Resource: gvr, Kind: gvr.GroupVersion().WithKind("ConfigMap")}}
			},
		},
		Convert: func(obj runtime.Object, _, _ match.Version, _ string) (runtime.Object, error) {
			return obj.DeepCopyObject(), nil
		},
		Settle: func(obj runtime.Object, _ match.Version) error {
			if m, ok := obj.(*corev1.ConfigMap); ok && m.Data["default"] == "yes" {
				m.Data["defaulted"] = "yes"
			}
			return nil
		},
	}
}

func mutatingStep(t *testing.T, list ...v1.MutatingWebhook) *Mutating {
	hooks := NewMutating(nil)(slices.Values([]*v1.MutatingWebhookConfiguration{{ObjectMeta: metav1.ObjectMeta{Name: "c"}, Webhooks: list}}))
	p := &Mutating{World: world(), Hooks: func(context.Context) (*Hooks, error) { return hooks, nil }}
	t.Cleanup(p.CloseIdleConnections)
	return p
}

func validatingStep(t *testing.T, list ...v1.MutatingWebhook) *Validating {
	c := &v1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "c"}}
	for _, w := range list {
		c.Webhooks = append(c.Webhooks, validatingOf(w))
	}
	hooks := NewValidating(nil)(slices.Values([]*v1.ValidatingWebhookConfiguration{c}))
	p := &Validating{World: world(), Hooks: func(context.Context) (*Hooks, error) { return hooks, nil }}
	t.Cleanup(p.CloseIdleConnections)
	return p
}

func create(data map[string]string) *admission.Attributes {
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "m", Labels: map[string]string{"a": "b"}}, Data: data}
	options := &metav1.CreateOptions{}
	options.SetGroupVersionKind(metav1.SchemeGroupVersion.WithKind("CreateOptions"))
	return &admission.Attributes{
		Operation: admission.Create, Resource: corev1.SchemeGroupVersion.WithResource("configmaps"), Kind: corev1.SchemeGroupVersion.WithKind("ConfigMap"),
		Namespace: "ns", Name: "m", Object: m, Options: options, User: &user.DefaultInfo{Name: "jane", Groups: []string{"g"}, Extra: map[string][]string{"k": {"v"}}},
	}
}

// heard collects warnings.
type heard []string

// AddWarning implements warning.Recorder.
func (h *heard) AddWarning(_, text string) { *h = append(*h, text) }

func says(t *testing.T, what string, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("%s: %v, want %q", what, err, want)
	}
}

// TestAsked: which writes a webhook is asked about, and in which version.
func TestAsked(t *testing.T) {
	j := serve(t, allow)
	for _, c := range []struct {
		what string
		edit func(w *v1.MutatingWebhook)
		a    func(a *admission.Attributes)
		want string // the version that it sees
		err  string
	}{
		{"named", nil, nil, "v1", ""},
		{"another resource", func(w *v1.MutatingWebhook) { w.Rules[0].Resources = []string{"pods"} }, nil, "", ""},
		{"equivalent", func(w *v1.MutatingWebhook) { w.Rules[0].APIVersions = []string{"v0"} }, nil, "v0", ""},
		{"exact", func(w *v1.MutatingWebhook) {
			w.Rules[0].APIVersions, w.MatchPolicy = []string{"v0"}, new(v1.Exact)
		}, nil, "", ""},
		{"namespace", func(w *v1.MutatingWebhook) { w.NamespaceSelector.MatchLabels = map[string]string{"name": "ns"} }, nil, "v1", ""},
		{"another namespace", func(w *v1.MutatingWebhook) { w.NamespaceSelector.MatchLabels = map[string]string{"name": "x"} }, nil, "", ""},
		{"another object", func(w *v1.MutatingWebhook) { w.ObjectSelector.MatchLabels = map[string]string{"a": "x"} }, nil, "", ""},
		{"condition", func(w *v1.MutatingWebhook) {
			w.MatchConditions = []v1.MatchCondition{{Name: "a", Expression: "request.userInfo.username == 'jane' && object.metadata.name == 'm'"}}
		}, nil, "v1", ""},
		{"false condition", func(w *v1.MutatingWebhook) {
			w.MatchConditions = []v1.MatchCondition{{Name: "a", Expression: "object.data.x == 'y'"}, {Name: "b", Expression: "false"}}
		}, nil, "", ""},
		{"condition without an answer", func(w *v1.MutatingWebhook) {
			w.MatchConditions = []v1.MatchCondition{{Name: "a", Expression: "object.data.x == 'y'"}}
		}, nil, "", "forbidden: expression 'object.data.x == 'y'' resulted in error"},
		{"that is ignored", func(w *v1.MutatingWebhook) {
			w.MatchConditions, w.FailurePolicy = []v1.MatchCondition{{Name: "a", Expression: "object.data.x == 'y'"}}, new(v1.Ignore)
		}, nil, "", ""},
		{"dry run", nil, func(a *admission.Attributes) { a.DryRun = true }, "v1", ""},
		{"dry run with side effects", func(w *v1.MutatingWebhook) { w.SideEffects = new(v1.SideEffectClassSome) }, func(a *admission.Attributes) { a.DryRun = true },
			"", `admission webhook "hook.example.com" does not support dry run`},
		{"unknown reviews", func(w *v1.MutatingWebhook) { w.AdmissionReviewVersions = []string{"v2"} }, nil, "", "webhook does not accept known AdmissionReview versions (v1, v1beta1)"},
		{"a webhook itself", func(w *v1.MutatingWebhook) { w.Rules[0].APIGroups, w.Rules[0].Resources = []string{"*"}, []string{"*"} }, func(a *admission.Attributes) {
			a.Resource = v1.SchemeGroupVersion.WithResource("mutatingwebhookconfigurations")
		}, "", ""},
	} {
		for _, mutating := range []bool{true, false} {
			j.reviews = nil
			a := create(nil)
			if c.a != nil {
				c.a(a)
			}
			var err error
			if mutating {
				err = mutatingStep(t, hookAt(j, c.edit)).Admit(t.Context(), a)
			} else {
				err = validatingStep(t, hookAt(j, c.edit)).Validate(t.Context(), a)
			}
			says(t, c.what, err, c.err)
			got := ""
			if len(j.reviews) > 0 {
				got = j.reviews[0].Request.Kind.Version
			}
			if got != c.want {
				t.Errorf("%s: seen as %q, want %q", c.what, got, c.want)
			}
		}
	}
}

// TestAnswers: what comes of the answers of webhooks.
func TestAnswers(t *testing.T) {
	refuse := func(s *metav1.Status) func(r *admissionv1.AdmissionReview) any {
		return func(r *admissionv1.AdmissionReview) any { return answer(r, admissionv1.AdmissionResponse{Result: s}) }
	}
	for _, c := range []struct {
		what      string
		say       func(r *admissionv1.AdmissionReview) any
		err       string
		code      int32
		ignorable bool
	}{
		{"allowed", allow, "", 0, false},
		{"refused", refuse(nil), `admission webhook "hook.example.com" denied the request without explanation`, 400, false},
		{"refused with a message", refuse(&metav1.Status{Message: "no", Code: 418}), `admission webhook "hook.example.com" denied the request: no`, 418, false},
		{"refused with a reason", refuse(&metav1.Status{Reason: "Because", Code: 200, Status: "Success"}), `denied the request: Because`, 400, false},
		{"no response", func(r *admissionv1.AdmissionReview) any { return r }, "Internal error occurred: failed calling webhook \"hook.example.com\": received invalid webhook response: webhook response was absent", 500, true},
		{"another uid", func(r *admissionv1.AdmissionReview) any { r.Request.UID = "x"; return allow(r) }, `expected response.uid=`, 500, true},
		{"no kind", func(r *admissionv1.AdmissionReview) any { r.TypeMeta = metav1.TypeMeta{}; return allow(r) }, `expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got /, Kind=`, 500, true},
		{"no review", func(*admissionv1.AdmissionReview) any { return "hello" }, "failed to call webhook", 500, true},
		{"too late", func(*admissionv1.AdmissionReview) any { return nil }, "context deadline exceeded", 500, true},
	} {
		j := serve(t, c.say)
		for _, policy := range []v1.FailurePolicyType{v1.Fail, v1.Ignore} {
			edit := func(w *v1.MutatingWebhook) { w.FailurePolicy, w.TimeoutSeconds = &policy, new(int32(1)) }
			for _, mutating := range []bool{true, false} {
				a, want := create(nil), c.err
				if c.ignorable && policy == v1.Ignore {
					want = ""
				}
				var err error
				if mutating {
					err = mutatingStep(t, hookAt(j, edit)).Admit(t.Context(), a)
				} else {
					err = validatingStep(t, hookAt(j, edit)).Validate(t.Context(), a)
				}
				says(t, c.what, err, want)
				var status apierrors.APIStatus
				if errors.As(err, &status) && status.Status().Code != c.code {
					t.Errorf("%s: %+v", c.what, status.Status())
				}
				open := "failed-open.validating.webhook.admission.k8s.io/round_0_index_0"
				if mutating {
					open = "failed-open.mutation.webhook.admission.k8s.io/round_0_index_0"
				}
				if noted := a.Annotations[open] == "hook.example.com"; noted != (c.ignorable && policy == v1.Ignore) {
					t.Errorf("%s: %v", c.what, a.Annotations)
				}
			}
		}
	}
}

// TestPatches: what webhooks change, and what the next ones see of it.
func TestPatches(t *testing.T) {
	first := serve(t, patching(`[{"op": "add", "path": "/data/default", "value": "yes"}]`))
	second := serve(t, allow)
	a := create(map[string]string{"x": "y"})
	before := a.Object
	step := mutatingStep(t, hookAt(first, nil), hookAt(second, func(w *v1.MutatingWebhook) { w.AdmissionReviewVersions = []string{"v1beta1"} }))
	says(t, "patch", step.Admit(t.Context(), a), "")
	if a.Object != before || a.Object.(*corev1.ConfigMap).Data["defaulted"] != "yes" {
		t.Errorf("%+v", a.Object)
	}
	got := &corev1.ConfigMap{}
	review := second.reviews[0]
	if err := json.Unmarshal(review.Request.Object.Raw, got); err != nil || got.Data["defaulted"] != "yes" || got.Kind != "ConfigMap" || got.APIVersion != "v1" {
		t.Errorf("%s, %v", review.Request.Object.Raw, err)
	}
	if review.APIVersion != "admission.k8s.io/v1beta1" || review.Request.UserInfo.Extra["k"][0] != "v" || *review.Request.DryRun ||
		!strings.Contains(string(review.Request.Options.Raw), "CreateOptions") || len(review.Request.OldObject.Raw) > 0 {
		t.Errorf("%+v", review.Request)
	}
	for key, want := range map[string]string{
		"mutation.webhook.admission.k8s.io/round_0_index_0": `{"configuration":"c","webhook":"hook.example.com","mutated":true}`,
		"mutation.webhook.admission.k8s.io/round_0_index_1": `{"configuration":"c","webhook":"hook.example.com","mutated":false}`,
		"patch.webhook.admission.k8s.io/round_0_index_0":    `{"configuration":"c","webhook":"hook.example.com","patch":[{"op":"add","path":"/data/default","value":"yes"}],"patchType":"JSONPatch"}`,
	} {
		if got := a.Annotations[key]; got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
	for _, c := range []struct{ patch, want string }{
		{`[{"op": "remove", "path": "/data/none"}]`, "Internal error occurred"},
		{`{}`, "received undecodable patch in webhook response"},
		{`[]`, ""},
		{`[{"op": "add", "path": "/data/n", "value": 7}]`, "Internal error occurred: json: cannot unmarshal number"},
	} {
		says(t, c.patch, mutatingStep(t, hookAt(serve(t, patching(c.patch)), nil)).Admit(t.Context(), create(map[string]string{"x": "y"})), c.want)
	}
	remove := create(nil)
	remove.Operation, remove.Object, remove.OldObject = admission.Delete, nil, remove.Object
	says(t, "delete", mutatingStep(t, hookAt(first, nil)).Admit(t.Context(), remove), "attempted to modify the object, which is not supported for this operation")
	says(t, "a patch from a validating webhook", validatingStep(t, hookAt(first, nil)).Validate(t.Context(), create(nil)), "validating webhook may not return response.patch")
}

// TestAskedAgain: a webhook that wants it is asked again after a later one has
// changed the object, another is not.
func TestAskedAgain(t *testing.T) {
	count := serve(t, allow)
	once := serve(t, allow)
	last := serve(t, patching(`[{"op": "add", "path": "/data/z", "value": "z"}]`))
	step := mutatingStep(t,
		hookAt(count, func(w *v1.MutatingWebhook) { w.ReinvocationPolicy = new(v1.IfNeededReinvocationPolicy) }), hookAt(once, nil),
		hookAt(last, func(w *v1.MutatingWebhook) { w.ReinvocationPolicy = new(v1.IfNeededReinvocationPolicy) }))
	a := create(map[string]string{"x": "y"})
	says(t, "chain", admission.Chain{step}.Admit(t.Context(), a), "")
	if len(count.reviews) != 2 || len(once.reviews) != 1 || len(last.reviews) != 1 {
		t.Errorf("asked %d, %d and %d times", len(count.reviews), len(once.reviews), len(last.reviews))
	}
	if !strings.Contains(string(count.reviews[1].Request.Object.Raw), `"z":"z"`) || a.Annotations["mutation.webhook.admission.k8s.io/round_1_index_0"] == "" {
		t.Errorf("%s, %v", count.reviews[1].Request.Object.Raw, a.Annotations)
	}
}

// TestTogether: validating webhooks are asked at the same time; the first
// refusal is answered, and the warnings and notes of all are passed on.
func TestTogether(t *testing.T) {
	meet := make(chan struct{})
	both := func(allowed bool, text string) func(r *admissionv1.AdmissionReview) any {
		return func(r *admissionv1.AdmissionReview) any {
			select {
			case meet <- struct{}{}:
			case <-meet:
			}
			return answer(r, admissionv1.AdmissionResponse{
				Allowed: allowed, Warnings: []string{text}, AuditAnnotations: map[string]string{text: "x"}, Result: &metav1.Status{Message: text},
			})
		}
	}
	step := validatingStep(t, hookAt(serve(t, both(false, "first")), nil), hookAt(serve(t, both(false, "second")), nil))
	var warned heard
	a := create(nil)
	says(t, "both", step.Validate(warning.WithWarningRecorder(t.Context(), &warned), a), "denied the request: first")
	if !slices.Equal(warned, []string{"first", "second"}) || a.Annotations["hook.example.com/second"] != "x" {
		t.Errorf("%v, %v", warned, a.Annotations)
	}
}

// TestKept: what has been made of a configuration is kept as long as it is the
// same, and configurations are asked in order of their names.
func TestKept(t *testing.T) {
	j := serve(t, allow)
	of := func(name string) *v1.ValidatingWebhookConfiguration {
		return &v1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: name}, Webhooks: []v1.ValidatingWebhook{validatingOf(hookAt(j, nil))}}
	}
	a, b := of("a"), of("b")
	compute := NewValidating(nil)
	one := compute(slices.Values([]*v1.ValidatingWebhookConfiguration{b, a}))
	two := compute(slices.Values([]*v1.ValidatingWebhookConfiguration{of("a"), b}))
	if one.list[0].configuration != "a" || one.list[1] != two.list[1] || one.list[0] == two.list[0] {
		t.Error(one.list, two.list)
	}
}
