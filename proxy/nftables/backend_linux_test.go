package nftables_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	gnftables "github.com/google/nftables"
	"github.com/keelson-project/keelson/internal/netns"
	"github.com/keelson-project/keelson/internal/netns/netnstest"
	"github.com/keelson-project/keelson/proxy"
	"github.com/keelson-project/keelson/proxy/nftables"
	"github.com/keelson-project/keelson/proxy/proxytest"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestBackend(t *testing.T) {
	proxytest.Run(t, func(t *testing.T) proxytest.Environment { return newWorld(t).environment() })
}

const serviceIP = "10.96.0.10"

// service is a port 80 of a service, with endpoints on the node.
func service(name string, protocol corev1.Protocol, endpoints ...string) proxy.ServicePort {
	p := proxy.ServicePort{
		Name:       proxy.PortName{Service: types.NamespacedName{Namespace: "default", Name: name}, Port: "main", Protocol: protocol},
		ClusterIPs: []netip.Addr{netip.MustParseAddr(serviceIP)}, Port: 80,
	}
	for _, e := range endpoints {
		p.Endpoints = append(p.Endpoints, proxy.Endpoint{Addr: netip.AddrPortFrom(netip.MustParseAddr(e), proxytest.PodPort), Local: true})
	}
	return p
}

func sync(t testing.TB, b *nftables.Backend, ports ...proxy.ServicePort) {
	t.Helper()
	if err := b.Sync(t.Context(), ports); err != nil {
		t.Fatal(err)
	}
}

func apply(t testing.TB, b *nftables.Backend, change proxy.Change) {
	t.Helper()
	if err := b.Apply(t.Context(), change); err != nil {
		t.Fatal(err)
	}
}

func set(ports ...proxy.ServicePort) proxy.Change { return proxy.Change{Set: ports} }

// dial opens one socket in the client pod.
func (w *world) dial(t *testing.T, network, to string) net.Conn {
	t.Helper()
	var c net.Conn
	w.must(t, w.members[netip.MustParseAddr(proxytest.ClientPod)], func() (err error) {
		c, err = net.DialTimeout(network, to, time.Second)
		return err
	})
	t.Cleanup(func() { c.Close() })
	return c
}

func TestUDPFollowsTheEndpoints(t *testing.T) {
	w := newWorld(t)
	b := w.open(t)
	sync(t, b, service("dns", corev1.ProtocolUDP, proxytest.LocalPod))
	c := w.dial(t, "udp", serviceIP+":80")
	want := func(pod string) {
		t.Helper()
		r, err := w.ask(c)
		if err != nil || r.By.Addr().String() != pod {
			t.Errorf("answered by %s, %v; want %s", r.By, err, pod)
		}
	}
	want(proxytest.LocalPod)
	want(proxytest.LocalPod)
	apply(t, b, set(service("dns", corev1.ProtocolUDP, proxytest.OtherLocalPod)))
	want(proxytest.OtherLocalPod)
	// While it is one of several, a client stays where it is.
	apply(t, b, set(service("dns", corev1.ProtocolUDP, proxytest.OtherLocalPod, proxytest.LocalPod, proxytest.RemotePod)))
	for range 10 {
		want(proxytest.OtherLocalPod)
	}
	sync(t, b, service("dns", corev1.ProtocolUDP, proxytest.RemotePod))
	want(proxytest.RemotePod)
	apply(t, b, proxy.Change{Removed: []proxy.PortName{service("dns", corev1.ProtocolUDP).Name}})
	if r, err := w.ask(c); err == nil {
		t.Errorf("a service that is gone: %+v", r)
	}
}

func TestUDPSentTooEarlyFindsTheService(t *testing.T) {
	w := newWorld(t)
	b := w.open(t)
	c := w.dial(t, "udp", serviceIP+":80")
	if r, err := w.ask(c); err == nil {
		t.Fatalf("without any rule: %+v", r)
	}
	sync(t, b, service("dns", corev1.ProtocolUDP, proxytest.LocalPod))
	r, err := w.ask(c)
	if err != nil || r.By.Addr().String() != proxytest.LocalPod {
		t.Errorf("answered by %s, %v", r.By, err)
	}
}

