package proxy

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Backend programs service ports into whatever forwards packets. A Proxy
// calls it from one goroutine at a time.
type Backend interface {
	// Sync makes the node forward exactly the ports given, whatever was
	// there before, and leaves connections of unchanged endpoints alone. It
	// is called at the start and again after an Apply has failed.
	Sync(ctx context.Context, ports []ServicePort) error

	// Apply changes the ports named and no others; all of one call takes
	// effect at once or, with an error, not at all.
	Apply(ctx context.Context, change Change) error

	// Close releases handles and leaves the rules in place, so that traffic
	// flows on while a new process starts.
	Close() error

	// Cleanup removes everything the backend ever wrote on this node.
	Cleanup(ctx context.Context) error
}

// Change is a difference between two sets of service ports.
type Change struct {
	// Set are the ports that are new or differ, with their whole contents.
	Set []ServicePort
	// Removed are the ports to forget.
	Removed []PortName
}

// PortName identifies one port of one service.
type PortName struct {
	// Service is the namespace and name of the Service.
	Service types.NamespacedName
	// Port is the name of the port; empty for a service's only, unnamed one.
	Port string
	// Protocol is TCP, UDP or SCTP.
	Protocol corev1.Protocol
}

// String is "namespace/name:port/PROTOCOL".
func (n PortName) String() string {
	return fmt.Sprintf("%s:%s/%s", n.Service, n.Port, n.Protocol)
}

// ServicePort is one port of one service and all that a packet to it can
// need: the outcome of the proxy's reasoning, free of API objects.
type ServicePort struct {
	Name PortName
	// ClusterIPs are the virtual addresses of the service.
	ClusterIPs []netip.Addr
	// ExternalIPs are further addresses, from spec.externalIPs, which are
	// routed to this node by others.
	ExternalIPs []netip.Addr
	// LoadBalancerIPs are the addresses in the service's status.
	LoadBalancerIPs []netip.Addr
	// SourceRanges, if there are any of an address's IP family, are the only
	// clients that this one of LoadBalancerIPs admits.
	SourceRanges []netip.Prefix
	// Port is the service's port on its ClusterIPs, ExternalIPs and
	// LoadBalancerIPs.
	Port uint16
	// NodePort is the port on every node address; zero for none.
	NodePort uint16
	// AffinityTimeout above zero sends a client back to the endpoint it used
	// within that time.
	AffinityTimeout time.Duration
	// Endpoints get the traffic that comes from inside the cluster, those of
	// an address's own IP family. Where there are none, connections are
	// refused.
	Endpoints []Endpoint
	// ExternalEndpoints get the traffic that comes from outside the cluster,
	// by node ports, external addresses and load balancers. They differ from
	// Endpoints where a traffic policy is Local.
	ExternalEndpoints []Endpoint
	// ExternalLocal says that spec.externalTrafficPolicy is Local and some
	// node has an endpoint: external traffic keeps its source address, and is
	// dropped rather than refused where ExternalEndpoints is empty. What pods
	// or the node itself send to external addresses goes to Endpoints.
	ExternalLocal bool
	// InternalLocal says that spec.internalTrafficPolicy is Local and some
	// node has an endpoint: internal traffic is dropped rather than refused
	// where Endpoints is empty.
	InternalLocal bool
}

// Endpoint is one address that serves a port.
type Endpoint struct {
	Addr netip.AddrPort
	// Local says that the endpoint is a pod of this node.
	Local bool
}
