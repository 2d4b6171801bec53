package simulated_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keelson-project/keelson/proxy"
	"github.com/keelson-project/keelson/proxy/proxytest"
	"github.com/keelson-project/keelson/proxy/simulated"
	corev1 "k8s.io/api/core/v1"
)

func newBackend() *simulated.Backend {
	return simulated.New(simulated.Config{
		NodeAddrs:    []netip.Addr{netip.MustParseAddr(proxytest.NodeAddr), netip.MustParseAddr(proxytest.OtherNodeAddr)},
		ClusterCIDRs: []netip.Prefix{netip.MustParsePrefix(proxytest.ClusterCIDR)},
	})
}

func TestBackend(t *testing.T) {
	proxytest.Run(t, func(*testing.T) proxytest.Environment {
		node := newBackend()
		return proxytest.Environment{
			Open: func(*testing.T) proxy.Backend { return node },
			Send: func(_ *testing.T, from netip.Addr, to netip.AddrPort, protocol corev1.Protocol) proxytest.Result {
				return send(node, from, to, protocol)
			},
		}
	})
}

// send tells what a client would see of a packet's fate.
func send(b *simulated.Backend, from netip.Addr, to netip.AddrPort, protocol corev1.Protocol) proxytest.Result {
	v := b.Trace(simulated.Packet{Source: from, Destination: to, Protocol: protocol})
	switch v.Outcome {
	case simulated.Forwarded:
		seen := from
		if v.Masqueraded {
			seen = netip.MustParseAddr("10.244.0.1")
		}
		return proxytest.Result{Outcome: proxytest.Answered, By: v.Endpoint, Seen: seen}
	case simulated.Refused:
		return proxytest.Result{Outcome: proxytest.Refused}
	case simulated.Passed:
		// The addressee has no such server, if there is one at all.
		if netip.MustParsePrefix(proxytest.ClusterCIDR).Contains(to.Addr()) {
			return proxytest.Result{Outcome: proxytest.Refused}
		}
	}
	return proxytest.Result{Outcome: proxytest.Silent}
}

func TestAffinityExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		p := proxy.ServicePort{
			ClusterIPs: []netip.Addr{netip.MustParseAddr("10.96.0.1")}, Port: 80, AffinityTimeout: 10 * time.Second,
			Endpoints: []proxy.Endpoint{{Addr: netip.MustParseAddrPort("10.244.0.1:80")}, {Addr: netip.MustParseAddrPort("10.244.0.2:80")}},
		}
		p.Name.Protocol = corev1.ProtocolTCP
		if err := b.Sync(t.Context(), []proxy.ServicePort{p}); err != nil {
			t.Fatal(err)
		}
		packet := simulated.Packet{
			Source: netip.MustParseAddr("10.244.0.9"), Destination: netip.MustParseAddrPort("10.96.0.1:80"), Protocol: corev1.ProtocolTCP,
		}
		first := b.Trace(packet).Endpoint
		for range 3 {
			time.Sleep(9 * time.Second)
			if again := b.Trace(packet).Endpoint; again != first {
				t.Fatalf("within the time: %s, first %s", again, first)
			}
		}
		time.Sleep(10 * time.Second)
		if again := b.Trace(packet).Endpoint; again == first {
			t.Fatal("the client is still remembered")
		}
	})
}

func TestString(t *testing.T) {
	b := newBackend()
	p := proxy.ServicePort{ClusterIPs: []netip.Addr{netip.MustParseAddr("10.96.0.1")}, Port: 80}
	p.Name = proxy.PortName{Port: "http", Protocol: corev1.ProtocolTCP}
	p.Name.Service.Namespace, p.Name.Service.Name = "default", "web"
	p.Endpoints = []proxy.Endpoint{{Addr: netip.MustParseAddrPort("10.244.0.1:80")}}
	if err := b.Sync(t.Context(), []proxy.ServicePort{p}); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "default/web:http/TCP [10.96.0.1]:80 -> [10.244.0.1:80]\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
