package nftables_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/keelson-project/keelson/internal/netns"
	"github.com/keelson-project/keelson/internal/netns/netnstest"
	"github.com/keelson-project/keelson/proxy"
	"github.com/keelson-project/keelson/proxy/nftables"
	"github.com/keelson-project/keelson/proxy/proxytest"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

// gateway is the node's address on every link of the test's world.
const gateway = "10.244.0.1"

// world is the world of package proxytest, made of network namespaces.
type world struct {
	node    string
	members map[netip.Addr]string // address -> namespace
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{node: netnstest.New(t), members: make(map[netip.Addr]string)}
	err := netns.Do(w.node, func() error {
		for _, name := range []string{"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"} {
			if err := os.WriteFile("/proc/sys/"+name, []byte("1"), 0); err != nil {
				return err
			}
		}
		for _, own := range []string{proxytest.NodeAddr, proxytest.OtherNodeAddr} {
			if err := addAddr("lo", own); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, member := range []string{
		proxytest.LocalPod, proxytest.OtherLocalPod, proxytest.ClientPod, proxytest.RemotePod, proxytest.Outside, proxytest.OtherOutside,
	} {
		w.connect(t, fmt.Sprint("link", i), netip.MustParseAddr(member))
	}
	// What nobody has goes by a link whose other end throws it away.
	sink := netnstest.New(t)
	w.link(t, "sink", sink)
	w.must(t, w.node, func() error {
		if err := addAddr("sink", "192.0.2.1"); err != nil {
			return err
		}
		if err := addRoute("sink", "192.0.2.254/32", ""); err != nil {
			return err
		}
		return addRoute("sink", "0.0.0.0/0", "192.0.2.254")
	})
	w.must(t, sink, func() error { return addAddr("eth0", "192.0.2.254") })
	return w
}

func (w *world) must(t testing.TB, ns string, f func() error) {
	t.Helper()
	if err := netns.Do(ns, f); err != nil {
		t.Fatal(err)
	}
}

// connect makes a machine with one address, reached by way of the node.
func (w *world) connect(t testing.TB, name string, addr netip.Addr) {
	t.Helper()
	ns := netnstest.New(t)
	w.members[addr] = ns
	w.link(t, name, ns)
	way, host := gateway, "/32"
	if addr.Is6() {
		way, host = "fd00:244::1", "/128"
	}
	w.must(t, w.node, func() error {
		if err := addAddr(name, way); err != nil {
			return err
		}
		return addRoute(name, addr.String()+host, "")
	})
	w.must(t, ns, func() error {
		if err := addAddr("eth0", addr.String()); err != nil {
			return err
		}
		if err := addRoute("eth0", way+host, ""); err != nil {
			return err
		}
		if addr.Is6() {
			return addRoute("eth0", "::/0", way)
		}
		return addRoute("eth0", "0.0.0.0/0", way)
	})
	for _, port := range []uint16{proxytest.PodPort, proxytest.OtherPodPort} {
		serve(t, ns, addr, port)
	}
}

// link makes a veth pair from the node to eth0 of the namespace.
func (w *world) link(t testing.TB, name, ns string) {
	t.Helper()
	target, err := os.Open(ns)
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	up := func(name string) error {
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/accept_dad", []byte("0"), 0); err != nil {
			return err
		}
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(link)
	}
	w.must(t, w.node, func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = name
		if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(int(target.Fd()))}); err != nil {
			return err
		}
		return up(name)
	})
	w.must(t, ns, func() error { return up("eth0") })
}

func addAddr(name, addr string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	ip := netip.MustParseAddr(addr)
	return netlink.AddrAdd(link, &netlink.Addr{
		IPNet: &net.IPNet{IP: ip.AsSlice(), Mask: net.CIDRMask(ip.BitLen(), ip.BitLen())}, Flags: nodad(ip),
	})
}

func nodad(ip netip.Addr) int {
	if ip.Is6() {
		return unix.IFA_F_NODAD
	}
	return 0
}

