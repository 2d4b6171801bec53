package proxytest

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/keelson-project/keelson/proxy"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Run tests a backend; newEnvironment is called once for each subtest.
func Run(t *testing.T, newEnvironment func(t *testing.T) Environment) {
	tests := []struct {
		name string
		run  func(t *testing.T, w *world)
	}{
		{"ClusterIP", testClusterIP},
		{"AllEndpointsGetTraffic", testSpread},
		{"PodReachesItself", testHairpin},
		{"NoEndpointsIsRefused", testRefused},
		{"UnknownPortOfAClusterIPIsRefused", testUnknownPort},
		{"ProtocolsAreApart", testProtocols},
		{"NodePort", testNodePort},
		{"ExternalIP", testExternalIP},
		{"LoadBalancerIP", testLoadBalancer},
		{"SourceRanges", testSourceRanges},
		{"ExternalLocalKeepsTheSource", testExternalLocal},
		{"ExternalLocalWithoutLocalEndpointsDrops", testExternalLocalNone},
		{"InternalLocalWithoutLocalEndpointsDrops", testInternalLocalNone},
		{"AffinityKeepsTheEndpoint", testAffinity},
		{"AffinityEndsWithTheEndpoint", testAffinityLost},
		{"ApplyChangesOnlyWhatItNames", testApply},
		{"ApplyMovesAnAddress", testMove},
		{"ApplyOfACancelledContextChangesNothing", testCancelled},
		{"RemovingWhatIsNotThereIsFine", testRemoveNothing},
		{"SyncReplacesEverything", testSync},
		{"FirstClaimWins", testClaims},
		{"CloseLeavesTheRules", testClose},
		{"NewProcessConverges", testReopen},
		{"CleanupRemovesEverything", testCleanup},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := newEnvironment(t)
			test.run(t, &world{Environment: e, backend: e.Open(t)})
		})
	}
}

// world is an environment with the backend under test.
type world struct {
	Environment
	backend proxy.Backend
}

const (
	serviceIP  = "10.96.0.10"
	otherIP    = "10.96.0.11"
	externalIP = "198.18.0.1"
	balancerIP = "198.18.0.2"
)

func addrs(texts ...string) []netip.Addr {
	var list []netip.Addr
	for _, text := range texts {
		list = append(list, netip.MustParseAddr(text))
	}
	return list
}

// pods are endpoints at the first port, local ones by their address.
func pods(texts ...string) []proxy.Endpoint {
	var list []proxy.Endpoint
	for _, a := range addrs(texts...) {
		list = append(list, proxy.Endpoint{Addr: netip.AddrPortFrom(a, PodPort), Local: a != netip.MustParseAddr(RemotePod)})
	}
	return list
}

// service is a TCP port 80 at the address, with the endpoints given.
func service(name, ip string, endpoints ...proxy.Endpoint) proxy.ServicePort {
	return proxy.ServicePort{
		Name:       proxy.PortName{Service: types.NamespacedName{Namespace: "default", Name: name}, Port: "http", Protocol: corev1.ProtocolTCP},
		ClusterIPs: addrs(ip), Port: 80, Endpoints: endpoints,
	}
}

func (w *world) sync(t *testing.T, ports ...proxy.ServicePort) {
	t.Helper()
	if err := w.backend.Sync(t.Context(), ports); err != nil {
		t.Fatalf("Sync: %v", err)
	}
}

func (w *world) apply(t *testing.T, change proxy.Change) {
	t.Helper()
	if err := w.backend.Apply(t.Context(), change); err != nil {
		t.Fatalf("Apply: %v", err)
	}
}

// send makes a request to "address:port".
func (w *world) send(t *testing.T, from, to string, protocol corev1.Protocol) Result {
	t.Helper()
	return w.Send(t, netip.MustParseAddr(from), netip.MustParseAddrPort(to), protocol)
}

// wantFrom expects a TCP answer of one of the pods, who see the client as
// given.
func (w *world) wantFrom(t *testing.T, from, to, seen string, by ...string) {
	t.Helper()
	r := w.send(t, from, to, corev1.ProtocolTCP)
	if r.Outcome != Answered {
		t.Errorf("%s -> %s: %s, want an answer", from, to, r.Outcome)
		return
	}
	if !slices.Contains(addrs(by...), r.By.Addr()) {
		t.Errorf("%s -> %s: answered by %s, want one of %v", from, to, r.By, by)
	}
	switch {
	case seen == "masqueraded" && r.Seen == netip.MustParseAddr(from) && from != NodeAddr:
		t.Errorf("%s -> %s: the endpoint saw the client's address, want the node's", from, to)
	case seen == "kept" && r.Seen != netip.MustParseAddr(from):
		t.Errorf("%s -> %s: the endpoint saw %s, want the client's address", from, to, r.Seen)
	}
}

