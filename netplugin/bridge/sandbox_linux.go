package bridge

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/keelson-project/keelson/internal/netns"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// podLink is the name of a pod's interface inside its namespace.
const podLink = "eth0"

// linkPrefix begins the names of the host's ends of the pods' veth pairs.
const linkPrefix = "kn"

func linkName(sandboxID string) string {
	sum := sha256.Sum256([]byte(sandboxID))
	return linkPrefix + hex.EncodeToString(sum[:6])
}

// connect makes the veth pair of an attachment and sets up the pod's end; it
// repairs what is there in part.
func (n *Network) connect(r *record, bridge netlink.Link) error {
	if r.NetNS == "" {
		return errors.New("attachment without a NetNS; give the path of the sandbox's network namespace")
	}
	target, err := os.Open(r.NetNS)
	if err != nil {
		return fmt.Errorf("network namespace of the sandbox: %w", err)
	}
	defer target.Close()

	link, err := n.makePair(r, bridge, int(target.Fd()))
	if err != nil {
		return err
	}
	if err := n.hairpin(link); err != nil {
		return err
	}
	return netns.Do(r.NetNS, func() error { return n.setUpSandbox(r) })
}

func (n *Network) makePair(r *record, bridge netlink.Link, sandbox int) (netlink.Link, error) {
	name := linkName(r.SandboxID)
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	attrs.MTU = bridge.Attrs().MTU
	attrs.MasterIndex = bridge.Attrs().Index
	attrs.Flags = unix.IFF_UP
	attrs.HardwareAddr = hostHardwareAddr(r.IPs[0])
	veth := &netlink.Veth{
		LinkAttrs: attrs, PeerName: podLink, PeerMTU: uint32(attrs.MTU),
		PeerNamespace: netlink.NsFd(sandbox), PeerHardwareAddr: hardwareAddr(r.IPs[0]),
	}
	err := n.netlink.LinkAdd(veth)
	if err == nil {
		return n.netlink.LinkByName(name)
	}
	if !errors.Is(err, unix.EEXIST) {
		return nil, fmt.Errorf("make the interface of sandbox %s: %w", r.SandboxID, err)
	}
	// Either our own pair is there, or a stranger's eth0 is.
	link, err := n.netlink.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("sandbox %s already has an interface %s that is not of this network", r.SandboxID, podLink)
	}
	whole, err := peerIn(r.NetNS, link.Attrs().Index)
	if err != nil {
		return nil, err
	}
	if whole {
		if err := n.plug(link, bridge); err != nil {
			return nil, err
		}
		return link, n.netlink.LinkSetUp(link)
	}
	// The other end is in a namespace that is gone or not this one.
	if err := n.netlink.LinkDel(link); err != nil {
		return nil, fmt.Errorf("remove the old interface of sandbox %s: %w", r.SandboxID, err)
	}
	if err := n.netlink.LinkAdd(veth); err != nil {
		return nil, fmt.Errorf("make the interface of sandbox %s: %w", r.SandboxID, err)
	}
	return n.netlink.LinkByName(name)
}

// peerIn tells whether the namespace has the pod's end of the host's link.
func peerIn(path string, hostIndex int) (found bool, err error) {
	err = netns.Do(path, func() error {
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		defer h.Close()
		link, err := h.LinkByName(podLink)
		found = err == nil && link.Type() == "veth" && link.Attrs().ParentIndex == hostIndex
		return nil
	})
	return found, err
}

// setUpSandbox runs in the sandbox's namespace.
func (n *Network) setUpSandbox(r *record) error {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("netlink in the sandbox: %w", err)
	}
	defer h.Close()
	lo, err := h.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("loopback of the sandbox: %w", err)
	}
	if err := h.LinkSetUp(lo); err != nil {
		return fmt.Errorf("bring up loopback of the sandbox: %w", err)
	}
	link, err := h.LinkByName(podLink)
	if err != nil {
		return fmt.Errorf("interface %s of the sandbox: %w", podLink, err)
	}
	// The way to other pods is by the node and stays there; see the package
	// documentation.
	for _, ip := range r.IPs {
		settings := []string{"net/ipv4/conf/all/accept_redirects", "net/ipv4/conf/" + podLink + "/accept_redirects"}
		if ip.Is6() {
			settings = []string{"net/ipv6/conf/" + podLink + "/accept_redirects"}
			if err := noDuplicateDetection(podLink); err != nil {
				return err
			}
		}
		for _, name := range settings {
			if err := sysctl(name, "0"); err != nil {
				return err
			}
		}
		address := &netlink.Addr{IPNet: hostNet(ip)}
		if ip.Is6() {
			address.Flags = unix.IFA_F_NODAD
		}
		if err := h.AddrReplace(link, address); err != nil {
			return fmt.Errorf("give %s to the sandbox: %w", ip, err)
		}
	}
	if err := h.LinkSetUp(link); err != nil {
		return fmt.Errorf("bring up %s of the sandbox: %w", podLink, err)
	}
	for _, ip := range r.IPs {
		gateway := n.gatewayOf(ip)
		index := link.Attrs().Index
		onLink := &netlink.Route{LinkIndex: index, Dst: hostNet(gateway), Scope: netlink.SCOPE_LINK}
		if err := h.RouteReplace(onLink); err != nil {
			return fmt.Errorf("route the sandbox to its gateway %s: %w", gateway, err)
		}
		all := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if gateway.Is6() {
			all = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		route := &netlink.Route{LinkIndex: index, Dst: ipNet(all), Gw: gateway.AsSlice()}
		if err := h.RouteReplace(route); err != nil {
			return fmt.Errorf("default route of the sandbox by %s: %w", gateway, err)
		}
	}
	return nil
}

// checkSandbox runs in the sandbox's namespace.
func checkSandbox(r *record) error {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("netlink in the sandbox: %w", err)
	}
	defer h.Close()
	link, err := h.LinkByName(podLink)
	if err != nil {
		return fmt.Errorf("interface %s of the sandbox: %w", podLink, err)
	}
	if link.Attrs().RawFlags&unix.IFF_UP == 0 {
		return fmt.Errorf("interface %s of the sandbox is down", podLink)
	}
	addresses, err := h.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("addresses of the sandbox: %w", err)
	}
	has := make(map[netip.Addr]bool)
	for _, address := range addresses {
		if a, ok := netip.AddrFromSlice(address.IP); ok {
			has[a.Unmap()] = true
		}
	}
	for _, ip := range r.IPs {
		if !has[ip] {
			return fmt.Errorf("the sandbox lacks its address %s", ip)
		}
	}
	return nil
}

// hostHardwareAddr differs from the pod's in its first byte.
func hostHardwareAddr(a netip.Addr) []byte {
	b := hardwareAddr(a)
	b[0] = 0x0e
	return b
}
