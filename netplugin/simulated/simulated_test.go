package simulated_test

import (
	"net/netip"
	"testing"

	"github.com/keelson-project/keelson/netplugin"
	"github.com/keelson-project/keelson/netplugin/netplugintest"
	"github.com/keelson-project/keelson/netplugin/simulated"
)

func TestPlugin(t *testing.T) {
	netplugintest.Run(t, func(*testing.T) netplugintest.Environment {
		return netplugintest.Environment{Open: func(t *testing.T, podCIDR netip.Prefix) netplugin.Plugin {
			n, err := simulated.New(simulated.Config{PodCIDRs: []netip.Prefix{podCIDR}})
			if err != nil {
				t.Fatal(err)
			}
			return n
		}}
	})
}

func TestDualStack(t *testing.T) {
	n, err := simulated.New(simulated.Config{PodCIDRs: []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("fd00:1::/64"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := n.Add(t.Context(), netplugin.Attachment{SandboxID: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.IPs) != 2 || r.IPs[0].String() != "10.0.0.2" || r.IPs[1].String() != "fd00:1::2" {
		t.Fatalf("got %v", r.IPs)
	}
}

func TestNewRefusesNoRange(t *testing.T) {
	if _, err := simulated.New(simulated.Config{}); err == nil {
		t.Fatal("no range was accepted")
	}
}

func BenchmarkAddDel(b *testing.B) {
	n, err := simulated.New(simulated.Config{PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}})
	if err != nil {
		b.Fatal(err)
	}
	a := netplugin.Attachment{SandboxID: "a"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := n.Add(b.Context(), a); err != nil {
			b.Fatal(err)
		}
		if err := n.Del(b.Context(), a); err != nil {
			b.Fatal(err)
		}
	}
}