func addRoute(name, to, by string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	_, dst, err := net.ParseCIDR(to)
	if err != nil {
		return err
	}
	route := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: dst, Gw: net.ParseIP(by)}
	if by == "" {
		route.Scope = netlink.SCOPE_LINK
	}
	return netlink.RouteAdd(route)
}

// serve answers with the server's and the client's address, until the test
// ends.
func serve(t testing.TB, ns string, addr netip.Addr, port uint16) {
	t.Helper()
	var listener net.Listener
	var packets net.PacketConn
	err := netns.Do(ns, func() (err error) {
		if listener, err = net.Listen("tcp", fmt.Sprint(":", port)); err != nil {
			return err
		}
		packets, err = net.ListenPacket("udp", fmt.Sprint(":", port))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close(); packets.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				fmt.Fprintf(c, "%s %s\n", c.LocalAddr(), c.RemoteAddr())
				// The connection stays until the client ends it.
				io.Copy(io.Discard, c)
			}()
		}
	}()
	go func() {
		buffer := make([]byte, 64)
		for {
			_, from, err := packets.ReadFrom(buffer)
			if err != nil {
				return
			}
			packets.WriteTo(fmt.Appendf(nil, "%s %s\n", netip.AddrPortFrom(addr, port), from), from)
		}
	}()
}

// namespace is where an address of proxytest's world is.
func (w *world) namespace(a netip.Addr) string {
	if ns, ok := w.members[a]; ok {
		return ns
	}
	return w.node
}

func (w *world) open(t testing.TB) *nftables.Backend {
	t.Helper()
	b, err := nftables.New(nftables.Config{
		NetNS:        w.node,
		ClusterCIDRs: []netip.Prefix{netip.MustParsePrefix(proxytest.ClusterCIDR), netip.MustParsePrefix("fd00:244::/64")},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func (w *world) environment() proxytest.Environment {
	return proxytest.Environment{
		Open: func(t *testing.T) proxy.Backend { return w.open(t) },
		Send: w.send,
	}
}

// send makes a request of its own and tells what the client saw.
func (w *world) send(t *testing.T, from netip.Addr, to netip.AddrPort, protocol corev1.Protocol) proxytest.Result {
	t.Helper()
	var result proxytest.Result
	err := netns.Do(w.namespace(from), func() error {
		c, err := net.DialTimeout(strings.ToLower(string(protocol)), to.String(), 400*time.Millisecond)
		if err != nil {
			return err
		}
		defer c.Close()
		result, err = w.ask(c)
		return err
	})
	var timeout net.Error
	switch {
	case err == nil:
		return result
	case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.EPERM):
		// Datagrams that start on the node itself are refused as they are sent.
		return proxytest.Result{Outcome: proxytest.Refused}
	case errors.As(err, &timeout) && timeout.Timeout():
		return proxytest.Result{Outcome: proxytest.Silent}
	default:
		t.Fatalf("%s -> %s: %v", from, to, err)
		return result
	}
}

// ask reads who is at the other end, for datagrams after asking.
func (w *world) ask(c net.Conn) (proxytest.Result, error) {
	if err := c.SetDeadline(time.Now().Add(400 * time.Millisecond)); err != nil {
		return proxytest.Result{}, err
	}
	if _, ok := c.(*net.UDPConn); ok {
		if _, err := c.Write([]byte("?")); err != nil {
			return proxytest.Result{}, err
		}
	}
	buffer := make([]byte, 128)
	n, err := c.Read(buffer)
	if err != nil {
		return proxytest.Result{}, err
	}
	var server, client string
	if _, err := fmt.Sscan(string(buffer[:n]), &server, &client); err != nil {
		return proxytest.Result{}, err
	}
	by, err := netip.ParseAddrPort(server)
	if err != nil {
		return proxytest.Result{}, err
	}
	seen, err := netip.ParseAddrPort(client)
	if err != nil {
		return proxytest.Result{}, err
	}
	return proxytest.Result{
		Outcome: proxytest.Answered, Seen: seen.Addr().Unmap(),
		By: netip.AddrPortFrom(by.Addr().Unmap(), by.Port()),
	}, nil
}
