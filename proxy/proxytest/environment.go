package proxytest

import (
	"net/netip"
	"testing"

	"github.com/keelson-project/keelson/proxy"
	corev1 "k8s.io/api/core/v1"
)

// The world that every test runs in: a node with some pods, pods on another
// node that are reached by way of this one, and clients outside the cluster.
// All pods answer on PodPort and OtherPodPort by TCP and UDP. The node forwards
// packets; what is sent to addresses that nobody has is lost.
const (
	// NodeAddr and OtherNodeAddr are both addresses of the node.
	NodeAddr      = "192.0.2.1"
	OtherNodeAddr = "198.51.100.7"
	// ClusterCIDR is the range of all pods.
	ClusterCIDR = "10.244.0.0/16"
	// LocalPod and OtherLocalPod are on the node, and ClientPod too.
	LocalPod      = "10.244.0.10"
	OtherLocalPod = "10.244.0.11"
	ClientPod     = "10.244.0.20"
	// RemotePod is on another node.
	RemotePod = "10.244.1.10"
	// Outside and OtherOutside are clients that are not in the cluster.
	Outside      = "203.0.113.9"
	OtherOutside = "203.0.113.200"

	// PodPort and OtherPodPort are the ports that pods serve.
	PodPort      = 8080
	OtherPodPort = 8081
)

// Outcome is what a client sees.
type Outcome string

const (
	// Answered means that an endpoint did.
	Answered Outcome = "Answered"
	// Refused means that the client learned at once that nobody listens.
	Refused Outcome = "Refused"
	// Silent means that nothing came back.
	Silent Outcome = "Silent"
)

// Result is what became of a request.
type Result struct {
	Outcome Outcome
	// By is the endpoint that answered, and Seen the client's address as the
	// endpoint saw it.
	By   netip.AddrPort
	Seen netip.Addr
}

// Environment is the world of one test.
type Environment struct {
	// Open returns a backend for the node. A second call stands for a new
	// process on it.
	Open func(t *testing.T) proxy.Backend
	// Send makes one request, as a connection of its own, from one of the
	// addresses above.
	Send func(t *testing.T, from netip.Addr, to netip.AddrPort, protocol corev1.Protocol) Result
}
