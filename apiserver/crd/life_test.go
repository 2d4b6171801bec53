package crd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"github.com/keelson-project/keelson/store/memory"
)

func TestLifeOfADefinition(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, s *server) {
		began := time.Now()
		made := s.define(t, ctx, widgets)
		if took := time.Since(began); took > time.Second {
			t.Errorf("established after %v", took)
		}
		for kind, reason := range map[string]string{"NamesAccepted": "NoConflicts", "Established": "InitialNamesAccepted"} {
			if c := condition(made, kind); c == nil || c["status"] != "True" || c["reason"] != reason {
				t.Errorf("%s: %v", kind, c)
			}
		}
		expect(t, made, "status.acceptedNames.listKind", "WidgetList")
		things := s.client.Resource(v1).Namespace("default")
		if _, err := things.Create(ctx, widget(t, "a", "{size: 3}"), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		held := widget(t, "held", "{size: 3}")
		held.SetFinalizers([]string{"example.com/hold"})
		if _, err := things.Create(ctx, held, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}

		all := s.client.Resource(definitions)
		if err := all.Delete(ctx, made.GetName(), metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := things.Get(ctx, "a", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("an object of the deleted definition: %v", err)
		}
		going, err := all.Get(ctx, made.GetName(), metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if c := condition(going, "Terminating"); c["status"] != "True" || c["reason"] != "InstanceDeletionInProgress" {
			t.Errorf("terminating: %v", c)
		}
		_, err = things.Create(ctx, widget(t, "late", "{size: 3}"), metav1.CreateOptions{})
		says(t, err, `widgets.example.com "late" is forbidden: create not allowed while custom resource definition is terminating`)
		list, err := client(t, s).ServerResourcesForGroupVersion("example.com/v1")
		if err != nil {
			t.Fatal(err)
		}
		if verbs := strings.Join(list.APIResources[0].Verbs, " "); verbs != "delete deletecollection get list watch" {
			t.Errorf("verbs of a definition that goes: %s", verbs)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if going, err = all.Get(ctx, made.GetName(), metav1.GetOptions{}); err != nil {
			t.Fatal(err)
		}
		if c := condition(going, "Terminating"); c["reason"] != "InstanceDeletionCheck" {
			t.Errorf("after two minutes: %v", c)
		}
		if _, err := things.Patch(ctx, "held", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		awaitGone(t, ctx, all, made.GetName())
		synctest.Wait()
		if _, err := things.List(ctx, metav1.ListOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("list of what is not defined: %v", err)
		}
		again := s.define(t, ctx, widgets)
		if list, err := things.List(ctx, metav1.ListOptions{}); err != nil || len(list.Items) > 0 || again.GetUID() == made.GetUID() {
			t.Errorf("defined again: %v, %v", list, err)
		}
	})
}

func client(t testing.TB, s *server) *discovery.DiscoveryClient {
	t.Helper()
	c, err := discovery.NewDiscoveryClientForConfig(s.LoopbackConfig())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefinitionThatWasNeverEstablished(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, s *server) {
		s.define(t, ctx, widgets)
		other := strings.NewReplacer("widgets.example.com", "others.example.com", "plural: widgets", "plural: others").Replace(widgets)
		all := s.client.Resource(definitions)
		if _, err := all.Create(ctx, object(t, other), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		refused := s.await(t, ctx, "others.example.com", "NamesAccepted", "False")
		if c := condition(refused, "NamesAccepted"); c["reason"] != "ListKindConflict" || c["message"] != `"WidgetList" is already in use` {
			t.Errorf("%v", c)
		}
		if c := condition(refused, "Established"); c["status"] != "False" || c["reason"] != "NotAccepted" {
			t.Errorf("%v", c)
		}
		expect(t, refused, "status.acceptedNames.plural", "others")
		expect(t, refused, "status.acceptedNames.kind", "")
		gvr := v1
		gvr.Resource = "others"
		if _, err := s.client.Resource(gvr).List(ctx, metav1.ListOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("a definition without names is served: %v", err)
		}
		// The names are free when the first is gone.
		if err := all.Delete(ctx, "widgets.example.com", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		s.await(t, ctx, "others.example.com", "Established", "True")
		if _, err := s.client.Resource(gvr).List(ctx, metav1.ListOptions{}); err != nil {
			t.Error(err)
		}
		// One that never was goes at once.
		if _, err := all.Create(ctx, object(t, widgets), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		s.await(t, ctx, "widgets.example.com", "NamesAccepted", "False")
		if err := all.Delete(ctx, "widgets.example.com", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		awaitGone(t, ctx, all, "widgets.example.com")
	})
}

func TestChangeOfADefinition(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, s *server) {
		s.define(t, ctx, widgets)
		things := s.client.Resource(v1).Namespace("default")
		if _, err := things.Create(ctx, widget(t, "a", "{size: 3, color: red}"), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		w, err := things.Watch(ctx, metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		patch := func(text string) {
			t.Helper()
			if _, err := s.client.Resource(definitions).Patch(ctx, "widgets.example.com", types.JSONPatchType, []byte(text), metav1.PatchOptions{}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		// v1 forgets the color and gets another default; v1beta1 is stored from now on.
		patch(`[{"op":"remove","path":"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/color"},
			{"op":"replace","path":"/spec/versions/0/selectableFields","value":[{"jsonPath":".spec.size"}]},
			{"op":"replace","path":"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/maybe","value":{"type":"string","default":"so"}},
			{"op":"replace","path":"/spec/versions/0/storage","value":false},{"op":"replace","path":"/spec/versions/1/storage","value":true}]`)
		for range w.ResultChan() { // ends with the old form
		}
		got, err := things.Get(ctx, "a", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		expect(t, got, "spec", `{"limit":10,"maybe":"so","size":3}`)
		entry, err := s.store.Get(ctx, "/registry/example.com/widgets/default/a")
		if err != nil || !bytes.Contains(entry.Value, []byte(`"example.com/v1"`)) || !bytes.Contains(entry.Value, []byte(`"red"`)) {
			t.Errorf("stored %s, %v", entry.Value, err)
		}
		if got, err = things.Patch(ctx, "a", types.MergePatchType, []byte(`{"spec":{"size":4}}`), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		expect(t, got, "apiVersion", "example.com/v1")
		if entry, err = s.store.Get(ctx, "/registry/example.com/widgets/default/a"); err != nil || !bytes.Contains(entry.Value, []byte(`"apiVersion":"example.com/v1beta1"`)) {
			t.Errorf("stored %s, %v", entry.Value, err)
		}
		crd, err := s.client.Resource(definitions).Get(ctx, "widgets.example.com", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		expect(t, crd, "status.storedVersions", `["v1","v1beta1"]`)
		// v1 is not served any more, and what it stored is still there.
		patch(`[{"op":"replace","path":"/spec/versions/0/served","value":false}]`)
		if _, err := things.Get(ctx, "a", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("a version that is not served: %v", err)
		}
		if got, err = s.client.Resource(v1beta1).Namespace("default").Get(ctx, "a", metav1.GetOptions{}); err != nil {
			t.Fatal(err)
		}
		expect(t, got, "spec.size", "4")
	})
}

func TestServedNoWhere(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, s *server) {
		s.define(t, ctx, widgets)
		if _, err := s.client.Resource(v1).Namespace("default").Create(ctx, widget(t, "a", "{size: 3}"), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		all := s.client.Resource(definitions)
		if _, err := all.Patch(ctx, "widgets.example.com", types.JSONPatchType, []byte(
			`[{"op":"replace","path":"/spec/versions/0/served","value":false},{"op":"replace","path":"/spec/versions/1/served","value":false}]`), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := all.Delete(ctx, "widgets.example.com", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		awaitGone(t, ctx, all, "widgets.example.com")
		if entry, err := s.store.Get(ctx, "/registry/example.com/widgets/default/a"); err == nil {
			t.Errorf("left behind: %s", entry.Value)
		}
	})
}

func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		ctx := t.Context()
		first := start(t, ctx, st)
		first.define(t, ctx, widgets)
		if _, err := first.client.Resource(v1).Namespace("default").Create(ctx, widget(t, "a", "{size: 3}"), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		crd, err := first.client.Resource(definitions).Get(ctx, "widgets.example.com", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		first.stop()
		second := start(t, ctx, st)
		defer second.stop()
		if _, err := second.client.Resource(v1beta1).Namespace("default").Get(ctx, "a", metav1.GetOptions{}); err != nil {
			t.Error(err)
		}
		again, err := second.client.Resource(definitions).Get(ctx, "widgets.example.com", metav1.GetOptions{})
		if err != nil || again.GetResourceVersion() != crd.GetResourceVersion() {
			t.Errorf("the definition was written again: %v, %v", again, err)
		}
	})
}

func TestTwoServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		ctx := t.Context()
		one, two := start(t, ctx, st), start(t, ctx, st)
		defer one.stop()
		defer two.stop()
		one.define(t, ctx, widgets)
		synctest.Wait()
		things := func(s *server) *unstructured.UnstructuredList {
			t.Helper()
			list, err := s.client.Resource(v1).List(ctx, metav1.ListOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return list
		}
		if _, err := two.client.Resource(v1).Namespace("default").Create(ctx, widget(t, "a", "{size: 3}"), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		if n := len(things(one).Items); n != 1 {
			t.Errorf("%d objects", n)
		}
		if err := two.client.Resource(definitions).Delete(ctx, "widgets.example.com", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		awaitGone(t, ctx, one.client.Resource(definitions), "widgets.example.com")
	})
}

func TestDiscoveryAndDocuments(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, s *server) {
		s.define(t, ctx, widgets)
		c := client(t, s)
		list, err := c.ServerResourcesForGroupVersion("example.com/v1")
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, r := range list.APIResources {
			names = append(names, r.Name)
		}
		if got := strings.Join(names, " "); got != "widgets widgets/status widgets/scale" || list.APIResources[0].ShortNames[0] != "wd" || list.APIResources[0].StorageVersionHash == "" {
			t.Errorf("%s: %+v", got, list.APIResources[0])
		}
		raw := func(path string) []byte {
			t.Helper()
			data, err := c.RESTClient().Get().AbsPath(path).SetHeader("Accept", "application/json").DoRaw(ctx)
			if err != nil {
				t.Fatal(path, err)
			}
			return data
		}
		var v3 struct {
			Components struct {
				Schemas map[string]struct{ Properties map[string]json.RawMessage }
			}
			Paths map[string]map[string]json.RawMessage
		}
		if err := json.Unmarshal(raw("/openapi/v3/apis/example.com/v1"), &v3); err != nil {
			t.Fatal(err)
		}
		schemas := v3.Components.Schemas
		spec := string(schemas["com.example.v1.Widget"].Properties["spec"])
		if !strings.Contains(spec, `"default":10`) || schemas["com.example.v1.WidgetList"].Properties["items"] == nil || schemas["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"].Properties["name"] == nil {
			t.Errorf("schemas: %v", schemas)
		}
		for path, method := range map[string]string{
			"/apis/example.com/v1/widgets": "get", "/apis/example.com/v1/namespaces/{namespace}/widgets": "post",
			"/apis/example.com/v1/namespaces/{namespace}/widgets/{name}/status": "put", "/apis/example.com/v1/namespaces/{namespace}/widgets/{name}/scale": "patch",
		} {
			if v3.Paths[path][method] == nil {
				t.Errorf("no %s %s", method, path)
			}
		}
		if v2 := raw("/openapi/v2"); !bytes.Contains(v2, []byte(`"com.example.v1.Widget":`)) {
			t.Error("version 2 says nothing of it")
		}
	})
}

func TestTable(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, s *server) {
		s.define(t, ctx, widgets)
		if _, err := s.client.Resource(v1).Namespace("default").Create(ctx, widget(t, "a", "{size: 3, color: red, parts: [{name: x}]}"), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		table := func(version string) *metav1.Table {
			t.Helper()
			data, err := restClient(t, s).Get().AbsPath("/apis/example.com/"+version+"/widgets").SetHeader("Accept", "application/json;as=Table;g=meta.k8s.io;v=v1").DoRaw(ctx)
			out := &metav1.Table{}
			if err == nil {
				err = json.Unmarshal(data, out)
			}
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		got := table("v1")
		data, err := json.Marshal(got.Rows[0].Cells)
		if err != nil {
			t.Fatal(err)
		}
		if want := `["a",3,"red","[{\"name\":\"x\"}]"]`; string(data) != want {
			t.Errorf("cells %s, want %s", data, want)
		}
		if d := got.ColumnDefinitions; len(d) != 4 || d[1].Description != "Custom resource definition column (in JSONPath format): .spec.size" || d[2].Description != "how it looks" || d[2].Priority != 1 {
			t.Errorf("columns %+v", d)
		}
		if d := table("v1beta1").ColumnDefinitions; len(d) != 2 || d[1].Name != "Age" || d[1].Type != "date" {
			t.Errorf("columns of a version without its own: %+v", d)
		}
	})
}

func restClient(t testing.TB, s *server) rest.Interface { return client(t, s).RESTClient() }
