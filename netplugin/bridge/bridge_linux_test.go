package bridge_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/keelson-project/keelson/internal/netns"
	"github.com/keelson-project/keelson/internal/netns/netnstest"
	"github.com/keelson-project/keelson/netplugin"
	"github.com/keelson-project/keelson/netplugin/bridge"
	"github.com/keelson-project/keelson/netplugin/netplugintest"
	"github.com/vishvananda/netlink"
)

func TestPlugin(t *testing.T) {
	netplugintest.Run(t, func(t *testing.T) netplugintest.Environment {
		node, dir := netnstest.New(t), t.TempDir()
		return netplugintest.Environment{
			Reopens: true,
			Sandbox: func(t *testing.T) string { return netnstest.New(t) },
			Open: func(t *testing.T, podCIDR netip.Prefix) netplugin.Plugin {
				return open(t, bridge.Config{NetNS: node, StateDir: dir, PodCIDRs: []netip.Prefix{podCIDR}})
			},
		}
	})
}

func open(t testing.TB, config bridge.Config) *bridge.Network {
	t.Helper()
	n, err := bridge.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// world is a node with a network and the means to look at it.
type world struct {
	*bridge.Network
	node, dir string
}

func newWorld(t testing.TB, change func(*bridge.Config)) world {
	t.Helper()
	w := world{node: netnstest.New(t), dir: t.TempDir()}
	config := bridge.Config{
		NetNS: w.node, StateDir: w.dir, PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.244.0.0/24")},
	}
	if change != nil {
		change(&config)
	}
	w.Network = open(t, config)
	return w
}

// pod attaches a new sandbox that answers every TCP and UDP port given with
// its name and the address it sees the client at.
func (w world) pod(t testing.TB, name string, ports []netplugin.PortMapping, listen ...uint16) (netplugin.Attachment, netip.Addr) {
	t.Helper()
	a := netplugin.Attachment{SandboxID: name, NetNS: netnstest.New(t), PodNamespace: "default", PodName: name, Ports: ports}
	r, err := w.Add(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	for _, port := range listen {
		serve(t, a.NetNS, name, port)
	}
	return a, r.IPs[0]
}

// serve answers on a port in a network namespace until the test ends.
func serve(t testing.TB, ns, name string, port uint16) {
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
			host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
			fmt.Fprintf(c, "%s %s", name, host)
			c.Close()
		}
	}()
	go func() {
		buffer := make([]byte, 64)
		for {
			_, from, err := packets.ReadFrom(buffer)
			if err != nil {
				return
			}
			host, _, _ := net.SplitHostPort(from.String())
			packets.WriteTo([]byte(name+" "+host), from)
		}
	}()
}

// ask connects from a namespace and returns who answers and whom it saw.
func ask(ns, network, address string) (answer string, err error) {
	err = netns.Do(ns, func() error {
		c, err := net.DialTimeout(network, address, 2*time.Second)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
			return err
		}
		if network == "udp" {
			if _, err := c.Write([]byte("?")); err != nil {
				return err
			}
			buffer := make([]byte, 64)
			n, err := c.Read(buffer)
			answer = string(buffer[:n])
			return err
		}
		data, err := io.ReadAll(c)
		answer = string(data)
		return err
	})
	return answer, err
}

func wantAnswer(t *testing.T, ns, network, address, want string) {
	t.Helper()
	got, err := ask(ns, network, address)
	if err != nil || got != want {
		t.Errorf("%s %s: answered %q, %v; want %q", network, address, got, err, want)
	}
}

func TestPodsReachEachOtherAndTheNode(t *testing.T) {
	w := newWorld(t, nil)
	a, aIP := w.pod(t, "a", nil, 80)
	b, bIP := w.pod(t, "b", nil, 80)
	serve(t, w.node, "node", 81)
	wantAnswer(t, a.NetNS, "tcp", bIP.String()+":80", "b "+aIP.String())
	wantAnswer(t, b.NetNS, "udp", aIP.String()+":80", "a "+bIP.String())
	wantAnswer(t, w.node, "tcp", aIP.String()+":80", "a 10.244.0.1")
	wantAnswer(t, a.NetNS, "tcp", "10.244.0.1:81", "node "+aIP.String())
	wantAnswer(t, a.NetNS, "tcp", "127.0.0.1:80", "a 127.0.0.1")
}

