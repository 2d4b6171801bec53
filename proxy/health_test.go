package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/keelson-project/keelson/proxy"
	"github.com/keelson-project/keelson/proxy/simulated"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

// applied tells of every change that reached the backend.
type applied struct {
	*simulated.Backend
	changes chan proxy.Change
}

func (a applied) Apply(ctx context.Context, change proxy.Change) error {
	defer func() { a.changes <- change }()
	return a.Backend.Apply(ctx, change)
}

func TestHealthChecks(t *testing.T) {
	balanced := webService(externalLocal, func(s *corev1.Service) {
		s.Spec.Type, s.Spec.HealthCheckNodePort = corev1.ServiceTypeLoadBalancer, 32000
	})
	client := fake.NewClientset(balanced, slice("web-1", endpoint(1, "here"), endpoint(2, "here"), endpoint(3, "there"), endpoint(4, "here", unready)))
	opened := make(chan net.Addr, 1)
	backend := applied{simulated.New(simulated.Config{}), make(chan proxy.Change, 10)}
	p, err := proxy.New(proxy.Config{
		Client: client, NodeName: "here", Backend: backend,
		ListenHealth: func(ctx context.Context, port uint16) (net.Listener, error) {
			if port != 32000 {
				return nil, fmt.Errorf("asked for port %d", port)
			}
			l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
			if err == nil {
				opened <- l.Addr()
			}
			return l, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	addr := <-opened
	<-p.Ready()
	httpClient := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func() (int, string, string) {
		t.Helper()
		response, err := httpClient.Get("http://" + addr.String() + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, strings.TrimSpace(string(body)), response.Header.Get("X-Load-Balancing-Endpoint-Weight")
	}
	code, body, weight := ask()
	if want := `{"service":{"namespace":"default","name":"web"},"localEndpoints":2,"serviceProxyHealthy":true}`; code != 200 || body != want || weight != "2" {
		t.Errorf("with endpoints: %d, weight %s, %s", code, weight, body)
	}
	must[*discoveryv1.EndpointSlice](t)(client.DiscoveryV1().EndpointSlices("default").Update(ctx, slice("web-1", endpoint(3, "there")), metav1.UpdateOptions{}))
	<-backend.changes
	// The check follows the rules; a second change is seen only after it.
	must[*discoveryv1.EndpointSlice](t)(client.DiscoveryV1().EndpointSlices("default").Update(ctx, slice("web-1", endpoint(5, "there")), metav1.UpdateOptions{}))
	<-backend.changes
	if code, body, _ := ask(); code != http.StatusServiceUnavailable || !strings.Contains(body, `"localEndpoints":0`) {
		t.Errorf("without: %d, %s", code, body)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := httpClient.Get("http://" + addr.String()); err == nil {
		t.Error("the port is open after Run")
	}
}