func TestConnectionsOutliveEverything(t *testing.T) {
	w := newWorld(t)
	b := w.open(t)
	web := service("web", corev1.ProtocolTCP, proxytest.LocalPod)
	sync(t, b, web)
	c := w.dial(t, "tcp", serviceIP+":80")
	if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	alive := func(when string) {
		t.Helper()
		if _, err := c.Write([]byte("still there?")); err != nil {
			t.Errorf("%s: %v", when, err)
		}
		err := unacknowledged(c)
		if err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
	alive("at first")
	sync(t, b, web, service("other", corev1.ProtocolUDP, proxytest.LocalPod))
	alive("after Sync")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = w.open(t)
	sync(t, b, web)
	alive("after a restart")
	apply(t, b, set(service("web", corev1.ProtocolTCP, proxytest.RemotePod)))
	alive("after the endpoint left the service")
	apply(t, b, set(service("web", corev1.ProtocolTCP)))
	alive("after all endpoints left the service")
}

// unacknowledged waits until the other end has acknowledged what was sent.
func unacknowledged(c net.Conn) error {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		pending := 0
		if err := raw.Control(func(fd uintptr) { pending, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }); err != nil {
			return err
		}
		if pending == 0 {
			return nil
		}
	}
	return errors.New("what was sent is not acknowledged")
}

func TestIPv6(t *testing.T) {
	w := newWorld(t)
	w.connect(t, "six0", netip.MustParseAddr("fd00:244::10"))
	w.connect(t, "six1", netip.MustParseAddr("fd00:244::20"))
	// The kernel readies link-local addresses in its own time, and finds no
	// neighbour before.
	six := netip.MustParseAddrPort("[fd00:244::10]:8080")
	for try := 0; w.send(t, netip.MustParseAddr("fd00:244::20"), six, corev1.ProtocolTCP).Outcome != proxytest.Answered; try++ {
		if try == 20 {
			t.Fatal("the pods do not reach each other by IPv6")
		}
	}
	b := w.open(t)
	p := service("web", corev1.ProtocolTCP, proxytest.LocalPod)
	sync(t, b, p)
	from, to := netip.MustParseAddr("fd00:244::20"), netip.MustParseAddrPort("[fd00:96::a]:80")
	p.ClusterIPs = append(p.ClusterIPs, to.Addr())
	p.Endpoints = append(p.Endpoints, proxy.Endpoint{Addr: netip.MustParseAddrPort("[fd00:244::10]:8080"), Local: true})
	for _, affinity := range []time.Duration{0, time.Hour} {
		p.AffinityTimeout = affinity
		apply(t, b, set(p))
		r := w.send(t, from, to, corev1.ProtocolTCP)
		if r.Outcome != proxytest.Answered || r.By.String() != "[fd00:244::10]:8080" || r.Seen != from {
			t.Errorf("affinity %s: %+v", affinity, r)
		}
		if r := w.send(t, netip.MustParseAddr("fd00:244::10"), to, corev1.ProtocolTCP); r.Outcome != proxytest.Answered || r.Seen.String() == "fd00:244::10" {
			t.Errorf("affinity %s, to itself: %+v", affinity, r)
		}
	}
	p.Endpoints = p.Endpoints[:1]
	apply(t, b, set(p))
	if r := w.send(t, from, to, corev1.ProtocolTCP); r.Outcome != proxytest.Refused {
		t.Errorf("without endpoints of the family: %+v", r)
	}
	if r := w.send(t, netip.MustParseAddr(proxytest.ClientPod), netip.MustParseAddrPort(serviceIP+":80"), corev1.ProtocolTCP); r.Outcome != proxytest.Answered {
		t.Errorf("IPv4 beside: %+v", r)
	}
	sync(t, b)
	if n := len(w.tables(t)); n != 1 {
		t.Errorf("%d tables without an IPv6 service, want 1", n)
	}
}