func (w *world) want(t *testing.T, from, to string, protocol corev1.Protocol, outcome Outcome) {
	t.Helper()
	if r := w.send(t, from, to, protocol); r.Outcome != outcome {
		t.Errorf("%s -> %s/%s: %s (by %s), want %s", from, to, protocol, r.Outcome, r.By, outcome)
	}
}

func testClusterIP(t *testing.T, w *world) {
	udp := service("udp", serviceIP, pods(LocalPod)...)
	udp.Name.Protocol = corev1.ProtocolUDP
	other := service("other", otherIP, proxy.Endpoint{Addr: netip.AddrPortFrom(netip.MustParseAddr(OtherLocalPod), OtherPodPort), Local: true})
	w.sync(t, service("web", serviceIP, pods(LocalPod)...), udp, other)
	for _, protocol := range []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP} {
		for _, from := range []string{ClientPod, NodeAddr} {
			r := w.send(t, from, serviceIP+":80", protocol)
			if r.Outcome != Answered || r.By.String() != LocalPod+":8080" {
				t.Errorf("%s from %s: %+v", protocol, from, r)
			}
		}
	}
	w.wantFrom(t, ClientPod, serviceIP+":80", "kept", LocalPod)
	w.wantFrom(t, Outside, serviceIP+":80", "masqueraded", LocalPod)
	if r := w.send(t, ClientPod, otherIP+":80", corev1.ProtocolTCP); r.By.String() != OtherLocalPod+":8081" {
		t.Errorf("the other service: %+v", r)
	}
}

// reached sends until all endpoints have answered, or often enough.
func (w *world) reached(t *testing.T, from, to string, want int) map[netip.Addr]bool {
	t.Helper()
	seen := make(map[netip.Addr]bool)
	for range 60 {
		r := w.send(t, from, to, corev1.ProtocolTCP)
		if r.Outcome != Answered {
			t.Fatalf("%s -> %s: %s", from, to, r.Outcome)
		}
		seen[r.By.Addr()] = true
		if len(seen) == want {
			break
		}
	}
	return seen
}

func testSpread(t *testing.T, w *world) {
	w.sync(t, service("web", serviceIP, pods(LocalPod, OtherLocalPod, RemotePod)...))
	if seen := w.reached(t, ClientPod, serviceIP+":80", 3); len(seen) != 3 {
		t.Errorf("only %v answered", seen)
	}
}

func testHairpin(t *testing.T, w *world) {
	w.sync(t, service("web", serviceIP, pods(LocalPod)...))
	w.wantFrom(t, LocalPod, serviceIP+":80", "masqueraded", LocalPod)
}

func testRefused(t *testing.T, w *world) {
	p := service("web", serviceIP)
	p.NodePort = 30080
	p.ExternalIPs = addrs(externalIP)
	udp := p
	udp.Name.Protocol = corev1.ProtocolUDP
	w.sync(t, p, udp)
	for _, protocol := range []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP} {
		w.want(t, ClientPod, serviceIP+":80", protocol, Refused)
		w.want(t, NodeAddr, serviceIP+":80", protocol, Refused)
		w.want(t, Outside, serviceIP+":80", protocol, Refused)
		w.want(t, Outside, externalIP+":80", protocol, Refused)
		w.want(t, Outside, NodeAddr+":30080", protocol, Refused)
	}
	w.apply(t, proxy.Change{Set: []proxy.ServicePort{service("web", serviceIP, pods(LocalPod)...)}})
	w.wantFrom(t, ClientPod, serviceIP+":80", "kept", LocalPod)
}

func testUnknownPort(t *testing.T, w *world) {
	w.sync(t, service("web", serviceIP, pods(LocalPod)...))
	w.want(t, ClientPod, serviceIP+":81", corev1.ProtocolTCP, Refused)
	w.want(t, NodeAddr, serviceIP+":81", corev1.ProtocolTCP, Refused)
}

func testProtocols(t *testing.T, w *world) {
	udp := service("dns", serviceIP, pods(OtherLocalPod)...)
	udp.Name.Protocol = corev1.ProtocolUDP
	w.sync(t, service("web", serviceIP, pods(LocalPod)...), udp)
	if r := w.send(t, ClientPod, serviceIP+":80", corev1.ProtocolUDP); r.By.Addr() != netip.MustParseAddr(OtherLocalPod) {
		t.Errorf("UDP: %+v", r)
	}
	w.wantFrom(t, ClientPod, serviceIP+":80", "kept", LocalPod)
	w.apply(t, proxy.Change{Removed: []proxy.PortName{udp.Name}})
	w.want(t, ClientPod, serviceIP+":80", corev1.ProtocolUDP, Refused)
	w.wantFrom(t, ClientPod, serviceIP+":80", "kept", LocalPod)
}

