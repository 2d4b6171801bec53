package probe_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/keelson-project/keelson/kubelet/probe"
)

// target is a pod on loopback with a port of a server, called "web".
func target(t *testing.T, server *httptest.Server) (probe.Target, int) {
	t.Helper()
	host, text, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	c := &corev1.Container{Name: "app", Ports: []corev1.ContainerPort{{Name: "web", ContainerPort: int32(port)}}}
	return probe.Target{Container: c, IP: host, Timeout: time.Second}, port
}

func try(t *testing.T, h corev1.ProbeHandler, on probe.Target) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := probe.Run(ctx, h, on); err != nil {
		return err.Error()
	}
	return ""
}

func TestHTTPAndTCP(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/moved":
			http.Redirect(w, r, "/ok", http.StatusFound)
		case r.URL.Path != "/ok" || r.Host != "a.test" && r.Header.Get("X-Any") == "" && r.URL.Query().Get("any") == "":
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	on, _ := target(t, server)
	get := func(path string, headers ...corev1.HTTPHeader) corev1.ProbeHandler {
		return corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString("web"), HTTPHeaders: headers}}
	}
	for _, c := range []struct {
		h    corev1.ProbeHandler
		want string
	}{
		{get("/ok?any=1"), ""},
		{get("/ok", corev1.HTTPHeader{Name: "Host", Value: "a.test"}), ""},
		{get("/moved", corev1.HTTPHeader{Name: "X-Any", Value: "1"}), ""},
		{get("/bad"), "HTTP probe failed with statuscode: 418"},
		{corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromString("none")}}, "couldn't find port"},
		{corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromString("web")}}, ""},
		{corev1.ProbeHandler{}, "missing probe handler"},
	} {
		if got := try(t, c.h, on); !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%+v: %q, want %q", c.h, got, c.want)
		}
	}
	server.Close()
	if got := try(t, corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromString("web")}}, on); !strings.Contains(got, "refused") {
		t.Errorf("a closed port: %q", got)
	}
}

func TestGRPC(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/grpc.health.v1.Health/Check" || r.Header.Get("Content-Type") != "application/grpc" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		status, code := byte(1), "0"
		switch string(body[5:]) {
		case "":
		case "\n\x04sick":
			status = 2
		default:
			code = "12"
		}
		w.Write([]byte{0, 0, 0, 0, 2, 8, status})
		w.Header().Set("Grpc-Status", code)
	}))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	defer server.Close()
	on, port := target(t, server)
	for service, want := range map[string]string{
		"":      "",
		"sick":  `service unhealthy (responded with "NOT_SERVING")`,
		"other": "error: this server does not implement the grpc health protocol (grpc.health.v1.Health)",
	} {
		h := corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: int32(port), Service: &service}}
		if got := try(t, h, on); got != want {
			t.Errorf("service %q: %q, want %q", service, got, want)
		}
	}
}
