package connect

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// proxyMethods are all those of HTTP.
var proxyMethods = [...]string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}

// podProxy serves pods/proxy.
type podProxy struct{ Config }

// Methods implements registry.Connecter.
func (*podProxy) Methods() []string { return proxyMethods[:] }

// Connect implements registry.Connecter.
func (p *podProxy) Connect(ctx context.Context, namespace, id, path string, r *http.Request) (http.Handler, error) {
	scheme, name, port, err := splitID("pod", id)
	if err != nil {
		return nil, err
	}
	pod, err := p.pod(ctx, namespace, name)
	if err != nil {
		return nil, err
	}
	if port == "" {
		for _, c := range pod.Spec.Containers {
			if len(c.Ports) > 0 {
				port = strconv.Itoa(int(c.Ports[0].ContainerPort))
				break
			}
		}
	}
	if err := proxyable(pod.Status.PodIP); err != nil {
		return nil, err
	}
	return proxyTo(scheme, address(pod.Status.PodIP, port), path, r, p.Network), nil
}

// serviceProxy serves services/proxy.
type serviceProxy struct{ Config }

// Methods implements registry.Connecter.
func (*serviceProxy) Methods() []string { return proxyMethods[:] }

// Connect implements registry.Connecter.
func (p *serviceProxy) Connect(ctx context.Context, namespace, id, path string, r *http.Request) (http.Handler, error) {
	scheme, name, port, err := splitID("service", id)
	if err != nil {
		return nil, err
	}
	if n, err := strconv.ParseInt(port, 10, 64); err == nil {
		svc, err := p.Client.CoreV1().Services(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(svc.Spec.Ports, func(sp corev1.ServicePort) bool { return int64(sp.Port) == n })
		if i < 0 {
			return nil, apierrors.NewServiceUnavailable(fmt.Sprintf("no service port %d found for service %q", n, name))
		}
		port = svc.Spec.Ports[i].Name
	}
	host, err := p.endpoint(ctx, namespace, name, port)
	if err != nil {
		return nil, err
	}
	return proxyTo(scheme, host, path, r, p.Network), nil
}

// endpoint chooses the address of a ready pod behind the port of that name of
// a service.
func (p *serviceProxy) endpoint(ctx context.Context, namespace, service, port string) (string, error) {
	found, err := p.Client.DiscoveryV1().EndpointSlices(namespace).List(ctx, metav1.ListOptions{
		LabelSelector: labels.Set{discoveryv1.LabelServiceName: service}.String(),
	})
	if err != nil {
		return "", err
	}
	rand.Shuffle(len(found.Items), func(i, j int) { found.Items[i], found.Items[j] = found.Items[j], found.Items[i] })
	for _, slice := range found.Items {
		for _, sp := range slice.Ports {
			if sp.Port == nil || sp.Name == nil || *sp.Name != port || len(slice.Endpoints) == 0 {
				continue
			}
			first := rand.IntN(len(slice.Endpoints))
			for i := range slice.Endpoints {
				e := &slice.Endpoints[(first+i)%len(slice.Endpoints)]
				if (e.Conditions.Ready == nil || *e.Conditions.Ready) && p.isPod(ctx, namespace, e) {
					return net.JoinHostPort(e.Addresses[0], strconv.Itoa(int(*sp.Port))), nil
				}
			}
		}
	}
	return "", apierrors.NewServiceUnavailable(fmt.Sprintf("no endpoints available for service %q", service))
}

// isPod reports whether an endpoint is what it says it is, an address of a pod
// in the namespace; for endpoints are what users write.
func (p *serviceProxy) isPod(ctx context.Context, namespace string, e *discoveryv1.Endpoint) bool {
	if e.TargetRef == nil || e.TargetRef.Namespace != namespace || len(e.Addresses) == 0 {
		return false
	}
	pod, err := p.pod(ctx, namespace, e.TargetRef.Name)
	if err != nil || proxyable(e.Addresses[0]) != nil {
		return false
	}
	return slices.ContainsFunc(pod.Status.PodIPs, func(ip corev1.PodIP) bool { return ip.IP == e.Addresses[0] })
}

// nodeProxy serves nodes/proxy: the kubelet, or a port of the node.
type nodeProxy struct{ Config }

// Methods implements registry.Connecter.
func (*nodeProxy) Methods() []string { return proxyMethods[:] }

// Connect implements registry.Connecter.
func (p *nodeProxy) Connect(ctx context.Context, _, id, path string, r *http.Request) (http.Handler, error) {
	scheme, name, port, err := splitID("node", id)
	if err != nil {
		return nil, err
	}
	node, err := p.Client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	if port == "" || port == strconv.Itoa(int(node.Status.DaemonEndpoints.KubeletEndpoint.Port)) {
		base, transport, err := p.Kubelets.Kubelet(ctx, name)
		if err != nil {
			return nil, err
		}
		target := below(base, path)
		target.RawQuery = r.URL.RawQuery
		return forward(target, transport, r.Method), nil
	}
	for _, a := range node.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			if err := proxyable(a.Address); err != nil {
				return nil, err
			}
			return proxyTo(scheme, address(a.Address, port), path, r, p.Network), nil
		}
	}
	return nil, fmt.Errorf("no preferred addresses found; known addresses: %v", node.Status.Addresses)
}

