package cluster

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"sync"

	"github.com/keelson-project/keelson/apiserver/connect"
	"github.com/keelson-project/keelson/internal/memnet"
)

// localKubelets reaches the kubelets of this process in memory, and others by
// way of remote.
type localKubelets struct {
	remote connect.Kubelets

	mu         sync.Mutex
	listeners  map[string]*memnet.Listener
	transports map[string]*http.Transport
}

func newLocalKubelets() *localKubelets {
	return &localKubelets{listeners: map[string]*memnet.Listener{}, transports: map[string]*http.Transport{}}
}

// listen returns the listener that the node's kubelet is to serve on.
func (k *localKubelets) listen(node string) net.Listener {
	k.mu.Lock()
	defer k.mu.Unlock()
	l := memnet.Listen(node)
	k.listeners[node] = l
	k.transports[node] = &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return l.Dial(ctx) },
	}
	return l
}

// Kubelet implements connect.Kubelets.
func (k *localKubelets) Kubelet(ctx context.Context, node string) (*url.URL, http.RoundTripper, error) {
	k.mu.Lock()
	transport := k.transports[node]
	k.mu.Unlock()
	if transport == nil {
		return k.remote.Kubelet(ctx, node)
	}
	return &url.URL{Scheme: "http", Host: node}, transport, nil
}

// CloseIdleConnections closes connections that are not in use.
func (k *localKubelets) CloseIdleConnections() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, t := range k.transports {
		t.CloseIdleConnections()
	}
	if c, ok := k.remote.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
