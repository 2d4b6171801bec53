package crd_test

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
	extensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/keelson-project/keelson/store/memory"
)

// boxes has two versions between which only a webhook can convert: what is a
// text in one is a list in the other.
const boxes = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boxes.example.com}
spec:
  group: example.com
  scope: Cluster
  names: {plural: boxes, kind: Box}
  conversion:
    strategy: Webhook
    webhook: {conversionReviewVersions: [v1], clientConfig: {url: %q, caBundle: %s}}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: string}}}}}}}
  - {name: v2, served: true, storage: false, schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {sides: {type: array, items: {type: string}}}}}}}}
`

var (
	boxV1 = schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "boxes"}
	boxV2 = schema.GroupVersionResource{Group: "example.com", Version: "v2", Resource: "boxes"}
)

// converter is the webhook of boxes; spoil changes what it answers.
type converter struct {
	calls, objects atomic.Int64
	spoil          atomic.Pointer[func(*extensionsv1.ConversionReview)]
	down           atomic.Bool
}

// ServeHTTP implements http.Handler.
func (c *converter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c.down.Load() {
		http.Error(w, "out of order", http.StatusInternalServerError)
		return
	}
	data, err := io.ReadAll(r.Body)
	review := &extensionsv1.ConversionReview{}
	if err == nil {
		err = json.Unmarshal(data, review)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.calls.Add(1)
	answer := &extensionsv1.ConversionResponse{UID: review.Request.UID, Result: metav1.Status{Status: metav1.StatusSuccess}}
	for _, o := range review.Request.Objects {
		c.objects.Add(1)
		u := &unstructured.Unstructured{}
		if err := u.UnmarshalJSON(o.Raw); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		spec, _ := u.Object["spec"].(map[string]any)
		if review.Request.DesiredAPIVersion == "example.com/v2" {
			var sides []any
			for _, s := range strings.Split(fmt.Sprint(spec["size"]), "x") {
				sides = append(sides, s)
			}
			u.Object["spec"] = map[string]any{"sides": sides, "unknown": true}
		} else {
			var sides []string
			for _, s := range spec["sides"].([]any) {
				sides = append(sides, s.(string))
			}
			u.Object["spec"] = map[string]any{"size": strings.Join(sides, "x")}
		}
		u.SetAPIVersion(review.Request.DesiredAPIVersion)
		u.SetLabels(map[string]string{"converted": "yes"})
		u.SetResourceVersion("77")
		raw, err := u.MarshalJSON()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer.ConvertedObjects = append(answer.ConvertedObjects, runtime.RawExtension{Raw: raw})
	}
	review.Request, review.Response = nil, answer
	if f := c.spoil.Load(); f != nil {
		(*f)(review)
	}
	if err := json.NewEncoder(w).Encode(review); err != nil {
		panic(http.ErrAbortHandler)
	}
}

func TestConversionWebhook(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	ctx := t.Context()
	hook := &converter{}
	web := httptest.NewTLSServer(hook)
	defer web.Close()
	st := memory.New()
	s := start(t, ctx, st)
	defer func() {
		s.stop()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	}()
	ca := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}))
	s.define(t, ctx, fmt.Sprintf(boxes, web.URL+"/convert", ca))
	one, two := s.client.Resource(boxV1), s.client.Resource(boxV2)
	made, err := two.Create(ctx, object(t, `{apiVersion: example.com/v2, kind: Box, metadata: {name: a}, spec: {sides: ["2", "3"]}}`), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, made, "spec", `{"sides":["2","3"]}`)
	entry, err := st.Get(ctx, "/registry/example.com/boxes/a")
	if err != nil || !strings.Contains(string(entry.Value), `"spec":{"size":"2x3"}`) {
		t.Errorf("stored %s, %v", entry.Value, err)
	}
	before := hook.calls.Load()
	got, err := one.Get(ctx, "a", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, got, "spec.size", "2x3")
	if hook.calls.Load() != before {
		t.Error("the stored version was converted")
	}
	for range 3 {
		if got, err = two.Get(ctx, "a", metav1.GetOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, got, "spec", `{"sides":["2","3"]}`)
	expect(t, got, "metadata.resourceVersion", made.GetResourceVersion())
	expect(t, got, "metadata.labels", `{"converted":"yes"}`)
	if n := hook.calls.Load() - before; n > 1 {
		t.Errorf("the same object was converted %d times", n)
	}
	if _, err = two.Patch(ctx, "a", types.MergePatchType, []byte(`{"spec":{"sides":["4"]}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, err = one.Get(ctx, "a", metav1.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	expect(t, got, "spec.size", "4")
	list, err := two.List(ctx, metav1.ListOptions{LabelSelector: "converted=yes"})
	if err != nil || len(list.Items) != 1 {
		t.Errorf("%v, %v", list, err)
	}

	for want, f := range map[string]func(*extensionsv1.ConversionReview){
		"conversion webhook for example.com/v1, Kind=Box failed: not today": func(r *extensionsv1.ConversionReview) {
			r.Response.Result = metav1.Status{Status: metav1.StatusFailure, Message: "not today"}
		},
		"conversion webhook for example.com/v1, Kind=Box failed: response.result.status was '', not 'Success'":  func(r *extensionsv1.ConversionReview) { r.Response.Result = metav1.Status{} },
		"conversion webhook for example.com/v1, Kind=Box failed: no response provided":                          func(r *extensionsv1.ConversionReview) { r.Response = nil },
		`conversion webhook for example.com/v1, Kind=Box failed: expected response.uid=`:                        func(r *extensionsv1.ConversionReview) { r.Response.UID = "x" },
		"conversion webhook for example.com/v1, Kind=Box failed: expected webhook response of apiextensions":    func(r *extensionsv1.ConversionReview) { r.Kind = "Other" },
		"conversion webhook for example.com/v1, Kind=Box returned 0 objects, expected 1":                        func(r *extensionsv1.ConversionReview) { r.Response.ConvertedObjects = nil },
		"returned invalid object at index 0: invalid groupVersion (expected example.com/v2, received other/v1)": spoiled("apiVersion", "other/v1"),
		"returned invalid object at index 0: invalid kind (expected Box, received Bag)":                         spoiled("kind", "Bag"),
		"returned invalid object: must have the same name: a != b":                                              spoiled("metadata.name", "b"),
		"returned invalid metadata: metadata.labels[x] must be a string, but is int64 in converted object":      spoiled("metadata.labels", map[string]any{"x": int64(1)}),
		`returned invalid metadata: metadata.labels: Invalid value: "x y"`:                                      spoiled("metadata.labels", map[string]any{"x y": ""}),
		"returned invalid metadata: invalid metadata.annotations of type string in converted object":            spoiled("metadata.annotations", "x"),
	} {
		hook.spoil.Store(&f)
		if _, err := one.Patch(ctx, "a", types.MergePatchType, []byte(`{"metadata":{"annotations":{"n":"`+fmt.Sprint(hook.calls.Load())+`"}}}`), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		_, err := two.Get(ctx, "a", metav1.GetOptions{})
		says(t, err, want)
	}
	hook.spoil.Store(nil)
	hook.down.Store(true)
	if _, err := one.Patch(ctx, "a", types.MergePatchType, []byte(`{"spec":{"size":"5"}}`), metav1.PatchOptions{}); err != nil {
		t.Errorf("the stored version needs the webhook: %v", err)
	}
	_, err = two.List(ctx, metav1.ListOptions{})
	says(t, err, "conversion webhook for example.com/v1, Kind=Box failed: an error on the server")
	hook.down.Store(false)
	if got, err = two.Get(ctx, "a", metav1.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	expect(t, got, "spec", `{"sides":["5"]}`)
	// The objects go although nobody can convert them.
	hook.down.Store(true)
	if err := s.client.Resource(definitions).Delete(ctx, "boxes.example.com", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, ctx, s.client.Resource(definitions), "boxes.example.com")
}

// spoiled sets a field of the object that is answered.
func spoiled(path string, value any) func(*extensionsv1.ConversionReview) {
	return func(r *extensionsv1.ConversionReview) {
		u := &unstructured.Unstructured{}
		err := u.UnmarshalJSON(r.Response.ConvertedObjects[0].Raw)
		if err == nil {
			err = unstructured.SetNestedField(u.Object, value, strings.Split(path, ".")...)
		}
		if err == nil {
			r.Response.ConvertedObjects[0].Raw, err = u.MarshalJSON()
		}
		if err != nil {
			panic(err)
		}
	}
}
