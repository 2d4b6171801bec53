package nftables_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/keelson-project/keelson/internal/netns/netnstest"
	"github.com/keelson-project/keelson/proxy"
	"github.com/keelson-project/keelson/proxy/nftables"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// many makes n services with two endpoints each.
func many(n int) []proxy.ServicePort {
	ports := make([]proxy.ServicePort, n)
	for i := range ports {
		hi, lo := byte(i>>8), byte(i)
		ports[i] = proxy.ServicePort{
			Name: proxy.PortName{
				Service: types.NamespacedName{Namespace: "default", Name: fmt.Sprint("service-", i)}, Port: "http", Protocol: corev1.ProtocolTCP,
			},
			ClusterIPs: []netip.Addr{netip.AddrFrom4([4]byte{10, 96 + hi>>6, hi, lo})}, Port: 80,
			Endpoints: []proxy.Endpoint{
				{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 244, hi, lo}), 8080), Local: i%100 == 0},
				{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 245, hi, lo}), 8080)},
			},
		}
	}
	return ports
}

func benchBackend(b *testing.B) *nftables.Backend {
	backend, err := nftables.New(nftables.Config{
		NetNS: netnstest.New(b), ClusterCIDRs: []netip.Prefix{netip.MustParsePrefix("10.244.0.0/15")},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { backend.Close() })
	return backend
}

func BenchmarkSync10000Services(b *testing.B) {
	backend, ports := benchBackend(b), many(10000)
	b.ReportAllocs()
	for b.Loop() {
		if err := backend.Sync(b.Context(), ports); err != nil {
			b.Fatal(err)
		}
	}
}

// Each round is a service that appears and goes again: two Applies.
func BenchmarkApplyOneAmong10000Services(b *testing.B) {
	backend, ports := benchBackend(b), many(10001)
	one := ports[10000]
	if err := backend.Sync(b.Context(), ports[:10000]); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := backend.Apply(b.Context(), proxy.Change{Set: []proxy.ServicePort{one}}); err != nil {
			b.Fatal(err)
		}
		if err := backend.Apply(b.Context(), proxy.Change{Removed: []proxy.PortName{one.Name}}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkApplyEndpointAmong10000Services(b *testing.B) {
	backend, ports := benchBackend(b), many(10000)
	if err := backend.Sync(b.Context(), ports); err != nil {
		b.Fatal(err)
	}
	states := [2]proxy.ServicePort{ports[77], ports[77]}
	states[1].Endpoints = states[1].Endpoints[:1]
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		i++
		if err := backend.Apply(b.Context(), proxy.Change{Set: states[i%2 : i%2+1]}); err != nil {
			b.Fatal(err)
		}
	}
}