// proxyable refuses addresses that would lead to this machine itself rather
// than to a pod, for pod status and endpoints are what users write.
func proxyable(text string) error {
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.IsUnspecified() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsMulticast() {
		return apierrors.NewBadRequest("address not allowed")
	}
	return nil
}

// splitID takes "[scheme:]name[:port]" apart.
func splitID(kind, id string) (scheme, name, port string, err error) {
	parts := strings.Split(id, ":")
	switch len(parts) {
	case 1:
		name = parts[0]
	case 2:
		name, port = parts[0], parts[1]
	case 3:
		scheme, name, port = parts[0], parts[1], parts[2]
	}
	if name == "" || len(parts) > 3 || scheme != "" && scheme != "http" && scheme != "https" {
		return "", "", "", apierrors.NewBadRequest(fmt.Sprintf("invalid %s request %q", kind, id))
	}
	if scheme == "" {
		scheme = "http"
	}
	return scheme, name, port, nil
}

// address is a host with a port, which may be empty.
func address(ip, port string) string {
	switch {
	case port != "":
		return net.JoinHostPort(ip, port)
	case strings.Contains(ip, ":"):
		return "[" + ip + "]"
	}
	return ip
}

// proxyTo hands the request to a server in the pod network.
func proxyTo(scheme, host, path string, r *http.Request, transport http.RoundTripper) http.Handler {
	target := &url.URL{Scheme: scheme, Host: host, Path: path, RawQuery: r.URL.RawQuery}
	if path == "" {
		// Relative links of the page would lead beside the proxy.
		redirect := *r.URL
		if (r.Method == http.MethodGet || r.Method == http.MethodHead) && !strings.HasSuffix(redirect.Path, "/") {
			redirect.Path += "/"
			return http.RedirectHandler(redirect.String(), http.StatusMovedPermanently)
		}
		target.Path = "/"
	}
	return &httputil.ReverseProxy{
		Transport: transport, FlushInterval: -1, ErrorHandler: proxyError,
		Rewrite: func(p *httputil.ProxyRequest) {
			*p.Out.URL = *target
			p.Out.Host = target.Host
			p.Out.Header.Del("Authorization")
			p.SetXForwarded()
		},
	}
}

func writeStatus(w http.ResponseWriter, err *apierrors.StatusError) {
	status := err.Status()
	status.Kind, status.APIVersion = "Status", "v1"
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(int(status.Code))
	_ = json.NewEncoder(w).Encode(status)
}