func testNodePort(t *testing.T, w *world) {
	p := service("web", serviceIP, pods(LocalPod)...)
	p.NodePort, p.ExternalEndpoints = 30080, pods(RemotePod, OtherLocalPod)
	w.sync(t, p)
	for _, from := range []string{Outside, ClientPod, NodeAddr} {
		w.wantFrom(t, from, NodeAddr+":30080", "masqueraded", RemotePod, OtherLocalPod)
		w.wantFrom(t, from, OtherNodeAddr+":30080", "masqueraded", RemotePod, OtherLocalPod)
	}
	if seen := w.reached(t, Outside, NodeAddr+":30080", 2); len(seen) != 2 {
		t.Errorf("only %v answered", seen)
	}
	w.want(t, ClientPod, RemotePod+":30080", corev1.ProtocolTCP, Refused)
}

func testExternalIP(t *testing.T, w *world) {
	p := service("web", serviceIP, pods(LocalPod)...)
	p.ExternalIPs, p.ExternalEndpoints = addrs(externalIP), pods(OtherLocalPod)
	w.sync(t, p)
	w.wantFrom(t, Outside, externalIP+":80", "masqueraded", OtherLocalPod)
	w.wantFrom(t, ClientPod, externalIP+":80", "masqueraded", OtherLocalPod)
	w.wantFrom(t, ClientPod, serviceIP+":80", "kept", LocalPod)
}

func testLoadBalancer(t *testing.T, w *world) {
	p := service("web", serviceIP, pods(LocalPod)...)
	p.LoadBalancerIPs, p.ExternalEndpoints = addrs(balancerIP), pods(LocalPod)
	w.sync(t, p)
	w.wantFrom(t, Outside, balancerIP+":80", "masqueraded", LocalPod)
}

func testSourceRanges(t *testing.T, w *world) {
	p := service("web", serviceIP, pods(LocalPod)...)
	p.LoadBalancerIPs, p.ExternalIPs, p.NodePort, p.ExternalEndpoints = addrs(balancerIP), addrs(externalIP), 30080, pods(LocalPod)
	p.SourceRanges = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/25"), netip.MustParsePrefix("fd00::/8")}
	w.sync(t, p)
	w.wantFrom(t, Outside, balancerIP+":80", "masqueraded", LocalPod)
	w.want(t, OtherOutside, balancerIP+":80", corev1.ProtocolTCP, Silent)
	w.wantFrom(t, OtherOutside, externalIP+":80", "masqueraded", LocalPod)
	w.wantFrom(t, OtherOutside, NodeAddr+":30080", "masqueraded", LocalPod)
	p.SourceRanges = p.SourceRanges[1:]
	w.apply(t, proxy.Change{Set: []proxy.ServicePort{p}})
	w.wantFrom(t, OtherOutside, balancerIP+":80", "masqueraded", LocalPod)
}

func testExternalLocal(t *testing.T, w *world) {
	p := service("web", serviceIP, pods(RemotePod)...)
	p.ExternalLocal, p.ExternalEndpoints = true, pods(LocalPod)
	p.NodePort, p.ExternalIPs, p.LoadBalancerIPs = 30080, addrs(externalIP), addrs(balancerIP)
	w.sync(t, p)
	for _, to := range []string{NodeAddr + ":30080", externalIP + ":80", balancerIP + ":80"} {
		w.wantFrom(t, Outside, to, "kept", LocalPod)
		w.wantFrom(t, ClientPod, to, "any", RemotePod)
		w.wantFrom(t, NodeAddr, to, "masqueraded", RemotePod)
	}
	w.wantFrom(t, ClientPod, serviceIP+":80", "kept", RemotePod)
}

func testExternalLocalNone(t *testing.T, w *world) {
	p := service("web", serviceIP, pods(RemotePod)...)
	p.ExternalLocal, p.NodePort, p.ExternalIPs = true, 30080, addrs(externalIP)
	none := service("none", otherIP)
	none.ExternalLocal, none.NodePort = true, 30081
	w.sync(t, p, none)
	w.want(t, Outside, NodeAddr+":30080", corev1.ProtocolTCP, Silent)
	w.want(t, Outside, externalIP+":80", corev1.ProtocolTCP, Silent)
	w.want(t, Outside, NodeAddr+":30081", corev1.ProtocolTCP, Silent)
	w.wantFrom(t, ClientPod, NodeAddr+":30080", "any", RemotePod)
}

