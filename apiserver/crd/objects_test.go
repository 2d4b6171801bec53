package crd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// TestRefusedObjects has an object for every rule.
func TestRefusedObjects(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, s *server) {
		s.define(t, ctx, widgets)
		things := s.client.Resource(v1).Namespace("default")
		meta := func(more string) string {
			return fmt.Sprintf("{apiVersion: example.com/v1, kind: Widget, metadata: {name: a, %s}, spec: {size: 1}}", more)
		}
		spec := func(s string) string {
			return "{apiVersion: example.com/v1, kind: Widget, metadata: {name: a}, spec: " + s + "}"
		}
		for _, c := range []struct{ object, want string }{
			{spec("{}"), `Widget.example.com "a" is invalid: [spec.size: Required value, <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation]`},
			{spec("{size: x}"), `spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"`},
			{spec("{size: -1}"), `spec.size: Invalid value: -1: spec.size in body should be greater than or equal to 0`},
			{spec("{size: -1}"), `.spec.size: Invalid value: -1: should be a non-negative integer`},
			{spec("{size: 11}"), `spec: Invalid value: too large`},
			{spec("{size: 1, color: blue}"), `spec.color: Unsupported value: "blue": supported values: "red", "green"`},
			{spec("{size: 1, parts: [{name: a}, {name: a}]}"), `spec.parts[1]: Duplicate value: {"name":"a"}`},
			{spec("{size: 1, parts: [{}]}"), `spec.parts[0].name: Required value`},
			{spec("{size: 1, inner: {apiVersion: v1, kind: ''}}"), `spec.inner.kind: Invalid value: "": must not be empty`},
			{spec("[]"), `spec: Invalid value: "array": spec in body must be of type object: "array"`},
			{strings.Replace(spec("{size: 1}"), "Widget", "Gadget", 1), `Gadget.example.com "a" is invalid: [kind: Invalid value: "Gadget": must be Widget`},
			{strings.Replace(spec("{size: 1}"), "/v1", "/v9", 1), `the API version in the data (example.com/v9) does not match the expected API version (example.com/v1)`},
			{meta("labels: {a: 1}"), `json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string`},
			{meta("labels: {'a b': c}"), `metadata.labels: Invalid value: "a b"`},
			{strings.Replace(meta("x: y"), "name: a", "name: A", 1), `metadata.name: Invalid value: "A": a lowercase RFC 1123 subdomain`},
		} {
			_, err := things.Create(ctx, object(t, c.object), metav1.CreateOptions{})
			says(t, err, c.want)
			if !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) {
				t.Errorf("%v", err)
			}
		}
		_, err := things.Create(ctx, object(t, spec("{size: 1, weight: 2, inner: {apiVersion: v1, kind: A, metadata: {some: thing}}}")), metav1.CreateOptions{FieldValidation: "Strict"})
		says(t, err, `strict decoding error: unknown field "spec.weight", unknown field "spec.inner.metadata.some"`)
	})
}

func TestShapeOfObjects(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, s *server) {
		s.define(t, ctx, widgets)
		things := s.client.Resource(v1).Namespace("default")
		made, err := things.Create(ctx, object(t, `{apiVersion: example.com/v1, kind: Widget, metadata: {name: a, unknown: x},
			spec: {size: 1, limit: null, maybe: null, weight: 2, inner: {apiVersion: v1, kind: A, metadata: {name: in, some: thing}, free: 1}}, status: {size: 5}, extra: 1}`), metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		expect(t, made, "spec", `{"inner":{"apiVersion":"v1","free":1,"kind":"A","metadata":{"name":"in"}},"limit":10,"maybe":null,"size":1}`)
		expect(t, made, "status", "")
		expect(t, made, "extra", "")
		expect(t, made, "metadata.unknown", "")
		expect(t, made, "metadata.generation", "1")
		entry, err := s.store.Get(ctx, "/registry/example.com/widgets/default/a")
		if err != nil || !strings.HasPrefix(string(entry.Value), `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{`) || !strings.HasSuffix(string(entry.Value), "}\n") {
			t.Errorf("stored %s, %v", entry.Value, err)
		}
	})
}

