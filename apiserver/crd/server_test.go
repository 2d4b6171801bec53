package crd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/keelson-project/keelson/apiserver"
	"github.com/keelson-project/keelson/apiserver/crd"
	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/apiextensions"
	"github.com/keelson-project/keelson/apiserver/kinds/core"
	"github.com/keelson-project/keelson/apiserver/openapi"
	"github.com/keelson-project/keelson/store"
	"github.com/keelson-project/keelson/store/memory"
)

var definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

// server is an API server with definitions, and a client of it.
type server struct {
	*apiserver.Server
	client dynamic.Interface
	store  store.Store
	stop   func() // waits until it has ended
}

// start runs a server on a store.
func start(t testing.TB, ctx context.Context, st store.Store) *server {
	t.Helper()
	var all []*kinds.Kind
	for _, k := range core.Kinds() {
		if k.GroupVersionKind.Kind == "Namespace" {
			all = append(all, k)
		}
	}
	s, err := apiserver.New(apiserver.Config{Store: st, Kinds: append(all, apiextensions.Kinds()...), Plug: func(s *apiserver.Server) (apiserver.Plugins, error) {
		c, err := crd.New(crd.Config{Registry: s.Registry()})
		if err != nil {
			return apiserver.Plugins{}, err
		}
		docs, err := openapi.New(openapi.Config{Registry: s.Registry(), Scheme: s.Codec().Scheme(), Customs: c.Custom})
		return apiserver.Plugins{
			OpenAPI: docs, Jobs: []func(context.Context) error{c.Run},
			Installed: []<-chan struct{}{c.Settled()}, Settled: []<-chan struct{}{c.Settled()},
		}, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(s.LoopbackConfig())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	<-s.Ready()
	return &server{s, client, st, func() { cancel(); done.Wait() }}
}

// inBubble runs a test against a server in virtual time, which leaves nothing.
func inBubble(t *testing.T, test func(t *testing.T, ctx context.Context, s *server)) {
	t.Helper()
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		s := start(t, t.Context(), st)
		defer func() {
			s.stop()
			if err := st.Close(); err != nil {
				t.Error(err)
			}
		}()
		test(t, t.Context(), s)
	})
}

func object(t testing.TB, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	data, err := yaml.YAMLToJSON([]byte(text))
	if err == nil {
		err = u.UnmarshalJSON(data)
	}
	if err != nil {
		t.Fatal(text, err)
	}
	return u
}

// define makes a definition and waits until it is established.
func (s *server) define(t testing.TB, ctx context.Context, text string) *unstructured.Unstructured {
	t.Helper()
	made, err := s.client.Resource(definitions).Create(ctx, object(t, text), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s.await(t, ctx, made.GetName(), "Established", "True")
}

// await waits for a condition of a definition.
func (s *server) await(t testing.TB, ctx context.Context, name, kind, status string) *unstructured.Unstructured {
	t.Helper()
	w, err := s.client.Resource(definitions).Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	for ev := range w.ResultChan() {
		u := ev.Object.(*unstructured.Unstructured)
		if ev.Type == watch.Deleted {
			t.Fatalf("%s is gone", name)
		}
		if c := condition(u, kind); c != nil && c["status"] == status {
			return u
		}
	}
	t.Fatalf("%s never became %s %s", name, kind, status)
	return nil
}

// awaitGone waits until an object is deleted.
func awaitGone(t testing.TB, ctx context.Context, r dynamic.ResourceInterface, name string) {
	t.Helper()
	w, err := r.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name, ResourceVersion: "0"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	if _, err := r.Get(ctx, name, metav1.GetOptions{}); err != nil {
		return
	}
	for ev := range w.ResultChan() {
		if ev.Type == watch.Deleted {
			return
		}
	}
	t.Fatalf("%s stays", name)
}

func condition(u *unstructured.Unstructured, kind string) map[string]any {
	list, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range list {
		if c, ok := c.(map[string]any); ok && c["type"] == kind {
			return c
		}
	}
	return nil
}

// says requires an error whose text contains what is wanted.
func says(t testing.TB, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

// at is what stands in an object at a path.
func at(u *unstructured.Unstructured, path string) string {
	v, ok, err := unstructured.NestedFieldNoCopy(u.Object, strings.Split(path, ".")...)
	if !ok || err != nil {
		return ""
	}
	if s, ok := v.(string); ok {
		return s
	}
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func expect(t testing.TB, u *unstructured.Unstructured, path, want string) {
	t.Helper()
	if got := at(u, path); got != want {
		t.Errorf("%s of %s is %s, want %s", path, u.GetName(), got, want)
	}
}

// widgets is a definition with two versions of one schema.
const widgets = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget, shortNames: [wd], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.size, statusReplicasPath: .status.size, labelSelectorPath: .status.selector}}
    selectableFields: [{jsonPath: .spec.color}, {jsonPath: .spec.size}]
    additionalPrinterColumns:
    - {name: Size, type: integer, jsonPath: .spec.size}
    - {name: Color, type: string, jsonPath: .spec.color, priority: 1, description: how it looks}
    - {name: Parts, type: string, jsonPath: .spec.parts}
    schema: &schema
      openAPIV3Schema:
        type: object
        required: [spec]
        properties:
          spec:
            type: object
            required: [size]
            x-kubernetes-validations:
            - {rule: self.size <= self.limit, message: too large}
            properties:
              size: {type: integer, minimum: 0}
              limit: {type: integer, default: 10}
              color: {type: string, enum: [red, green]}
              fixed: {type: string, x-kubernetes-validations: [{rule: self == oldSelf, message: is fixed}]}
              maybe: {type: string, nullable: true}
              parts: {type: array, items: {type: object, properties: {name: {type: string}, "n": {type: integer}}, required: [name]}, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [name]}
              inner: {type: object, x-kubernetes-embedded-resource: true, x-kubernetes-preserve-unknown-fields: true}
          status:
            type: object
            properties: {size: {type: integer}, selector: {type: string}}
  - name: v1beta1
    served: true
    storage: false
    deprecated: true
    selectableFields: [{jsonPath: .spec.color}, {jsonPath: .spec.size}]
    schema: *schema
`

var (
	v1      = schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "widgets"}
	v1beta1 = schema.GroupVersionResource{Group: "example.com", Version: "v1beta1", Resource: "widgets"}
)

// widget is one with a spec.
func widget(t testing.TB, name, spec string) *unstructured.Unstructured {
	return object(t, fmt.Sprintf("{apiVersion: example.com/v1, kind: Widget, metadata: {name: %s}, spec: %s}", name, spec))
}
