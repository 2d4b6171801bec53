package nftables_test

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"testing"

	"github.com/keelson-project/keelson/internal/netns/netnstest"
	"github.com/keelson-project/keelson/netplugin"
	"github.com/keelson-project/keelson/netplugin/bridge"
	"github.com/keelson-project/keelson/proxy/nftables"
	"github.com/keelson-project/keelson/proxy/proxytest"
	corev1 "k8s.io/api/core/v1"
)

// Services must work for pods on one bridge, where the kernel may show bridged
// packets to nftables (br_netfilter) or not.
func TestPodsOnABridge(t *testing.T) {
	for _, filter := range []string{"0", "1"} {
		t.Run("bridge-nf-call-iptables="+filter, func(t *testing.T) { testPodsOnABridge(t, filter) })
	}
}

func testPodsOnABridge(t *testing.T, filter string) {
	w := &world{node: netnstest.New(t), members: make(map[netip.Addr]string)}
	w.must(t, w.node, func() error {
		err := os.WriteFile("/proc/sys/net/bridge/bridge-nf-call-iptables", []byte(filter), 0)
		if errors.Is(err, fs.ErrNotExist) && filter == "0" {
			return nil
		}
		if errors.Is(err, fs.ErrNotExist) {
			t.Skip("br_netfilter is not in this kernel")
		}
		return err
	})
	network, err := bridge.New(bridge.Config{
		NetNS: w.node, StateDir: t.TempDir(), PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.244.0.0/24")},
		ClusterCIDRs: []netip.Prefix{netip.MustParsePrefix(proxytest.ClusterCIDR)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { network.Close() })
	var pods []netip.Addr
	for _, name := range []string{"a", "b", "client"} {
		ns := netnstest.New(t)
		r, err := network.Add(t.Context(), netplugin.Attachment{SandboxID: name, NetNS: ns})
		if err != nil {
			t.Fatal(err)
		}
		w.members[r.IPs[0]] = ns
		pods = append(pods, r.IPs[0])
		serve(t, ns, r.IPs[0], proxytest.PodPort)
	}
	// The node's address to the world, and its way out.
	sink := netnstest.New(t)
	w.link(t, "sink", sink)
	w.must(t, w.node, func() error {
		if err := addAddr("sink", proxytest.NodeAddr); err != nil {
			return err
		}
		return addRoute("sink", "0.0.0.0/0", "")
	})

	b := w.open(t)
	p := service("web", corev1.ProtocolTCP, pods[0].String(), pods[1].String())
	p.NodePort, p.ExternalEndpoints = 30080, p.Endpoints
	udp := p
	udp.Name.Protocol = corev1.ProtocolUDP
	none := service("none", corev1.ProtocolTCP)
	none.Port = 81
	sync(t, b, p, udp, none)
	for _, from := range []netip.Addr{pods[0], pods[2], netip.MustParseAddr(proxytest.NodeAddr)} {
		for _, to := range []string{serviceIP + ":80", proxytest.NodeAddr + ":30080"} {
			for _, protocol := range []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP} {
				answered := make(map[netip.Addr]bool)
				for range 16 {
					r := w.send(t, from, netip.MustParseAddrPort(to), protocol)
					if r.Outcome != proxytest.Answered {
						t.Fatalf("%s -> %s/%s: %+v", from, to, protocol, r)
					}
					if to == serviceIP+":80" && from == pods[2] && r.Seen != from {
						t.Errorf("%s -> %s/%s: the endpoint saw %s", from, to, protocol, r.Seen)
					}
					answered[r.By.Addr()] = true
				}
				if len(answered) != 2 {
					t.Errorf("%s -> %s/%s: only %v answered", from, to, protocol, answered)
				}
			}
		}
		if r := w.send(t, from, netip.MustParseAddrPort(serviceIP+":81"), corev1.ProtocolTCP); r.Outcome != proxytest.Refused {
			t.Errorf("%s -> a service without endpoints: %+v", from, r)
		}
	}
	// By netplugin/bridge's leave, node ports can answer on loopback as well.
	loopback, err := nftables.New(nftables.Config{
		NetNS: w.node, NodePortAddrs: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { loopback.Close() })
	sync(t, loopback, p)
	for range 4 {
		if r := w.send(t, netip.MustParseAddr(proxytest.NodeAddr), netip.MustParseAddrPort("127.0.0.1:30080"), corev1.ProtocolTCP); r.Outcome != proxytest.Answered {
			t.Errorf("a node port on loopback: %+v", r)
		}
	}
}
