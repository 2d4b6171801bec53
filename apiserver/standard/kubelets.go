package standard

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/keelson-project/keelson/apiserver/certs"
)

// NodeKubelets reaches kubelets by HTTPS at the addresses in their Nodes'
// status. It implements connect.Kubelets.
type NodeKubelets struct {
	client    kubernetes.Interface
	transport *http.Transport
}

// NewNodeKubelets shows kubelets a client certificate signed by ca, for the
// user KubeletClient, and wants theirs signed by it.
func NewNodeKubelets(client kubernetes.Interface, ca *certs.Authority) *NodeKubelets {
	config := ca.Renew(certs.Subject{CommonName: KubeletClient, Organizations: []string{AdminGroup}}).ClientConfig(ca)
	return &NodeKubelets{client: client, transport: &http.Transport{
		TLSClientConfig: config,
		TLSNextProto:    map[string]func(string, *tls.Conn) http.RoundTripper{}, // no HTTP/2, which cannot upgrade
	}}
}

// Kubelet implements connect.Kubelets.
func (k *NodeKubelets) Kubelet(ctx context.Context, name string) (*url.URL, http.RoundTripper, error) {
	node, err := k.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, nil, err
	}
	port := int(node.Status.DaemonEndpoints.KubeletEndpoint.Port)
	for _, wanted := range []corev1.NodeAddressType{corev1.NodeInternalIP, corev1.NodeHostName, corev1.NodeExternalIP} {
		for _, a := range node.Status.Addresses {
			if a.Type == wanted && port != 0 {
				return &url.URL{Scheme: "https", Host: net.JoinHostPort(a.Address, strconv.Itoa(port))}, k.transport, nil
			}
		}
	}
	if port == 0 && len(node.Status.Addresses) > 0 {
		return nil, nil, apierrors.NewServiceUnavailable(fmt.Sprintf("node %q has not reported where its kubelet listens", name))
	}
	return nil, nil, fmt.Errorf("no preferred addresses found; known addresses: %v", node.Status.Addresses)
}

// CloseIdleConnections closes connections that are not in use.
func (k *NodeKubelets) CloseIdleConnections() { k.transport.CloseIdleConnections() }
