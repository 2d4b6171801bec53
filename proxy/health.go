package proxy

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
)

// healthCheck is what a load balancer wants to know of a service: whether
// this node has endpoints of its own for it.
type healthCheck struct {
	port  uint16 // spec.healthCheckNodePort; zero for services without
	local int    // ready endpoints on this node
}

// healthCheckOf works out the health check of a service. Only load balancers
// that send traffic to the nodes with endpoints need one.
func healthCheckOf(service *corev1.Service, endpointSlices []*discoveryv1.EndpointSlice, node Node) healthCheck {
	spec := &service.Spec
	if !proxied(service) || spec.Type != corev1.ServiceTypeLoadBalancer || spec.HealthCheckNodePort == 0 ||
		spec.ExternalTrafficPolicy != corev1.ServiceExternalTrafficPolicyLocal {
		return healthCheck{}
	}
	local := make(map[netip.Addr]struct{})
	for _, slice := range endpointSlices {
		for i := range slice.Endpoints {
			if c, ok := newCandidate(&slice.Endpoints[i], 0, node.Name); ok && c.Local && c.ready {
				local[c.Addr.Addr()] = struct{}{}
			}
		}
	}
	return healthCheck{port: uint16(spec.HealthCheckNodePort), local: len(local)}
}

// healthServers answer health checks, each service's on its port.
type healthServers struct {
	listen  func(ctx context.Context, port uint16) (net.Listener, error)
	logger  *slog.Logger
	running map[types.NamespacedName]*healthServer
}

// healthServer is the server of one service.
type healthServer struct {
	port   uint16
	local  atomic.Int64
	server *http.Server
	done   sync.WaitGroup
}

// reconcile makes the servers agree with the checks wanted. A port that cannot
// be opened is tried again the next time.
func (h *healthServers) reconcile(ctx context.Context, wanted map[types.NamespacedName]healthCheck) {
	if h.listen == nil {
		return
	}
	for key, s := range h.running {
		if wanted[key].port != s.port {
			s.stop()
			delete(h.running, key)
		}
	}
	for key, check := range wanted {
		s := h.running[key]
		if s == nil {
			listener, err := h.listen(ctx, check.port)
			if err != nil {
				h.logger.Error("cannot answer health checks of a service", "service", key, "port", check.port, "error", err)
				continue
			}
			s = startHealthServer(key, check.port, listener)
			h.running[key] = s
		}
		s.local.Store(int64(check.local))
	}
}

func (h *healthServers) stop() {
	for _, s := range h.running {
		s.stop()
	}
}

func startHealthServer(key types.NamespacedName, port uint16, listener net.Listener) *healthServer {
	s := &healthServer{port: port}
	s.server = &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { s.answer(w, key) }),
	}
	s.done.Go(func() {
		// It ends when stop closes the listener.
		_ = s.server.Serve(listener)
	})
	return s
}

func (s *healthServer) stop() {
	_ = s.server.Close()
	s.done.Wait()
}

func (s *healthServer) answer(w http.ResponseWriter, key types.NamespacedName) {
	var body struct {
		Service struct {
			Namespace string `json:"namespace"`
			Name      string `json:"name"`
		} `json:"service"`
		LocalEndpoints      int64 `json:"localEndpoints"`
		ServiceProxyHealthy bool  `json:"serviceProxyHealthy"`
	}
	body.Service.Namespace, body.Service.Name = key.Namespace, key.Name
	// The servers live no longer than the loop that writes the rules.
	body.LocalEndpoints, body.ServiceProxyHealthy = s.local.Load(), true
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("X-Load-Balancing-Endpoint-Weight", strconv.FormatInt(body.LocalEndpoints, 10))
	if body.LocalEndpoints == 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	// The client may be gone; nobody else cares.
	_ = json.NewEncoder(w).Encode(body)
}