func testInternalLocalNone(t *testing.T, w *world) {
	p := service("web", serviceIP)
	p.InternalLocal = true
	p.NodePort, p.ExternalEndpoints = 30080, pods(RemotePod)
	w.sync(t, p)
	w.want(t, ClientPod, serviceIP+":80", corev1.ProtocolTCP, Silent)
	w.wantFrom(t, Outside, NodeAddr+":30080", "masqueraded", RemotePod)
}

func testAffinity(t *testing.T, w *world) {
	p := service("web", serviceIP, pods(LocalPod, OtherLocalPod, RemotePod)...)
	p.AffinityTimeout = time.Hour
	p.NodePort, p.ExternalEndpoints = 30080, p.Endpoints
	w.sync(t, p)
	for _, to := range []string{serviceIP + ":80", NodeAddr + ":30080"} {
		first := w.send(t, ClientPod, to, corev1.ProtocolTCP).By
		for range 12 {
			if r := w.send(t, ClientPod, to, corev1.ProtocolTCP); r.By != first {
				t.Fatalf("%s: first %s, then %+v", to, first, r)
			}
		}
	}
}

func testAffinityLost(t *testing.T, w *world) {
	p := service("web", serviceIP, pods(LocalPod, OtherLocalPod)...)
	p.AffinityTimeout = time.Hour
	w.sync(t, p)
	first := w.send(t, ClientPod, serviceIP+":80", corev1.ProtocolTCP).By
	p.Endpoints = slices.DeleteFunc(slices.Clone(p.Endpoints), func(e proxy.Endpoint) bool { return e.Addr == first })
	w.apply(t, proxy.Change{Set: []proxy.ServicePort{p}})
	for range 3 {
		if r := w.send(t, ClientPod, serviceIP+":80", corev1.ProtocolTCP); r.Outcome != Answered || r.By == first {
			t.Fatalf("after %s went: %+v", first, r)
		}
	}
	p.AffinityTimeout = 0
	p.Endpoints = pods(LocalPod, OtherLocalPod, RemotePod)
	w.apply(t, proxy.Change{Set: []proxy.ServicePort{p}})
	if seen := w.reached(t, ClientPod, serviceIP+":80", 3); len(seen) != 3 {
		t.Errorf("without affinity only %v answered", seen)
	}
}

func testApply(t *testing.T, w *world) {
	kept, changed := service("kept", serviceIP, pods(LocalPod)...), service("changed", otherIP, pods(LocalPod)...)
	w.sync(t, kept, changed)
	changed.Endpoints = pods(OtherLocalPod, RemotePod)
	added := service("added", "10.96.0.12", pods(RemotePod)...)
	w.apply(t, proxy.Change{Set: []proxy.ServicePort{changed, added}})
	w.wantFrom(t, ClientPod, serviceIP+":80", "kept", LocalPod)
	w.wantFrom(t, ClientPod, otherIP+":80", "kept", OtherLocalPod, RemotePod)
	w.wantFrom(t, ClientPod, "10.96.0.12:80", "kept", RemotePod)

	w.apply(t, proxy.Change{Removed: []proxy.PortName{changed.Name}})
	if r := w.send(t, ClientPod, otherIP+":80", corev1.ProtocolTCP); r.Outcome == Answered {
		t.Errorf("a removed service: %+v", r)
	}
	w.wantFrom(t, ClientPod, serviceIP+":80", "kept", LocalPod)
	w.wantFrom(t, ClientPod, "10.96.0.12:80", "kept", RemotePod)
}

func testMove(t *testing.T, w *world) {
	a, b := service("a", serviceIP, pods(LocalPod)...), service("b", otherIP, pods(OtherLocalPod)...)
	w.sync(t, a, b)
	b.ClusterIPs = addrs(serviceIP)
	w.apply(t, proxy.Change{Removed: []proxy.PortName{a.Name}, Set: []proxy.ServicePort{b}})
	w.wantFrom(t, ClientPod, serviceIP+":80", "kept", OtherLocalPod)
	// Two that change places.
	a.ClusterIPs, a.Port = addrs(serviceIP), 81
	w.apply(t, proxy.Change{Set: []proxy.ServicePort{a}})
	a.Port, b.Port = 80, 81
	w.apply(t, proxy.Change{Set: []proxy.ServicePort{a, b}})
	w.wantFrom(t, ClientPod, serviceIP+":80", "kept", LocalPod)
	w.wantFrom(t, ClientPod, serviceIP+":81", "kept", OtherLocalPod)
}