func TestUpdatesOfObjects(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, s *server) {
		s.define(t, ctx, widgets)
		things := s.client.Resource(v1).Namespace("default")
		made, err := things.Create(ctx, widget(t, "a", "{size: 1, fixed: x}"), metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		change := func(path string, value any) *unstructured.Unstructured {
			u := made.DeepCopy()
			if err := unstructured.SetNestedField(u.Object, value, strings.Split(path, ".")...); err != nil {
				t.Fatal(err)
			}
			return u
		}
		_, err = things.Update(ctx, change("spec.fixed", "other"), metav1.UpdateOptions{})
		says(t, err, `spec.fixed: Invalid value: "other": is fixed`)
		_, err = things.Update(ctx, change("metadata.resourceVersion", ""), metav1.UpdateOptions{})
		says(t, err, `metadata.resourceVersion: Invalid value: 0: must be specified for an update`)
		if made, err = things.Update(ctx, change("metadata.labels", map[string]any{"a": "b"}), metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		expect(t, made, "metadata.generation", "1")
		if made, err = things.Update(ctx, change("spec.size", int64(2)), metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		expect(t, made, "metadata.generation", "2")
		// The status is written by itself, and nothing else with it.
		u := change("status", map[string]any{"size": int64(7), "selector": "a=b", "more": "x"})
		u.SetLabels(map[string]string{"c": "d"})
		if made, err = things.UpdateStatus(ctx, u, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		expect(t, made, "status", `{"selector":"a=b","size":7}`)
		expect(t, made, "metadata.labels", `{"a":"b"}`)
		expect(t, made, "metadata.generation", "2")
		_, err = things.UpdateStatus(ctx, change("status.size", int64(-1)), metav1.UpdateOptions{})
		says(t, err, `.status.size: Invalid value: -1: should be a non-negative integer`)
		_, err = things.Patch(ctx, "a", types.StrategicMergePatchType, []byte(`{}`), metav1.PatchOptions{})
		says(t, err, "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml")
		if made, err = things.Patch(ctx, "a", types.JSONPatchType, []byte(`[{"op":"remove","path":"/status"},{"op":"add","path":"/spec/color","value":"red"}]`), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		expect(t, made, "status.size", "7")
		expect(t, made, "spec.color", "red")
	})
}

func TestRatcheting(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, s *server) {
		s.define(t, ctx, widgets)
		things := s.client.Resource(v1).Namespace("default")
		if _, err := things.Create(ctx, widget(t, "a", "{size: 3, color: red}"), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		var ops []string
		for _, version := range []string{"0", "1"} {
			at := `"/spec/versions/` + version + `/schema/openAPIV3Schema/properties/spec/properties`
			ops = append(ops, `{"op":"replace","path":`+at+`/color/enum","value":["green"]}`,
				`{"op":"add","path":`+at+`/size/x-kubernetes-validations","value":[{"rule":"self < 3"}]}`)
		}
		if _, err := s.client.Resource(definitions).Patch(ctx, "widgets.example.com", types.JSONPatchType, []byte("["+strings.Join(ops, ",")+"]"), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := things.Create(ctx, widget(t, "b", "{size: 3, color: red}"), metav1.CreateOptions{DryRun: []string{"All"}}); err == nil {
			t.Error("the new rules do not hold")
		}
		_, err := things.Patch(ctx, "a", types.MergePatchType, []byte(`{"spec":{"maybe":"x"}}`), metav1.PatchOptions{})
		if err != nil {
			t.Errorf("what was there before is refused: %v", err)
		}
		_, err = things.Patch(ctx, "a", types.MergePatchType, []byte(`{"spec":{"size":4}}`), metav1.PatchOptions{})
		says(t, err, `spec.size: Invalid value: 4: failed rule: self < 3`)
	})
}

func TestScaleOfObjects(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, s *server) {
		s.define(t, ctx, widgets)
		things := s.client.Resource(v1).Namespace("default")
		if _, err := things.Create(ctx, widget(t, "a", "{size: 3}"), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		got, err := things.Get(ctx, "a", metav1.GetOptions{}, "scale")
		if err != nil {
			t.Fatal(err)
		}
		expect(t, got, "spec.replicas", "3")
		scale := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": autoscalingv1.SchemeGroupVersion.String(), "kind": "Scale",
			"metadata": map[string]any{"name": "a", "namespace": "default"}, "spec": map[string]any{"replicas": int64(5)},
		}}
		if got, err = things.Update(ctx, scale, metav1.UpdateOptions{}, "scale"); err != nil {
			t.Fatal(err)
		}
		expect(t, got, "spec.replicas", "5")
		if got, err = things.Get(ctx, "a", metav1.GetOptions{}); err != nil {
			t.Fatal(err)
		}
		expect(t, got, "spec.size", "5")
		if err := unstructured.SetNestedField(scale.Object, int64(11), "spec", "replicas"); err != nil {
			t.Fatal(err)
		}
		_, err = things.Update(ctx, scale, metav1.UpdateOptions{}, "scale")
		says(t, err, `Widget.example.com "a" is invalid: spec: Invalid value: too large`)
		_, err = s.client.Resource(v1beta1).Namespace("default").Get(ctx, "a", metav1.GetOptions{}, "scale")
		says(t, err, `widgets.example.com "a" not found`)
	})
}

