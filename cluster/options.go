package cluster

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/keelson-project/keelson/apiserver/standard"
	"github.com/keelson-project/keelson/controller"
	"github.com/keelson-project/keelson/kubelet"
	"github.com/keelson-project/keelson/netplugin"
	"github.com/keelson-project/keelson/proxy"
	"github.com/keelson-project/keelson/store"
)

// Options say what the cluster consists of. The zero value is a control plane
// without nodes in memory.
type Options struct {
	// Store keeps the cluster; nil means a new memory store. One that is
	// given is not closed.
	Store store.Store
	// PKI are the cluster's keys; nil means new ones, in memory.
	PKI *standard.PKI
	// Listener, if set, is where the API server serves by TLS; the cluster
	// closes it. Without one there is only the in-memory client.
	Listener net.Listener
	// ServerIPs are addresses besides loopback that the listener has.
	ServerIPs []netip.Addr
	// Advertise is where pods reach the API server; without it the service
	// "kubernetes" has no endpoints.
	Advertise netip.AddrPort
	// Tokens are bearer tokens for the API server, and whose they are.
	Tokens map[string]user.Info

	// Nodes are the nodes that this process runs.
	Nodes []Node
	// SimulatedNodes is the number of further nodes whose pods run in
	// memory; they are called node-1, node-2, ….
	SimulatedNodes int

	// PodCIDR is divided among the nodes, ServiceCIDR is for cluster IPs.
	// Default: 10.244.0.0/16 and 10.96.0.0/16.
	PodCIDR, ServiceCIDR netip.Prefix
	// ClusterDomain defaults to "cluster.local". ClusterDNS is the name
	// server of pods, usually a cluster IP; none by default.
	ClusterDomain string
	ClusterDNS    []netip.Addr

	// Controllers replaces the default set if not nil.
	Controllers []controller.Controller

	// Logger is told what happens; nil discards it.
	Logger *slog.Logger
	// Progress, if set, is called with the name of each part as it gets
	// ready, in an order that may differ from run to run.
	Progress func(part string)
}

// Node is a node and the three outside worlds it lives in.
type Node struct {
	// Name is the Node object's; required.
	Name string
	// Runtime runs containers; required.
	Runtime kubelet.Runtime
	// Network makes what connects pods, once the node's ranges have been
	// assigned; nil if the runtime does that.
	Network func(podCIDRs []netip.Prefix) (netplugin.Plugin, error)
	// Proxy programs services; nil does without.
	Proxy proxy.Backend
	// RootDir is where pods' files are; empty for a simulated node.
	RootDir string
	// CgroupRoot is the cgroup that pods are below; see kubelet.Config.
	CgroupRoot string
	// IPs are the node's addresses, the primary one first.
	IPs []netip.Addr
	// Listener, if set, is where the kubelet serves by TLS, and where the
	// API server then reaches it by the node's address. Without one it
	// reaches the kubelet in memory.
	Listener net.Listener
	// Capacity overrides what the node finds out about itself.
	Capacity corev1.ResourceList
	Labels   map[string]string
	Taints   []corev1.Taint
	// ImageGC are the thresholds for removing unused images.
	ImageGC kubelet.ImageGCConfig
}

func (o Options) complete() (Options, error) {
	if !o.PodCIDR.IsValid() {
		o.PodCIDR = netip.MustParsePrefix("10.244.0.0/16")
	}
	if !o.ServiceCIDR.IsValid() {
		o.ServiceCIDR = netip.MustParsePrefix("10.96.0.0/16")
	}
	if o.PodCIDR.Overlaps(o.ServiceCIDR) {
		return o, fmt.Errorf("cluster: PodCIDR %s and ServiceCIDR %s overlap: choose others", o.PodCIDR, o.ServiceCIDR)
	}
	if o.ClusterDomain == "" {
		o.ClusterDomain = "cluster.local"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	names := map[string]bool{}
	for i := range o.Nodes {
		n := &o.Nodes[i]
		if n.Name == "" || n.Runtime == nil {
			return o, fmt.Errorf("cluster: Nodes[%d] needs Name and Runtime", i)
		}
		if names[n.Name] {
			return o, fmt.Errorf("cluster: two nodes are called %q", n.Name)
		}
		names[n.Name] = true
	}
	return o, nil
}
