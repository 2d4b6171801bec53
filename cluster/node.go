package cluster

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/keelson-project/keelson/apiserver/certs"
	"github.com/keelson-project/keelson/apiserver/standard"
	"github.com/keelson-project/keelson/kubelet"
	"github.com/keelson-project/keelson/kubelet/simulated"
	"github.com/keelson-project/keelson/netplugin"
	simulatednetwork "github.com/keelson-project/keelson/netplugin/simulated"
	"github.com/keelson-project/keelson/proxy"
	simulatedproxy "github.com/keelson-project/keelson/proxy/simulated"
)

// node makes the parts of a node: its kubelet and its service proxy.
func (c *Cluster) node(n *Node) ([]part, error) {
	o := &c.options
	config := kubelet.Config{
		Client: c.client, NodeName: n.Name, Runtime: n.Runtime, RootDir: n.RootDir, CgroupRoot: n.CgroupRoot,
		ClusterDomain: o.ClusterDomain, NodeIPs: n.IPs, Capacity: n.Capacity, Labels: n.Labels, Taints: n.Taints, ImageGC: n.ImageGC, Logger: o.Logger,
	}
	if n.Network != nil {
		network := &network{open: n.Network}
		config.Network, config.PodCIDRs = network, network.assign
	}
	for _, ip := range o.ClusterDNS {
		config.ClusterDNS = append(config.ClusterDNS, ip.String())
	}
	if n.Listener != nil {
		config.Server = kubelet.ServerConfig{Listener: n.Listener, TLS: c.kubeletTLS(n), Authorize: onlyServer}
	} else {
		config.Server = kubelet.ServerConfig{Listener: c.local.listen(n.Name)}
	}
	k, err := kubelet.New(config)
	if err != nil {
		return nil, err
	}
	parts := []part{{"kubelet " + n.Name, k}}
	if n.Proxy != nil {
		p, err := proxy.New(proxy.Config{Client: c.client, NodeName: n.Name, Backend: n.Proxy, Logger: o.Logger})
		if err != nil {
			return nil, err
		}
		parts = append(parts, part{"proxy " + n.Name, p})
	}
	return parts, nil
}

// kubeletTLS is the kubelet's side of its connections with the API server:
// only clients with a certificate of the cluster's get as far as onlyServer.
func (c *Cluster) kubeletTLS(n *Node) *tls.Config {
	subject := certs.Subject{CommonName: "system:node:" + n.Name, Organizations: []string{"system:nodes"}, DNSNames: []string{n.Name}}
	for _, ip := range n.IPs {
		subject.IPs = append(subject.IPs, net.IP(ip.AsSlice()))
	}
	config := c.pki.CA.Renew(subject).ServerConfig(c.pki.CA)
	config.ClientAuth = tls.RequireAndVerifyClientCert
	config.NextProtos = []string{"http/1.1"}
	return config
}

// onlyServer lets the API server in and no other holder of a certificate.
func onlyServer(r *http.Request) error {
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		who := r.TLS.PeerCertificates[0].Subject
		if who.CommonName == standard.KubeletClient && slices.Contains(who.Organization, standard.AdminGroup) {
			return nil
		}
		return fmt.Errorf("user %q may not use the kubelet's API", who.CommonName)
	}
	return fmt.Errorf("a client certificate is required")
}

// withSimulatedNodes adds the nodes that o.SimulatedNodes asks for.
func withSimulatedNodes(o Options) Options {
	if o.SimulatedNodes == 0 {
		return o
	}
	nodes := slices.Clone(o.Nodes)
	for i := range o.SimulatedNodes {
		nodes = append(nodes, Node{
			Name: fmt.Sprintf("node-%d", i+1), Runtime: simulated.New(simulated.Config{}), Network: openSimulated,
			Proxy: simulatedproxy.New(simulatedproxy.Config{}), IPs: []netip.Addr{nodeIP(i)},
			Capacity: corev1.ResourceList{
				corev1.ResourceCPU: resource.MustParse("32"), corev1.ResourceMemory: resource.MustParse("256Gi"),
				corev1.ResourceEphemeralStorage: resource.MustParse("1Ti"), corev1.ResourcePods: resource.MustParse("110"),
			},
		})
	}
	o.Nodes = nodes
	return o
}

func openSimulated(podCIDRs []netip.Prefix) (netplugin.Plugin, error) {
	return simulatednetwork.New(simulatednetwork.Config{PodCIDRs: podCIDRs})
}

// nodeIP is the address of the i-th simulated node, out of the range set apart
// for documentation and benchmarks (RFC 2544), which nobody routes.
func nodeIP(i int) netip.Addr {
	n := i + 1
	return netip.AddrFrom4([4]byte{198, 18 + byte(n>>16&1), byte(n >> 8), byte(n)})
}