func testCancelled(t *testing.T, w *world) {
	p := service("web", serviceIP, pods(LocalPod)...)
	w.sync(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.backend.Apply(ctx, proxy.Change{Removed: []proxy.PortName{p.Name}}); err == nil {
		t.Error("Apply succeeded")
	}
	w.wantFrom(t, ClientPod, serviceIP+":80", "kept", LocalPod)
}

func testRemoveNothing(t *testing.T, w *world) {
	p := service("web", serviceIP, pods(LocalPod)...)
	w.sync(t)
	w.apply(t, proxy.Change{Removed: []proxy.PortName{p.Name}})
	w.apply(t, proxy.Change{Set: []proxy.ServicePort{p}, Removed: []proxy.PortName{p.Name}})
	w.wantFrom(t, ClientPod, serviceIP+":80", "kept", LocalPod)
}

func testSync(t *testing.T, w *world) {
	w.sync(t, service("old", serviceIP, pods(LocalPod)...), service("both", otherIP, pods(LocalPod)...))
	w.sync(t, service("both", otherIP, pods(OtherLocalPod)...), service("new", "10.96.0.12", pods(RemotePod)...))
	if r := w.send(t, ClientPod, serviceIP+":80", corev1.ProtocolTCP); r.Outcome == Answered {
		t.Errorf("a service that is gone: %+v", r)
	}
	w.wantFrom(t, ClientPod, otherIP+":80", "kept", OtherLocalPod)
	w.wantFrom(t, ClientPod, "10.96.0.12:80", "kept", RemotePod)
}

func testClaims(t *testing.T, w *world) {
	first, second := service("first", serviceIP, pods(LocalPod)...), service("second", otherIP, pods(OtherLocalPod)...)
	for _, p := range []*proxy.ServicePort{&first, &second} {
		p.ExternalIPs, p.ExternalEndpoints = addrs(externalIP), p.Endpoints
	}
	w.sync(t, first)
	w.apply(t, proxy.Change{Set: []proxy.ServicePort{second}})
	w.wantFrom(t, Outside, externalIP+":80", "masqueraded", LocalPod)
	w.wantFrom(t, ClientPod, otherIP+":80", "kept", OtherLocalPod)
	w.apply(t, proxy.Change{Removed: []proxy.PortName{first.Name}})
	w.wantFrom(t, Outside, externalIP+":80", "masqueraded", OtherLocalPod)
}

func testClose(t *testing.T, w *world) {
	w.sync(t, service("web", serviceIP, pods(LocalPod)...))
	if err := w.backend.Close(); err != nil {
		t.Fatal(err)
	}
	w.wantFrom(t, ClientPod, serviceIP+":80", "kept", LocalPod)
}

func testReopen(t *testing.T, w *world) {
	sticky := service("sticky", "10.96.0.12", pods(LocalPod, RemotePod)...)
	sticky.AffinityTimeout = time.Minute
	w.sync(t, service("old", serviceIP, pods(LocalPod)...), service("both", otherIP, pods(LocalPod)...), sticky)
	if err := w.backend.Close(); err != nil {
		t.Fatal(err)
	}
	w.backend = w.Open(t)
	both := service("both", otherIP, pods(OtherLocalPod)...)
	w.sync(t, both)
	w.wantFrom(t, ClientPod, otherIP+":80", "kept", OtherLocalPod)
	for _, gone := range []string{serviceIP, "10.96.0.12"} {
		if r := w.send(t, ClientPod, gone+":80", corev1.ProtocolTCP); r.Outcome == Answered {
			t.Errorf("a service that is gone: %+v", r)
		}
	}
	both.Endpoints = pods(RemotePod)
	w.apply(t, proxy.Change{Set: []proxy.ServicePort{both}})
	w.wantFrom(t, ClientPod, otherIP+":80", "kept", RemotePod)
}

func testCleanup(t *testing.T, w *world) {
	p := service("web", serviceIP, pods(LocalPod)...)
	p.NodePort, p.ExternalEndpoints = 30080, p.Endpoints
	w.sync(t, p)
	for range 2 {
		if err := w.backend.Cleanup(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, to := range []string{serviceIP + ":80", NodeAddr + ":30080"} {
		if r := w.send(t, ClientPod, to, corev1.ProtocolTCP); r.Outcome == Answered {
			t.Errorf("%s after Cleanup: %+v", to, r)
		}
	}
	w.sync(t, p)
	w.wantFrom(t, ClientPod, serviceIP+":80", "kept", LocalPod)
}
