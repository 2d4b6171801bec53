package kubelet_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"

	"github.com/keelson-project/keelson/kubelet"
	"github.com/keelson-project/keelson/kubelet/simulated"
	netsim "github.com/keelson-project/keelson/netplugin/simulated"
)

// serveNode runs a kubelet on a simulated runtime, with a server on loopback
// and one running pod, and returns the server's address.
func serveNode(t *testing.T, script simulated.Behaviour, edit func(*kubelet.Config)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	network, err := netsim.New(netsim.Config{PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/24")}})
	if err != nil {
		t.Fatal(err)
	}
	a := newAPI(t)
	cfg := kubelet.Config{
		Client: a, NodeName: "node-1", Network: network, Server: kubelet.ServerConfig{Listener: listener},
		Runtime: simulated.New(simulated.Config{Script: behaviour(script)}),
	}
	if edit != nil {
		edit(&cfg)
	}
	k, err := kubelet.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	<-k.Ready()
	w, err := a.CoreV1().Pods("default").Watch(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	if _, err := a.CoreV1().Pods("default").Create(ctx, newPod("web"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for event := range w.ResultChan() {
		if pod, ok := event.Object.(*corev1.Pod); ok && condition(pod, corev1.PodReady) == corev1.ConditionTrue {
			return listener.Addr().String()
		}
	}
	t.Fatal("the pod does not become ready")
	return ""
}

func TestPortForward(t *testing.T) {
	addr := serveNode(t, simulated.Behaviour{
		Serve: func(_ context.Context, port uint16, stream io.ReadWriteCloser) error {
			line := make([]byte, 4)
			if _, err := io.ReadFull(stream, line); err != nil {
				return err
			}
			_, err := fmt.Fprintf(stream, "%s from %d", line, port)
			return err
		},
	}, nil)
	target := &url.URL{Scheme: "http", Host: addr, Path: "/portForward/default/web"}
	transport, upgrader, err := spdy.RoundTripperFor(&rest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	overWebSocket, err := portforward.NewSPDYOverWebsocketDialer(target, &rest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for name, dialer := range map[string]httpstream.Dialer{
		"spdy": spdy.NewDialer(upgrader, &http.Client{Transport: transport}, "POST", target), "websocket": overWebSocket,
	} {
		t.Run(name, func(t *testing.T) {
			stop, ready := make(chan struct{}), make(chan struct{})
			forwarder, err := portforward.NewOnAddresses(dialer, []string{"127.0.0.1"}, []string{"0:8080"}, stop, ready, io.Discard, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- forwarder.ForwardPorts() }()
			select {
			case <-ready:
			case err := <-done:
				t.Fatalf("ForwardPorts: %v", err)
			}
			ports, err := forwarder.GetPorts()
			if err != nil {
				t.Fatal(err)
			}
			conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", ports[0].Local))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, "ping"); err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(conn); err != nil || string(got) != "ping from 8080" {
				t.Errorf("got %q, %v", got, err)
			}
			close(stop)
			if err := <-done; err != nil {
				t.Errorf("ForwardPorts: %v", err)
			}
		})
	}
}

func TestLogsFromRuntime(t *testing.T) {
	addr := serveNode(t, simulated.Behaviour{Log: []string{"one", "two", "three"}}, nil)
	for query, want := range map[string]string{
		"":                               "one\ntwo\nthree\n",
		"tailLines=2":                    "two\nthree\n",
		"limitBytes=5":                   "one\nt",
		"tailLines=x":                    "parameter tailLines",
		"previous=true":                  `previous terminated container "app" in pod "web" not found`,
		"sinceTime=2100-01-01T00:00:00Z": "",
	} {
		resp, err := http.Get("http://" + addr + "/containerLogs/default/web/app?" + query)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.HasPrefix(string(got), want) || want == "" && len(got) > 0 {
			t.Errorf("%s: %q, %v; want %q", query, got, err, want)
		}
	}
	// A follower is ended together with the kubelet: Run returns in time.
	resp, err := http.Get("http://" + addr + "/containerLogs/default/web/app?follow=true")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if _, err := io.ReadFull(resp.Body, make([]byte, len("one\ntwo\nthree\n"))); err != nil {
		t.Errorf("following: %v", err)
	}
}

func TestAuthorize(t *testing.T) {
	addr := serveNode(t, simulated.Behaviour{}, func(c *kubelet.Config) {
		c.Server.Authorize = func(r *http.Request) error {
			if r.Header.Get("X-Test") == "" {
				return errors.New("who are you?")
			}
			return nil
		}
	})
	resp, err := http.Get("http://" + addr + "/pods")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusForbidden || !strings.Contains(string(text), "who are you?") {
		t.Errorf("without permission: %d %q", resp.StatusCode, text)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Test", "yes")
	resp, err = http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); string(text) != "ok" {
		t.Errorf("with permission: %d %q", resp.StatusCode, text)
	}
}

func TestHandlerBeforeRun(t *testing.T) {
	k, err := kubelet.New(kubelet.Config{Client: newAPI(t), NodeName: "n", Runtime: simulated.New(simulated.Config{}), HeartbeatInterval: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	k.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/pods", nil))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("answered %d before Run", w.Code)
	}
	if _, err := kubelet.New(kubelet.Config{RootDir: "relative"}); err == nil || !strings.Contains(err.Error(), "NodeName") || !strings.Contains(err.Error(), "absolute") {
		t.Errorf("an empty Config: %v", err)
	}
}
