package apiserver_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// frame is an event as it is on the wire.
type frame struct {
	Type   string
	Object map[string]any
}

// TestWebsocketWatch reads the same watch by websocket in JSON and protobuf.
func TestWebsocketWatch(t *testing.T) {
	srv, client := start(t)
	web := httptest.NewServer(srv.Handler())
	defer web.Close()
	if _, err := client.CoreV1().ConfigMaps("default").Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	url := "ws" + strings.TrimPrefix(web.URL, "http") + "/api/v1/namespaces/default/configmaps?watch=1&fieldSelector=metadata.name%3Da"
	conn, resp, err := websocket.DefaultDialer.DialContext(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if typ := resp.Header.Get("Content-Type"); typ != "application/json" {
		t.Errorf("content type %q", typ)
	}
	kind, data, err := conn.ReadMessage()
	var f frame
	if err != nil || kind != websocket.TextMessage || json.Unmarshal(data, &f) != nil || f.Type != "ADDED" {
		t.Fatalf("message %d %s, %v", kind, data, err)
	}
	binary, _, err := websocket.DefaultDialer.DialContext(t.Context(), url, http.Header{"Accept": {"application/vnd.kubernetes.protobuf"}})
	if err != nil {
		t.Fatal(err)
	}
	defer binary.Close()
	kind, data, err = binary.ReadMessage()
	var ev metav1.WatchEvent
	if err != nil || kind != websocket.BinaryMessage || ev.Unmarshal(data) != nil || ev.Type != "ADDED" {
		t.Fatalf("message %d %x, %v", kind, data, err)
	}
	if err := client.CoreV1().ConfigMaps("default").Delete(t.Context(), "a", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, data, err = conn.ReadMessage(); err != nil || json.Unmarshal(data, &f) != nil || f.Type != "DELETED" {
		t.Fatalf("message %s, %v", data, err)
	}
}

// TestWebsocketRefused checks that a watch that cannot begin is refused as HTTP.
func TestWebsocketRefused(t *testing.T) {
	srv, _ := start(t)
	web := httptest.NewServer(srv.Handler())
	defer web.Close()
	url := "ws" + strings.TrimPrefix(web.URL, "http") + "/api/v1/configmaps?watch=1&fieldSelector=spec.none%3Dx"
	_, resp, err := websocket.DefaultDialer.DialContext(t.Context(), url, nil)
	if err == nil || resp == nil || resp.StatusCode != http.StatusBadRequest {
		t.Errorf("%v, %v", resp, err)
	}
}

// watchFrames reads n events of a watch, or fewer if it ends.
func watchFrames(t *testing.T, web *httptest.Server, n int, path string, header ...string) (frames []frame) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, web.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := web.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for len(frames) < n && lines.Scan() {
		var f frame
		if err := json.Unmarshal(lines.Bytes(), &f); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		frames = append(frames, f)
	}
	return frames
}

// TestWatchForms reads streamed lists in other forms than the object's own.
func TestWatchForms(t *testing.T) {
	srv, client := start(t)
	web := httptest.NewServer(srv.Handler())
	defer web.Close()
	for _, name := range []string{"a", "b"} {
		if _, err := client.CoreV1().ConfigMaps("kube-public").Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	path := "/api/v1/namespaces/kube-public/configmaps?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
	as := func(kind, version string) string {
		return "application/json;as=" + kind + ";g=meta.k8s.io;v=" + version
	}

	frames := watchFrames(t, web, 3, path+"&includeObject=None", "Accept", as("Table", "v1"))
	if len(frames) != 3 || frames[2].Type != "BOOKMARK" {
		t.Fatalf("frames %v", frames)
	}
	if frames[0].Object["columnDefinitions"] == nil || frames[1].Object["columnDefinitions"] != nil {
		t.Errorf("columns are for the first event: %v", frames)
	}
	row := func(f frame) map[string]any { return f.Object["rows"].([]any)[0].(map[string]any) }
	if row(frames[0])["object"] != nil {
		t.Errorf("an object where none was asked for: %v", frames[0])
	}
	end, _ := row(frames[2])["object"].(map[string]any)
	if end == nil || end["metadata"].(map[string]any)["annotations"].(map[string]any)[metav1.InitialEventsAnnotationKey] != "true" {
		t.Errorf("the end of the initial events is not told: %v", frames[2])
	}

	frames = watchFrames(t, web, 3, path, "Accept", as("PartialObjectMetadata", "v1beta1"))
	if len(frames) != 3 || frames[0].Object["kind"] != "PartialObjectMetadata" || frames[0].Object["apiVersion"] != "meta.k8s.io/v1beta1" {
		t.Errorf("frames %v", frames)
	}
	if frames = watchFrames(t, web, 3, path, "Accept", as("PartialObjectMetadataList", "v1")); len(frames) != 0 {
		t.Errorf("a single object as a list: %v", frames)
	}
}