// outside connects a namespace that stands for another machine to the node.
func outside(t testing.TB, w world) string {
	t.Helper()
	far := netnstest.New(t)
	target, err := os.Open(far)
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	err = netns.Do(w.node, func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "uplink"
		if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "uplink", PeerNamespace: netlink.NsFd(int(target.Fd()))}); err != nil {
			return err
		}
		return address("uplink", "192.0.2.1/24")
	})
	if err == nil {
		err = netns.Do(far, func() error {
			if err := address("uplink", "192.0.2.2/24"); err != nil {
				return err
			}
			_, pods, _ := net.ParseCIDR("10.0.0.0/8")
			return netlink.RouteAdd(&netlink.Route{Dst: pods, Gw: net.ParseIP("192.0.2.1")})
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return far
}

func address(name, cidr string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	parsed, err := netlink.ParseAddr(cidr)
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(link, parsed); err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}

func TestTrafficOutOfTheClusterIsMasqueraded(t *testing.T) {
	w := newWorld(t, nil)
	far := outside(t, w)
	serve(t, far, "far", 80)
	a, _ := w.pod(t, "a", nil)
	wantAnswer(t, a.NetNS, "tcp", "192.0.2.2:80", "far 192.0.2.1")
	wantAnswer(t, a.NetNS, "udp", "192.0.2.2:80", "far 192.0.2.1")
}

func TestTrafficInsideTheClusterKeepsItsSource(t *testing.T) {
	for name, change := range map[string]func(*bridge.Config){
		"ClusterCIDRs": func(c *bridge.Config) {
			c.ClusterCIDRs = []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16"), netip.MustParsePrefix("192.0.2.0/24")}
		},
		"MasqueradeNever": func(c *bridge.Config) { c.Masquerade = bridge.MasqueradeNever },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, change)
			far := outside(t, w)
			serve(t, far, "far", 80)
			a, ip := w.pod(t, "a", nil)
			wantAnswer(t, a.NetNS, "tcp", "192.0.2.2:80", "far "+ip.String())
		})
	}
}