func (w *world) tables(t *testing.T) []*gnftables.Table {
	t.Helper()
	var tables []*gnftables.Table
	w.must(t, w.node, func() error {
		c, err := gnftables.New()
		if err != nil {
			return err
		}
		tables, err = c.ListTables()
		return err
	})
	return tables
}

func TestRefusedTransactionChangesNothing(t *testing.T) {
	w := newWorld(t)
	b := w.open(t)
	web, other := service("web", corev1.ProtocolTCP, proxytest.LocalPod), service("other", corev1.ProtocolTCP, proxytest.OtherLocalPod)
	other.Port = 81
	sync(t, b, web, other)
	before := b.String()
	// Somebody meddles: an element of the service is gone.
	w.must(t, w.node, func() error {
		c, err := gnftables.New()
		if err != nil {
			return err
		}
		services, err := c.GetSetByName(&gnftables.Table{Name: "keelson-proxy", Family: gnftables.TableFamilyIPv4}, "services")
		if err != nil {
			return err
		}
		if err := c.SetDeleteElements(services, []gnftables.SetElement{{Key: []byte{10, 96, 0, 10, 6, 0, 0, 0, 0, 80, 0, 0}}}); err != nil {
			return err
		}
		return c.Flush()
	})
	other.Endpoints = service("", "", proxytest.RemotePod).Endpoints
	change := proxy.Change{Set: []proxy.ServicePort{other}, Removed: []proxy.PortName{web.Name}}
	if err := b.Apply(t.Context(), change); err == nil {
		t.Fatal("Apply succeeded")
	}
	if after := b.String(); after != before {
		t.Errorf("the refused change stays in memory:\n%s", after)
	}
	from, to := netip.MustParseAddr(proxytest.ClientPod), netip.MustParseAddrPort(serviceIP+":81")
	if r := w.send(t, from, to, corev1.ProtocolTCP); r.By.Addr().String() != proxytest.OtherLocalPod {
		t.Errorf("after the refused change: %+v", r)
	}
	sync(t, b, web, other)
	apply(t, b, change)
	if r := w.send(t, from, to, corev1.ProtocolTCP); r.By.Addr().String() != proxytest.RemotePod {
		t.Errorf("after Sync and the change again: %+v", r)
	}
}

func TestCleanupLeavesNoTable(t *testing.T) {
	w := newWorld(t)
	b := w.open(t)
	p := service("web", corev1.ProtocolTCP)
	p.ClusterIPs = append(p.ClusterIPs, netip.MustParseAddr("fd00:96::a"))
	sync(t, b, p)
	if n := len(w.tables(t)); n != 2 {
		t.Fatalf("%d tables, want one for each family", n)
	}
	// A new process that never wrote anything cleans up too.
	if err := w.open(t).Cleanup(t.Context()); err != nil {
		t.Fatal(err)
	}
	if tables := w.tables(t); len(tables) != 0 {
		t.Errorf("%d tables stay", len(tables))
	}
}

