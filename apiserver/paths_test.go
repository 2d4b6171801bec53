package apiserver_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keelson-project/keelson/apiserver"
)

// ask sends one request to a server. Headers are pairs of name and value.
func ask(t testing.TB, srv *apiserver.Server, method, url, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	srv.Handler().ServeHTTP(w, r)
	return w
}

// TestPaths compares what the paths that are no resources answer with what
// kube-apiserver does.
func TestPaths(t *testing.T) {
	srv, _ := start(t)
	const noPath, plain = `"message":"the server could not find the requested resource"`, "404 page not found\n"
	aggregated := func(version string) string {
		return "application/json;g=apidiscovery.k8s.io;v=" + version + ";as=APIGroupDiscoveryList"
	}
	for _, c := range []struct {
		method, path, accept string
		code                 int
		has                  string
	}{
		{"GET", "/version", "", 200, `"minCompatibilityMinor": "36"`},
		{"GET", "/version/", "", 200, `"emulationMinor": "37"`},
		{"POST", "/version", "", 405, "MethodNotAllowed"},
		{"OPTIONS", "/version", "", 405, "MethodNotAllowed"},
		{"GET", "/version", "application/yaml", 406, "Available representations: application/json\n"},
		{"GET", "//api", "", 404, plain},
		{"GET", "/api//v1", "", 404, noPath},
		{"GET", "/api/v2", "", 404, noPath},
		{"GET", "/apis/apps/nothing", "", 404, noPath},
		{"GET", "/apis/apps/v9/deployments", "", 404, noPath},
		{"GET", "/apis/none.example.com/v1", "", 404, plain},
		{"GET", "/apis/none.example.com/v1/things", "", 404, plain},
		{"POST", "/api/v1", "", 405, "MethodNotAllowed"},
		{"OPTIONS", "/apis/apps", "", 200, "APIGroup"},
		{"GET", "/apis", aggregated("v2"), 200, "APIGroupDiscoveryList"},
		{"GET", "/apis", aggregated("v2beta1"), 406, "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf"},
		{"GET", "/apis", aggregated("v2beta1") + ",application/json", 200, "APIGroupList"},
		{"GET", "/apis", "application/json;as=Table;v=v1;g=meta.k8s.io", 406, "only the following"},
		{"GET", "/apis", "application/*", 406, "406: Not Acceptable"},
		{"GET", "/healthz", "", 200, "ok"},
		{"PUT", "/healthz", "", 200, "ok"},
		{"GET", "/healthz/", "", 404, plain},
		{"GET", "/livez/etcd", "", 200, "ok"},
		{"GET", "/livez/nothing", "", 404, plain},
		{"GET", "/livez/informer-sync", "", 404, plain},
		{"GET", "/readyz/informer-sync", "", 200, "ok"},
		{"GET", "/readyz?verbose", "", 200, "[+]ping ok\n[+]log ok\n[+]etcd ok\n[+]etcd-readiness ok\n[+]informer-sync ok\n"},
		{"GET", "/readyz?verbose", "", 200, "[+]shutdown ok\nreadyz check passed\n"},
		{"GET", "/livez?verbose&exclude=etcd&exclude=foo", "", 200, "[+]etcd excluded: ok\n"},
		{"GET", "/livez?verbose&exclude=etcd&exclude=foo", "", 200, "warn: some health checks cannot be excluded: no matches for \"foo\"\n"},
		{"GET", "/statusz", "", 200, "Binary version:  1.37.2"},
		{"GET", "/flagz", "", 200, "apiserver flagz"},
		{"GET", "/metrics", "", 200, "apiserver_request_total"},
		{"GET", "/metrics/slis", "", 200, `kubernetes_healthcheck{name="etcd",type="livez"} 1`},
		{"GET", "/debug/pprof", "", 302, "/debug/pprof/"},
		{"GET", "/debug/pprof/", "", 200, "goroutine?debug=1"},
		{"GET", "/debug/pprof/goroutine?debug=1", "", 200, "goroutine profile"},
		{"GET", "/debug/pprof/nothing", "", 404, "Unknown profile"},
		{"GET", "/debug/pprof/symbol?0x1", "", 200, "num_symbols: 1"},
		{"GET", "/debug/flags/v", "", 406, "unsupported http method"},
		{"PUT", "/debug/flags/v", "", 400, "choice"},
		{"GET", "/nothing", "", 404, plain},
	} {
		w := ask(t, srv, c.method, c.path, "", "Accept", c.accept)
		if w.Code != c.code || !strings.Contains(w.Body.String(), c.has) {
			t.Errorf("%s %s as %q: %d %s, want %d with %q", c.method, c.path, c.accept, w.Code, w.Body, c.code, c.has)
		}
	}
}

// TestIndex checks that the list of paths has what answers, in order.
func TestIndex(t *testing.T) {
	srv, _ := start(t)
	for _, path := range []string{"/", "/index.html"} {
		var list metav1.RootPaths
		if err := json.Unmarshal(ask(t, srv, http.MethodGet, path, "").Body.Bytes(), &list); err != nil {
			t.Fatal(err)
		}
		if !slices.IsSorted(list.Paths) {
			t.Errorf("%s: not in order: %v", path, list.Paths)
		}
		for _, want := range []string{"/api", "/apis/", "/apis/apps/v1", "/livez/etcd", "/readyz/shutdown", "/metrics/slis", "/version"} {
			if !slices.Contains(list.Paths, want) {
				t.Errorf("%s: no %s in %v", path, want, list.Paths)
			}
		}
	}
}
