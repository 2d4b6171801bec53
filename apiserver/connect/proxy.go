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
	scheme, name, port, err := splitID(id)
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
	return proxyTo(scheme, pod.Status.PodIP, port, path, r, p.Network), nil
}

// serviceProxy serves services/proxy.
type serviceProxy struct{ Config }

// Methods implements registry.Connecter.
func (*serviceProxy) Methods() []string { return proxyMethods[:] }

// Connect implements registry.Connecter.
func (p *serviceProxy) Connect(ctx context.Context, namespace, id, path string, r *http.Request) (http.Handler, error) {
	scheme, name, port, err := splitID(id)
	if err != nil {
		return nil, err
	}
	svc, err := p.Client.CoreV1().Services(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	wanted := ""
	found := false
	for _, sp := range svc.Spec.Ports {
		if port == "" && len(svc.Spec.Ports) == 1 || sp.Name == port && port != "" || strconv.Itoa(int(sp.Port)) == port {
			wanted, found = sp.Name, true
			break
		}
	}
	if !found {
		return nil, apierrors.NewServiceUnavailable(fmt.Sprintf("no service port %q found for service %q", port, name))
	}
	slices, err := p.Client.DiscoveryV1().EndpointSlices(namespace).List(ctx, metav1.ListOptions{
		LabelSelector: labels.Set{discoveryv1.LabelServiceName: name}.String(),
	})
	if err != nil {
		return nil, err
	}
	type endpoint struct{ ip, port string }
	var ready []endpoint
	for i := range slices.Items {
		for _, sp := range slices.Items[i].Ports {
			if sp.Port == nil || sp.Name == nil && wanted != "" || sp.Name != nil && *sp.Name != wanted {
				continue
			}
			for _, e := range slices.Items[i].Endpoints {
				if e.Conditions.Ready == nil || *e.Conditions.Ready {
					ready = append(ready, endpoint{e.Addresses[0], strconv.Itoa(int(*sp.Port))})
				}
			}
		}
	}
	if len(ready) == 0 {
		return nil, apierrors.NewServiceUnavailable(fmt.Sprintf("no endpoints available for service %q", name))
	}
	chosen := ready[rand.IntN(len(ready))]
	if err := proxyable(chosen.ip); err != nil {
		return nil, err
	}
	return proxyTo(scheme, chosen.ip, chosen.port, path, r, p.Network), nil
}

// nodeProxy serves nodes/proxy: the kubelet, or a port of the node.
type nodeProxy struct{ Config }

// Methods implements registry.Connecter.
func (*nodeProxy) Methods() []string { return proxyMethods[:] }

// Connect implements registry.Connecter.
func (p *nodeProxy) Connect(ctx context.Context, _, id, path string, r *http.Request) (http.Handler, error) {
	scheme, name, port, err := splitID(id)
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
			return proxyTo(scheme, a.Address, port, path, r, p.Network), nil
		}
	}
	return nil, apierrors.NewServiceUnavailable(fmt.Sprintf("node %q has no internal address", name))
}

// proxyable refuses addresses that would lead to this machine itself rather
// than to a pod, for pod status and endpoints are what users write.
func proxyable(text string) error {
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.IsUnspecified() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsMulticast() {
		return apierrors.NewBadRequest(fmt.Sprintf("address not allowed: %q", text))
	}
	return nil
}

// splitID takes "[scheme:]name[:port]" apart.
func splitID(id string) (scheme, name, port string, err error) {
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
		return "", "", "", apierrors.NewBadRequest(fmt.Sprintf("invalid request %q: want [http:|https:]NAME[:PORT]", id))
	}
	if scheme == "" {
		scheme = "http"
	}
	return scheme, name, port, nil
}

// proxyTo hands the request to a server in the pod network.
func proxyTo(scheme, ip, port, path string, r *http.Request, transport http.RoundTripper) http.Handler {
	host := ip
	if port != "" {
		host = net.JoinHostPort(ip, port)
	}
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
