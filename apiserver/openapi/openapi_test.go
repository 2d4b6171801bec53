package openapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/openapi3"
	"k8s.io/kube-openapi/pkg/validation/spec"
	explain "k8s.io/kubectl/pkg/explain/v2"
	kubectlopenapi "k8s.io/kubectl/pkg/util/openapi"

	"github.com/keelson-project/keelson/apiserver"
	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/builtin"
	"github.com/keelson-project/keelson/apiserver/openapi"
	"github.com/keelson-project/keelson/store/memory"
)

// start runs a server of Kubernetes' kinds until the test ends.
func start(t testing.TB, cache *openapi.Cache) (*apiserver.Server, *openapi.Handler) {
	t.Helper()
	var handler *openapi.Handler
	st := memory.New()
	srv, err := apiserver.New(apiserver.Config{Store: st, Kinds: builtin.Kinds(), Plug: func(s *apiserver.Server) (apiserver.Plugins, error) {
		var err error
		handler, err = openapi.New(openapi.Config{
			Registry: s.Registry(), Scheme: s.Codec().Scheme(), Cache: cache,
			Customs: func(gvk schema.GroupVersionKind) *openapi.Custom {
				return &openapi.Custom{Key: gvk.String(), Schema: func(openapi.Format) *spec.Schema {
					return &spec.Schema{SchemaProps: spec.SchemaProps{
						Type: spec.StringOrArray{"object"}, Properties: map[string]spec.Schema{"size": *spec.Int64Property()},
					}}
				}}
			},
		})
		return apiserver.Plugins{OpenAPI: handler}, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	<-srv.Ready()
	return srv, handler
}

func discoveryOf(t testing.TB, srv *apiserver.Server) *discovery.DiscoveryClient {
	t.Helper()
	d, err := discovery.NewDiscoveryClientForConfig(srv.LoopbackConfig())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestExplain prints fields as kubectl explain does.
func TestExplain(t *testing.T) {
	srv, _ := start(t, nil)
	client := discoveryOf(t, srv).OpenAPIV3()
	for _, c := range []struct {
		gvr    schema.GroupVersionResource
		fields []string
		want   []string
	}{
		{
			corev1.SchemeGroupVersion.WithResource("pods"), []string{"spec", "containers", "imagePullPolicy"},
			[]string{"KIND:       Pod", "FIELD: imagePullPolicy <string>", "ENUM:", "    IfNotPresent", "Image pull policy."},
		}, {
			corev1.SchemeGroupVersion.WithResource("pods"), []string{"spec", "containers"},
			[]string{"FIELD: containers <[]Container>", "name\t<string> -required-", "resources\t<ResourceRequirements>"},
		}, {
			corev1.SchemeGroupVersion.WithResource("services"), []string{"spec", "ports", "targetPort"},
			[]string{"FIELD: targetPort <IntOrString>"},
		}, {
			schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}, nil,
			[]string{"GROUP:      apps", "KIND:       Deployment", "Deployment enables declarative updates for Pods and ReplicaSets."},
		},
	} {
		var b bytes.Buffer
		if err := explain.PrintModelDescription(c.fields, &b, client, c.gvr, false, 0, "plaintext"); err != nil {
			t.Errorf("%s %v: %v", c.gvr.Resource, c.fields, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(b.String(), want) {
				t.Errorf("explain %s %v says\n%s\nwithout %q", c.gvr.Resource, c.fields, b.String(), want)
			}
		}
	}
}

// TestQueryParameters asks for the parameters that kubectl needs for
// server-side validation and dry runs, as kubectl does, in both versions.
func TestQueryParameters(t *testing.T) {
	srv, _ := start(t, nil)
	d := discoveryOf(t, srv)
	dyn, err := dynamic.NewForConfig(srv.LoopbackConfig())
	if err != nil {
		t.Fatal(err)
	}
	for _, param := range []resource.VerifiableQueryParam{resource.QueryParamFieldValidation, "dryRun"} {
		for _, gvk := range []schema.GroupVersionKind{
			{Version: "v1", Kind: "Pod"}, {Group: "apps", Version: "v1", Kind: "Deployment"}, {Version: "v1", Kind: "Namespace"},
		} {
			if err := resource.NewQueryParamVerifierV3(dyn, d.OpenAPIV3(), param).HasSupport(gvk); err != nil {
				t.Errorf("version 3: %s of %s: %v", param, gvk, err)
			}
			if err := resource.NewQueryParamVerifier(dyn, d, param).HasSupport(gvk); err != nil {
				t.Errorf("version 2: %s of %s: %v", param, gvk, err)
			}
		}
	}
}

// TestVersion3 reads documents as client-go does.
func TestVersion3(t *testing.T) {
	srv, _ := start(t, nil)
	client := discoveryOf(t, srv).OpenAPIV3()
	root := openapi3.NewRoot(client)
	gvs, err := root.GroupVersions()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(gvs, schema.GroupVersion{Group: "apps", Version: "v1"}) || !slices.Contains(gvs, schema.GroupVersion{Version: "v1"}) {
		t.Errorf("groups and versions are %v", gvs)
	}
	doc, err := root.GVSpec(corev1.SchemeGroupVersion)
	if err != nil {
		t.Fatal(err)
	}
	pod := doc.Components.Schemas["io.k8s.api.core.v1.PodSpec"]
	if pod == nil || !slices.Equal(pod.Required, []string{"containers"}) {
		t.Fatalf("a pod's spec is %+v", pod)
	}
	meta := strategicpatch.PatchMetaFromOpenAPIV3{SchemaList: doc.Components.Schemas, Schema: pod}
	_, how, err := meta.LookupPatchMetadataForSlice("volumes")
	if err != nil {
		t.Fatal(err)
	}
	if how.GetPatchMergeKey() != "name" || !slices.Equal(how.GetPatchStrategies(), []string{"merge", "retainKeys"}) {
		t.Errorf("volumes are merged by %q with %q", how.GetPatchMergeKey(), how.GetPatchStrategies())
	}
	ids := map[string]bool{}
	for path, p := range doc.Paths.Paths {
		if p.Get != nil {
			if ids[p.Get.OperationId] {
				t.Errorf("%s: the id %s is there twice", path, p.Get.OperationId)
			}
			ids[p.Get.OperationId] = true
		}
	}
	for _, id := range []string{"listCoreV1PodForAllNamespaces", "readCoreV1NamespacedPodStatus", "watchCoreV1NodeList"} {
		if !ids[id] {
			t.Errorf("there is no operation %s", id)
		}
	}
	paths, err := client.Paths()
	if err != nil {
		t.Fatal(err)
	}
	data, err := paths["apis/apps/v1"].Schema("application/com.github.proto-openapi.spec.v3.v1.0+protobuf")
	if err != nil || len(data) == 0 || json.Valid(data) {
		t.Errorf("protobuf: %d bytes, %v", len(data), err)
	}
}

// TestVersion2 reads the document of everything, as older kubectl does for
// patches.
func TestVersion2(t *testing.T) {
	srv, _ := start(t, nil)
	doc, err := discoveryOf(t, srv).OpenAPISchema() // in protobuf
	if err != nil {
		t.Fatal(err)
	}
	resources, err := kubectlopenapi.NewOpenAPIData(doc)
	if err != nil {
		t.Fatal(err)
	}
	gvk := schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	s := resources.LookupResource(gvk)
	if s == nil {
		t.Fatal("deployments are not described")
	}
	if got := resources.GetConsumes(gvk, "PATCH"); !slices.Contains(got, "application/strategic-merge-patch+json") {
		t.Errorf("PATCH consumes %q", got)
	}
	patch, err := strategicpatch.CreateThreeWayMergePatch(
		[]byte(`{"spec":{"template":{"spec":{"containers":[{"name":"a","image":"1"},{"name":"b","image":"1"}]}}}}`),
		[]byte(`{"spec":{"template":{"spec":{"containers":[{"name":"a","image":"2"}]}}}}`),
		[]byte(`{"spec":{"template":{"spec":{"containers":[{"name":"a","image":"1"},{"name":"b","image":"1"}]}}}}`),
		strategicpatch.NewPatchMetaFromOpenAPI(s), true)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"spec":{"template":{"spec":{"$setElementOrder/containers":[{"name":"a"}],"containers":[{"image":"2","name":"a"},{"$patch":"delete","name":"b"}]}}}}`
	if string(patch) != want {
		t.Errorf("patch is %s, want %s", patch, want)
	}
}

// TestHTTP checks what clients that cache rely on.
func TestHTTP(t *testing.T) {
	_, h := start(t, nil)
	get := func(path string, header ...string) *http.Response {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result()
	}
	var index struct {
		Paths map[string]struct{ ServerRelativeURL string }
	}
	if err := json.NewDecoder(get("/openapi/v3").Body).Decode(&index); err != nil {
		t.Fatal(err)
	}
	url := index.Paths["apis/apps/v1"].ServerRelativeURL
	r := get(url)
	if got := r.Header.Get("Cache-Control"); r.StatusCode != http.StatusOK || got != "public, immutable" || r.Header.Get("Expires") == "" {
		t.Errorf("with its hash: %d, Cache-Control %q", r.StatusCode, got)
	}
	if r := get(url, "If-None-Match", r.Header.Get("Etag")); r.StatusCode != http.StatusNotModified {
		t.Errorf("with the tag that is current: %d", r.StatusCode)
	}
	if r := get("/openapi/v3/apis/apps/v1?hash=old"); r.StatusCode != http.StatusMovedPermanently || r.Header.Get("Location") != url {
		t.Errorf("with an old hash: %d to %q", r.StatusCode, r.Header.Get("Location"))
	}
	if r := get("/openapi/v2", "Accept", "image/png"); r.StatusCode != http.StatusNotAcceptable {
		t.Errorf("an encoding there is not: %d", r.StatusCode)
	}
	if r := get("/openapi/v3/apis/none/v1"); r.StatusCode != http.StatusNotFound {
		t.Errorf("a group there is not: %d", r.StatusCode)
	}
	plain, err := io.ReadAll(get("/openapi/v2").Body)
	if err != nil || !json.Valid(plain) {
		t.Errorf("without compression there is no JSON: %v", err)
	}
	if r := get("/openapi/v2", "Accept-Encoding", "gzip"); r.Header.Get("Content-Encoding") != "gzip" || r.ContentLength*5 > int64(len(plain)) {
		t.Errorf("compressed: %d bytes of %d, %q", r.ContentLength, len(plain), r.Header.Get("Content-Encoding"))
	}
}

// TestChange adds a kind without a Go type while the server runs.
func TestChange(t *testing.T) {
	srv, _ := start(t, nil)
	root := openapi3.NewRoot(discoveryOf(t, srv).OpenAPIV3())
	gvk := schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Widget"}
	if _, err := root.GVSpec(gvk.GroupVersion()); err == nil {
		t.Error("the kind is described before it is there")
	}
	k := kinds.Definition[*unstructured.Unstructured]{
		GVK: gvk, Names: kinds.Names{Resource: "widgets", Singular: "widget"}, Namespaced: true,
		New: func() *unstructured.Unstructured {
			u := &unstructured.Unstructured{Object: map[string]any{}}
			u.SetGroupVersionKind(gvk)
			return u
		},
		NewList: func() runtime.Object {
			l := &unstructured.UnstructuredList{}
			l.SetGroupVersionKind(gvk.GroupVersion().WithKind("WidgetList"))
			return l
		},
	}.Kind()
	if err := srv.Registry().Add(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	doc, err := root.GVSpec(gvk.GroupVersion())
	if err != nil {
		t.Fatal(err)
	}
	s := doc.Components.Schemas["com.example.v1.Widget"]
	if s == nil || s.Properties["size"].Type[0] != "integer" {
		t.Errorf("the schema is %+v", s)
	}
	if p := doc.Paths.Paths["/apis/example.com/v1/namespaces/{namespace}/widgets/{name}"]; p == nil || p.Patch == nil {
		t.Error("there is no path of one object")
	}
	if err := srv.Registry().Remove(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	if _, err := root.GVSpec(gvk.GroupVersion()); err == nil {
		t.Error("the kind is described after it was removed")
	}
}

// TestOwnType describes a kind whose Go type knows nothing of OpenAPI.
func TestOwnType(t *testing.T) {
	scheme := runtime.NewScheme()
	gv := schema.GroupVersion{Group: "example.com", Version: "v1"}
	scheme.AddKnownTypes(gv, &Boat{}, &BoatList{})
	metav1.AddToGroupVersion(scheme, gv)
	st := memory.New()
	defer st.Close()
	var handler *openapi.Handler
	if _, err := apiserver.New(apiserver.Config{
		Store: st,
		Kinds: []*kinds.Kind{kinds.Definition[*Boat]{
			GVK: gv.WithKind("Boat"), Names: kinds.Names{Resource: "boats", Singular: "boat"},
			New: func() *Boat { return &Boat{} }, NewList: func() runtime.Object { return &BoatList{} },
		}.Kind()},
		Plug: func(s *apiserver.Server) (_ apiserver.Plugins, err error) {
			handler, err = openapi.New(openapi.Config{Registry: s.Registry(), Scheme: s.Codec().Scheme()})
			return apiserver.Plugins{OpenAPI: handler}, err
		},
	}); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/openapi/v2", nil))
	var doc spec.Swagger
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	boat, ok := doc.Definitions["com.github.keelson-project.keelson.apiserver.openapi_test.Boat"]
	if !ok {
		t.Fatal("there is no definition of the type")
	}
	if !slices.Equal(boat.Required, []string{"masts"}) || boat.Properties["masts"].Format != "int32" || boat.Properties["crew"].Items == nil {
		t.Errorf("the definition is %+v", boat)
	}
	if boat.Extensions["x-kubernetes-group-version-kind"] == nil {
		t.Error("the definition names no kind")
	}
}

// TestCache shares documents between two servers.
func TestCache(t *testing.T) {
	cache := &openapi.Cache{}
	tags := map[string]bool{}
	for range 2 {
		_, h := start(t, cache)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/openapi/v3/apis/apps/v1", nil))
		tags[w.Header().Get("Etag")] = true
	}
	if len(tags) != 1 {
		t.Errorf("equal servers have the tags %v", tags)
	}
}

// BenchmarkBuild builds the documents of one group and of everything.
func BenchmarkBuild(b *testing.B) {
	for _, path := range []string{"/openapi/v3", "/openapi/v3/apis/apps/v1", "/openapi/v2"} {
		b.Run(path, func(b *testing.B) {
			srv, _ := start(b, nil)
			for b.Loop() {
				h, err := openapi.New(openapi.Config{Registry: srv.Registry(), Scheme: srv.Codec().Scheme()})
				if err != nil {
					b.Fatal(err)
				}
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
			}
		})
	}
}
