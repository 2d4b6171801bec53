package connect

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/registry"
)

// Kubelets finds the kubelet of a node.
type Kubelets interface {
	// Kubelet returns the base URL of the node's kubelet and the transport to
	// reach it by, which must leave connection upgrades to its caller (no
	// HTTP/2). The error is answered to the client; API status errors as such.
	Kubelet(ctx context.Context, node string) (*url.URL, http.RoundTripper, error)
}

// Config is what New needs; all of it is required.
type Config struct {
	// Client reads pods, services and endpoint slices.
	Client kubernetes.Interface
	// Kubelets finds kubelets.
	Kubelets Kubelets
	// Network reaches pod and service addresses; nil means
	// http.DefaultTransport's way, without its proxy from the environment.
	Network http.RoundTripper
}

// New returns the subresources that connect.
func New(c Config) ([]registry.Virtual, error) {
	if c.Client == nil || c.Kubelets == nil {
		return nil, errors.New("connect: Config needs Client and Kubelets")
	}
	if c.Network == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.Proxy = nil
		c.Network = t
	}
	sub := func(resource, subresource, kind string, namespaced bool, handler any) registry.Virtual {
		return registry.Virtual{
			Parent: corev1.SchemeGroupVersion, Names: kinds.Names{Resource: resource}, Subresource: subresource,
			Namespaced: namespaced, Kind: schema.GroupVersionKind{Version: "v1", Kind: kind}, Handler: handler,
		}
	}
	return []registry.Virtual{
		sub("pods", "log", "Pod", true, &logs{c}),
		sub("pods", "exec", "PodExecOptions", true, &streams{c, "exec"}),
		sub("pods", "attach", "PodAttachOptions", true, &streams{c, "attach"}),
		sub("pods", "portforward", "PodPortForwardOptions", true, &streams{c, "portForward"}),
		sub("pods", "proxy", "PodProxyOptions", true, &podProxy{c}),
		sub("services", "proxy", "ServiceProxyOptions", true, &serviceProxy{c}),
		sub("nodes", "proxy", "NodeProxyOptions", false, &nodeProxy{c}),
	}, nil
}

// pod reads a pod.
func (c *Config) pod(ctx context.Context, namespace, name string) (*corev1.Pod, error) {
	return c.Client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
}

// kubelet finds the kubelet of the node that a pod is on.
func (c *Config) kubelet(ctx context.Context, pod *corev1.Pod) (*url.URL, http.RoundTripper, error) {
	base, transport, err := c.Kubelets.Kubelet(ctx, pod.Spec.NodeName)
	if apierrors.IsNotFound(err) {
		// Clients know it as being about pods, whatever is not there.
		err = apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, pod.Spec.NodeName)
	}
	return base, transport, err
}

// below is the URL of a path below base.
func below(base *url.URL, path ...string) *url.URL {
	root := *base
	if root.Path == "" {
		root.Path = "/" // or JoinPath makes a relative one
	}
	return root.JoinPath(path...)
}