func newBackend(t testing.TB, ns string) *nftables.Backend {
	t.Helper()
	b, err := nftables.New(nftables.Config{NetNS: ns, ClusterCIDRs: []netip.Prefix{netip.MustParsePrefix("10.244.0.0/15")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// everyKind has a port of each kind of treatment.
func everyKind() []proxy.ServicePort {
	plain := service("plain", corev1.ProtocolTCP, "10.244.0.10", "10.244.1.10")
	plain.NodePort, plain.ExternalEndpoints = 30080, plain.Endpoints
	sticky := service("sticky", corev1.ProtocolUDP, "10.244.0.10")
	sticky.AffinityTimeout = 3 * time.Hour
	local := service("local", corev1.ProtocolTCP, "10.244.0.10", "10.244.1.10")
	local.Port, local.ExternalLocal, local.ExternalEndpoints = 81, true, local.Endpoints[:1]
	local.LoadBalancerIPs = []netip.Addr{netip.MustParseAddr("198.18.0.2")}
	local.SourceRanges = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
	none := service("none", corev1.ProtocolSCTP)
	return []proxy.ServicePort{plain, sticky, local, none}
}

func TestNftToolCanListIt(t *testing.T) {
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("no nft tool here to list the rules with")
	}
	ns := netnstest.New(t)
	sync(t, newBackend(t, ns), everyKind()...)
	var out []byte
	err := netns.Do(ns, func() (err error) {
		out, err = exec.Command("nft", "list", "ruleset").CombinedOutput()
		return err
	})
	if err != nil {
		t.Fatalf("nft list ruleset: %v\n%s", err, out)
	}
	for _, want := range []string{"10.96.0.10 . tcp . 80 : goto cluster-2", "dnat to 10.244.0.10:8080", "10.96.0.10 . sctp . 80 : goto refuse"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is not in:\n%s", want, out)
		}
	}
}

func TestManyAffinityServices(t *testing.T) {
	b, ports := newBackend(t, netnstest.New(t)), many(300)
	for i := range ports {
		ports[i].AffinityTimeout = time.Hour
	}
	sync(t, b, ports...)
	apply(t, b, proxy.Change{Removed: []proxy.PortName{ports[5].Name}})
	for i := range ports {
		ports[i].AffinityTimeout = 2 * time.Hour
		ports[i].Endpoints = ports[i].Endpoints[:1]
	}
	apply(t, b, set(ports...))
	sync(t, b)
}

func TestManyEndpoints(t *testing.T) {
	b := newBackend(t, netnstest.New(t))
	plain := service("plain", corev1.ProtocolTCP)
	for i := range 3000 {
		plain.Endpoints = append(plain.Endpoints, proxy.Endpoint{
			Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 244, byte(i >> 8), byte(i)}), 80),
		})
	}
	sticky := plain
	sticky.Name.Port, sticky.Port, sticky.AffinityTimeout = "sticky", 81, time.Hour
	sticky.Endpoints = plain.Endpoints[:800]
	sync(t, b, plain)
	apply(t, b, set(sticky))
	plain.Endpoints = plain.Endpoints[:2999]
	apply(t, b, set(plain))
}

// Whatever the order of changes, what is written last is what a Sync of the
// same ports would write.
func TestApplyEndsWhereSyncDoes(t *testing.T) {
	b, fresh := newBackend(t, netnstest.New(t)), newBackend(t, netnstest.New(t))
	kinds := everyKind()
	sync(t, b)
	for round := range 12 {
		for i := range kinds {
			kinds[i].Endpoints, kinds[i].ExternalEndpoints = nil, nil
			for e := range (round + i) % 3 {
				kinds[i].Endpoints = append(kinds[i].Endpoints, proxy.Endpoint{
					Addr: netip.MustParseAddrPort(fmt.Sprintf("10.244.%d.%d:80", e, 1+round%2)), Local: e == 0,
				})
			}
			if kinds[i].NodePort != 0 || kinds[i].ExternalLocal {
				kinds[i].ExternalEndpoints = kinds[i].Endpoints
			}
		}
		gone := kinds[round%len(kinds)]
		apply(t, b, set(kinds...))
		apply(t, b, proxy.Change{Removed: []proxy.PortName{gone.Name}})
		var rest []proxy.ServicePort
		for _, k := range kinds {
			if k.Name != gone.Name {
				rest = append(rest, k)
			}
		}
		sync(t, fresh, rest...)
		if got, want := b.String(), fresh.String(); got != want {
			t.Fatalf("round %d: changes led to\n%s\na Sync to\n%s", round, got, want)
		}
		apply(t, b, set(gone))
	}
}

func TestNewRefuses(t *testing.T) {
	for name, config := range map[string]nftables.Config{
		"mark":   {MasqueradeMark: 3},
		"prefix": {ClusterCIDRs: []netip.Prefix{{}}},
	} {
		if _, err := nftables.New(config); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