func TestSelectors(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, s *server) {
		s.define(t, ctx, widgets)
		things := s.client.Resource(v1).Namespace("default")
		for name, spec := range map[string]string{"a": "{size: 1, color: red}", "b": "{size: 2, color: green}", "c": "{size: 3}"} {
			if _, err := things.Create(ctx, widget(t, name, spec), metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		for selector, want := range map[string]string{"spec.color=red": "a", "spec.color!=red": "b c", "spec.color=": "c", "spec.size=2": "b", "metadata.name=c,spec.size=3": "c", "spec.size=9": ""} {
			for _, r := range []dynamic.ResourceInterface{things, s.client.Resource(v1beta1)} {
				list, err := r.List(ctx, metav1.ListOptions{FieldSelector: selector})
				if err != nil {
					t.Fatal(err)
				}
				var names []string
				for i := range list.Items {
					names = append(names, list.Items[i].GetName())
				}
				if got := strings.Join(names, " "); got != want {
					t.Errorf("%s picks %s, want %s", selector, got, want)
				}
			}
		}
		_, err := things.List(ctx, metav1.ListOptions{FieldSelector: "spec.limit=1"})
		says(t, err, "field label not supported: spec.limit")
		w, err := s.client.Resource(v1beta1).Watch(ctx, metav1.ListOptions{FieldSelector: "spec.color=red", ResourceVersion: "0"})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Stop()
		for _, want := range []string{"ADDED a", "ADDED c", "DELETED a"} {
			switch want {
			case "ADDED c":
				_, err = things.Patch(ctx, "c", types.MergePatchType, []byte(`{"spec":{"color":"red"}}`), metav1.PatchOptions{})
			case "DELETED a":
				_, err = things.Patch(ctx, "a", types.MergePatchType, []byte(`{"spec":{"color":null}}`), metav1.PatchOptions{})
			}
			if err != nil {
				t.Fatal(err)
			}
			ev := <-w.ResultChan()
			u := ev.Object.(*unstructured.Unstructured)
			if got := string(ev.Type) + " " + u.GetName(); got != want || u.GetAPIVersion() != "example.com/v1beta1" {
				t.Errorf("%s of %s, want %s", got, u.GetAPIVersion(), want)
			}
		}
	})
}

func TestApply(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, s *server) {
		s.define(t, ctx, widgets)
		things := s.client.Resource(v1).Namespace("default")
		apply := func(manager, spec string) (*unstructured.Unstructured, error) {
			return things.Apply(ctx, "a", widget(t, "a", spec), metav1.ApplyOptions{FieldManager: manager})
		}
		if _, err := apply("one", `{size: 1, parts: [{name: x, "n": 1}]}`); err != nil {
			t.Fatal(err)
		}
		got, err := apply("two", `{size: 1, parts: [{name: z, "n": 2}]}`)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, got, "spec.parts", `[{"n":1,"name":"x"},{"n":2,"name":"z"}]`)
		_, err = apply("two", `{size: 1, parts: [{name: x, "n": 3}]}`)
		if !apierrors.IsConflict(err) {
			t.Errorf("%v", err)
		}
		says(t, err, `.spec.parts[name="x"].n`)
		_, err = apply("two", "{size: 1, weight: 3}")
		says(t, err, ".spec.weight: field not declared in schema")
		if !apierrors.IsBadRequest(err) {
			t.Errorf("%v", err)
		}
		if got, err = apply("one", "{size: 1}"); err != nil {
			t.Fatal(err)
		}
		expect(t, got, "spec.parts", `[{"n":2,"name":"z"}]`)
		data, err := json.Marshal(got.GetManagedFields())
		if err != nil || !strings.Contains(string(data), `k:{\"name\":\"z\"}`) {
			t.Errorf("managed fields %s, %v", data, err)
		}
		// Nulls in metadata are emptied, also where nothing is stored; a null
		// in a field of the schema is refused.
		loose := widget(t, "b", "{size: 1, inner: {apiVersion: v1, kind: X, metadata: {name: x}, free: 1}}")
		loose.Object["metadata"].(map[string]any)["labels"] = map[string]any{"x": nil}
		for _, dryRun := range [][]string{{metav1.DryRunAll}, nil, {metav1.DryRunAll}} {
			if got, err = things.Apply(ctx, "b", loose, metav1.ApplyOptions{FieldManager: "one", DryRun: dryRun}); err != nil {
				t.Fatal(err)
			}
			expect(t, got, "metadata.labels", `{"x":""}`)
		}
		_, err = apply("one", "{size: 1, color: null}")
		says(t, err, `spec.color in body must be of type string: "null"`)
		// Whoever wrote in another version owns what that version shows.
		beta := widget(t, "a", "{size: 2}")
		beta.SetAPIVersion("example.com/v1beta1")
		_, err = s.client.Resource(v1beta1).Namespace("default").Apply(ctx, "a", beta, metav1.ApplyOptions{FieldManager: "three"})
		says(t, err, `conflicts with "one"`)
	})
}