func TestHostPorts(t *testing.T) {
	w := newWorld(t, nil)
	far := outside(t, w)
	a, _ := w.pod(t, "a", []netplugin.PortMapping{
		{HostPort: 8080, ContainerPort: 80, Protocol: "TCP"},
		{HostPort: 8080, ContainerPort: 80, Protocol: "UDP"},
		{HostIP: netip.MustParseAddr("192.0.2.1"), HostPort: 9090, ContainerPort: 80, Protocol: "TCP"},
	}, 80)
	b, bIP := w.pod(t, "b", nil)
	wantAnswer(t, far, "tcp", "192.0.2.1:8080", "a 192.0.2.2")
	wantAnswer(t, far, "udp", "192.0.2.1:8080", "a 192.0.2.2")
	wantAnswer(t, far, "tcp", "192.0.2.1:9090", "a 192.0.2.2")
	wantAnswer(t, b.NetNS, "tcp", "192.0.2.1:8080", "a "+bIP.String())
	wantAnswer(t, a.NetNS, "tcp", "192.0.2.1:8080", "a 10.244.0.1")
	wantAnswer(t, w.node, "tcp", "192.0.2.1:8080", "a 192.0.2.1")
	wantAnswer(t, w.node, "tcp", "127.0.0.1:8080", "a 10.244.0.1")
	if got, err := ask(w.node, "tcp", "127.0.0.1:9090"); err == nil {
		t.Errorf("a port of 192.0.2.1 answers on 127.0.0.1: %s", got)
	}
	if err := w.Check(t.Context(), a); err != nil {
		t.Error(err)
	}
	if _, err := w.Add(t.Context(), netplugin.Attachment{
		SandboxID: "c", NetNS: netnstest.New(t), Ports: []netplugin.PortMapping{{HostPort: 8080, ContainerPort: 1, Protocol: "TCP"}},
	}); err == nil || !strings.Contains(err.Error(), "host port 8080/TCP is in use by pod default/a") {
		t.Errorf("a second owner of port 8080: %v", err)
	}
	// A new process writes the table again from what is on disk.
	again := open(t, bridge.Config{NetNS: w.node, StateDir: w.dir, PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.244.0.0/24")}})
	if err := again.Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, far, "tcp", "192.0.2.1:8080", "a 192.0.2.2")
	if err := again.Del(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if got, err := ask(far, "tcp", "192.0.2.1:8080"); err == nil {
		t.Errorf("the host port answers after Del: %s", got)
	}
}

func TestPodsCannotReachTheNodesLoopback(t *testing.T) {
	w := newWorld(t, nil)
	a, _ := w.pod(t, "a", nil)
	serve(t, w.node, "node", 80)
	err := netns.Do(a.NetNS, func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		if err := os.WriteFile("/proc/sys/net/ipv4/conf/eth0/route_localnet", []byte("1"), 0); err != nil {
			return err
		}
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		if err := netlink.LinkSetDown(lo); err != nil {
			return err
		}
		_, loopback, _ := net.ParseCIDR("127.0.0.0/8")
		return netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: loopback, Gw: net.ParseIP("10.244.0.1")})
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ask(a.NetNS, "udp", "127.0.0.1:80"); err == nil {
		t.Errorf("a pod reached the node's loopback: %s", got)
	}
}

func TestAddRepairs(t *testing.T) {
	w := newWorld(t, nil)
	a, ip := w.pod(t, "a", nil, 80)
	b, _ := w.pod(t, "b", nil)
	breaks := map[string]func() error{
		"bridge removed": func() error {
			link, err := netlink.LinkByName("keelson0")
			if err != nil {
				return err
			}
			return netlink.LinkDel(link)
		},
		"pod links removed": func() error {
			links, err := netlink.LinkList()
			if err != nil {
				return err
			}
			for _, link := range links {
				if link.Type() == "veth" {
					if err := netlink.LinkDel(link); err != nil {
						return err
					}
				}
			}
			return nil
		},
	}
	for name, spoil := range breaks {
		t.Run(name, func(t *testing.T) {
			if err := netns.Do(w.node, spoil); err != nil {
				t.Fatal(err)
			}
			if err := w.Check(t.Context(), a); err == nil || errors.Is(err, netplugin.ErrNotAttached) {
				t.Errorf("Check of a broken attachment: %v", err)
			}
			for _, attachment := range []netplugin.Attachment{a, b} {
				if _, err := w.Add(t.Context(), attachment); err != nil {
					t.Fatal(err)
				}
				if err := w.Check(t.Context(), attachment); err != nil {
					t.Error(err)
				}
			}
			got, err := ask(b.NetNS, "tcp", ip.String()+":80")
			if err != nil || !strings.HasPrefix(got, "a ") {
				t.Errorf("answered %q, %v", got, err)
			}
		})
	}
}

func TestAddAfterCrashBeforeTheLink(t *testing.T) {
	w := newWorld(t, nil)
	broken := netplugin.Attachment{SandboxID: "a", NetNS: filepath.Join(w.dir, "missing")}
	if _, err := w.Add(t.Context(), broken); err == nil {
		t.Fatal("Add into a namespace that does not exist succeeded")
	}
	if err := w.Check(t.Context(), broken); !errors.Is(err, netplugin.ErrNotAttached) {
		t.Fatalf("Check after a failed Add: %v", err)
	}
	// What a process killed while writing leaves.
	leftover := filepath.Join(w.dir, "attachments", "b.json.new")
	if err := os.WriteFile(leftover, []byte(`{"sandboxID":`), 0o600); err != nil {
		t.Fatal(err)
	}
	again := open(t, bridge.Config{NetNS: w.node, StateDir: w.dir, PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.244.0.0/24")}})
	if err := again.Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(leftover); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the leftover stays: %v", err)
	}
}

func TestCleanupLeavesNothing(t *testing.T) {
	w := newWorld(t, nil)
	a, _ := w.pod(t, "a", []netplugin.PortMapping{{HostPort: 8080, ContainerPort: 80, Protocol: "UDP"}})
	w.pod(t, "b", nil)
	for range 2 {
		if err := w.Cleanup(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	err := netns.Do(w.node, func() error {
		links, err := netlink.LinkList()
		if err != nil {
			return err
		}
		if len(links) != 1 {
			t.Errorf("interfaces stay: %v", links)
		}
		c, err := nftables.New()
		if err != nil {
			return err
		}
		tables, err := c.ListTables()
		if len(tables) != 0 {
			t.Errorf("%d tables stay", len(tables))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Check(t.Context(), a); !errors.Is(err, netplugin.ErrNotAttached) {
		t.Errorf("Check after Cleanup: %v", err)
	}
	w.pod(t, "c", nil)
}

func TestDualStack(t *testing.T) {
	w := newWorld(t, func(c *bridge.Config) {
		c.PodCIDRs = append(c.PodCIDRs, netip.MustParsePrefix("fd00:244::/64"))
	})
	a, _ := w.pod(t, "a", []netplugin.PortMapping{{HostPort: 8080, ContainerPort: 80, Protocol: "TCP"}}, 80)
	b, _ := w.pod(t, "b", nil)
	wantAnswer(t, b.NetNS, "tcp", "[fd00:244::2]:80", "a fd00:244::3")
	wantAnswer(t, b.NetNS, "tcp", "[fd00:244::1]:8080", "a fd00:244::3")
	if err := w.Check(t.Context(), a); err != nil {
		t.Error(err)
	}
}

func TestNewRefuses(t *testing.T) {
	good := bridge.Config{StateDir: "/x", PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}}
	for name, change := range map[string]func(*bridge.Config){
		"no range":    func(c *bridge.Config) { c.PodCIDRs = nil },
		"two ranges":  func(c *bridge.Config) { c.PodCIDRs = append(c.PodCIDRs, netip.MustParsePrefix("10.1.0.0/24")) },
		"no state":    func(c *bridge.Config) { c.StateDir = "" },
		"long name":   func(c *bridge.Config) { c.Bridge = "a-name-beyond-16" },
		"masquerade":  func(c *bridge.Config) { c.Masquerade = "Sometimes" },
		"tiny range":  func(c *bridge.Config) { c.PodCIDRs = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/32")} },
		"zero prefix": func(c *bridge.Config) { c.ClusterCIDRs = []netip.Prefix{{}} },
	} {
		config := good
		change(&config)
		if _, err := bridge.New(config); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func BenchmarkAddDel(b *testing.B) {
	w := newWorld(b, nil)
	a := netplugin.Attachment{SandboxID: "a", NetNS: netnstest.New(b)}
	var adding time.Duration
	for b.Loop() {
		start := time.Now()
		if _, err := w.Add(b.Context(), a); err != nil {
			b.Fatal(err)
		}
		adding += time.Since(start)
		if err := w.Del(b.Context(), a); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(adding.Microseconds())/float64(b.N), "add-µs/op")
}