func TestVersionsOfObjects(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, s *server) {
		s.define(t, ctx, widgets)
		things, beta := s.client.Resource(v1).Namespace("default"), s.client.Resource(v1beta1).Namespace("default")
		if _, err := things.Create(ctx, widget(t, "a", "{size: 1}"), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		got, err := beta.Get(ctx, "a", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		expect(t, got, "apiVersion", "example.com/v1beta1")
		// The other version has no status of its own: it is written with the rest.
		if err := unstructured.SetNestedField(got.Object, int64(4), "status", "size"); err != nil {
			t.Fatal(err)
		}
		if got, err = beta.Update(ctx, got, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		expect(t, got, "status.size", "4")
		expect(t, got, "metadata.generation", "2")
		list, err := things.List(ctx, metav1.ListOptions{})
		if err != nil || len(list.Items) != 1 {
			t.Fatal(list, err)
		}
		expect(t, &list.Items[0], "apiVersion", "example.com/v1")
		expect(t, &list.Items[0], "status.size", "4")
		if list.GetKind() != "WidgetList" || list.GetAPIVersion() != "example.com/v1" {
			t.Errorf("a list of %s %s", list.GetAPIVersion(), list.GetKind())
		}
	})
}

// Upstream's handler of custom objects is less strict about methods and paths
// than that of the other kinds.
func TestPathsOfObjects(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, s *server) {
		s.define(t, ctx, widgets)
		if _, err := s.client.Resource(v1).Namespace("default").Create(ctx, widget(t, "a", "{size: 3}"), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		config := s.LoopbackConfig()
		client, err := rest.HTTPClientFor(config)
		if err != nil {
			t.Fatal(err)
		}
		defer client.CloseIdleConnections()
		const all = "/apis/example.com/v1/namespaces/default/widgets"
		for _, c := range []struct {
			method, path, contentType, body string
			code                            int
		}{
			{http.MethodHead, all, "", "", http.StatusOK},
			{http.MethodHead, all + "/a", "", "", http.StatusOK},
			{http.MethodHead, all + "/a/scale", "", "", http.StatusOK},
			{http.MethodHead, all + "/b", "", "", http.StatusNotFound},
			{http.MethodGet, all + "/a/status/more", "", "", http.StatusOK},
			{http.MethodPost, all + "/c", "application/json", `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"c"},"spec":{"size":1}}`, http.StatusCreated},
			{http.MethodPost, "/apis/example.com/v1/widgets", "application/json", "{}", http.StatusNotFound},
			{http.MethodPut, all, "application/json", "{}", http.StatusBadRequest},
			{http.MethodPatch, all + "/a", string(types.StrategicMergePatchType), "{}", http.StatusUnsupportedMediaType},
			{http.MethodPatch, all + "/a/scale", string(types.StrategicMergePatchType), "{}", http.StatusUnsupportedMediaType},
			{http.MethodPost, "/apis/example.com/v1", "application/json", "{}", http.StatusOK},
		} {
			r, err := http.NewRequestWithContext(ctx, c.method, config.Host+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if c.contentType != "" {
				r.Header.Set("Content-Type", c.contentType)
			}
			answer, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			if err := answer.Body.Close(); err != nil {
				t.Error(err)
			}
			if answer.StatusCode != c.code {
				t.Errorf("%s %s answers %d, want %d", c.method, c.path, answer.StatusCode, c.code)
			}
		}
	})
}
