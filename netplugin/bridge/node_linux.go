package bridge

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"

	"github.com/keelson-project/keelson/internal/netns"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// handle returns the netlink sockets in the node's namespace, opened once.
// The caller holds n.mu.
func (n *Network) openHandle() error {
	if n.netlink != nil {
		return nil
	}
	return netns.Do(n.config.NetNS, func() error {
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE, unix.NETLINK_NETFILTER)
		if err != nil {
			return fmt.Errorf("netlink: %w", err)
		}
		n.netlink = h
		return nil
	})
}

// ensureBridge makes the bridge, its addresses, the node's settings and the
// nftables table if they are not there. The caller holds n.mu.
func (n *Network) ensureBridge() (netlink.Link, error) {
	link, err := n.netlink.LinkByName(n.config.Bridge)
	if err == nil && n.prepared {
		return link, nil
	}
	var missing netlink.LinkNotFoundError
	switch {
	case errors.As(err, &missing):
		if link, err = n.makeBridge(); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, fmt.Errorf("look for bridge %s: %w", n.config.Bridge, err)
	case link.Type() != "bridge":
		return nil, fmt.Errorf("interface %s exists and is a %s, not a bridge; remove it or choose another Config.Bridge", n.config.Bridge, link.Type())
	}
	if err := netns.Do(n.config.NetNS, n.nodeSettings); err != nil {
		return nil, err
	}
	for _, pool := range n.pools {
		address := &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(pool.Gateway(), pool.Prefix().Bits()))}
		if pool.Gateway().Is6() {
			address.Flags = unix.IFA_F_NODAD
		}
		if err := n.netlink.AddrReplace(link, address); err != nil {
			return nil, fmt.Errorf("give %s to bridge %s: %w", address.IPNet, n.config.Bridge, err)
		}
	}
	if err := n.netlink.LinkSetUp(link); err != nil {
		return nil, fmt.Errorf("bring up bridge %s: %w", n.config.Bridge, err)
	}
	for _, r := range n.records {
		if err := n.joinBridge(r, link); err != nil {
			return nil, err
		}
	}
	if err := n.writeTable(); err != nil {
		return nil, err
	}
	n.prepared = true
	return link, nil
}

func (n *Network) makeBridge() (netlink.Link, error) {
	if n.mtu == 0 {
		n.mtu = n.defaultMTU()
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = n.config.Bridge
	attrs.MTU = n.mtu
	// A bridge without an address of its own changes it with its ports, and
	// pods would lose their gateway for a while.
	attrs.HardwareAddr = hardwareAddr(n.pools[0].Gateway())
	if err := n.netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, fmt.Errorf("make bridge %s: %w", n.config.Bridge, err)
	}
	link, err := n.netlink.LinkByName(n.config.Bridge)
	if err != nil {
		return nil, fmt.Errorf("look for the new bridge %s: %w", n.config.Bridge, err)
	}
	return link, nil
}

// joinBridge puts the host's end of an attachment back on the bridge, for
// when the bridge was made anew.
func (n *Network) joinBridge(r *record, bridge netlink.Link) error {
	link, err := n.netlink.LinkByName(linkName(r.SandboxID))
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for the interface of sandbox %s: %w", r.SandboxID, err)
	}
	if link.Attrs().MasterIndex == bridge.Attrs().Index {
		return nil
	}
	n.config.Logger.Info("connecting sandbox to the bridge again", "sandbox", r.SandboxID, "bridge", n.config.Bridge)
	return n.plug(link, bridge)
}

// plug makes link a port of the bridge.
func (n *Network) plug(link, bridge netlink.Link) error {
	if err := n.netlink.LinkSetMaster(link, bridge); err != nil {
		return fmt.Errorf("put %s on bridge %s: %w", link.Attrs().Name, n.config.Bridge, err)
	}
	return n.hairpin(link)
}

// hairpin lets a port have its own packets back. Where br_netfilter is at
// work, those that a pod sends to itself by a service or a host port need it.
func (n *Network) hairpin(link netlink.Link) error {
	if err := n.netlink.LinkSetHairpin(link, true); err != nil {
		return fmt.Errorf("set hairpin mode of %s: %w", link.Attrs().Name, err)
	}
	return nil
}

// nodeSettings runs in the node's namespace.
func (n *Network) nodeSettings() error {
	for _, pool := range n.pools {
		if pool.Gateway().Is6() {
			if err := sysctl("net/ipv6/conf/all/forwarding", "1"); err != nil {
				return err
			}
			if err := noDuplicateDetection(n.config.Bridge); err != nil {
				return err
			}
			continue
		}
		if err := sysctl("net/ipv4/ip_forward", "1"); err != nil {
			return err
		}
		// Host ports answer on 127.0.0.1 too; a rule keeps pods off it.
		if err := sysctl("net/ipv4/conf/"+n.config.Bridge+"/route_localnet", "1"); err != nil {
			return err
		}
		// Pods must not learn a way around the node.
		if err := sysctl("net/ipv4/conf/"+n.config.Bridge+"/send_redirects", "0"); err != nil {
			return err
		}
	}
	return nil
}

// noDuplicateDetection makes the link-local address of an interface usable at
// once: it is made of a hardware address that is unique here, and no
// neighbour is found for some seconds without.
func noDuplicateDetection(link string) error {
	return sysctl("net/ipv6/conf/"+link+"/accept_dad", "0")
}

// sysctl writes a setting of the calling thread's network namespace, if it
// differs: /proc/sys may be read-only where the value is right already.
func sysctl(name, value string) error {
	path := "/proc/sys/" + name
	if now, err := os.ReadFile(path); err == nil && string(now) == value+"\n" {
		return nil
	}
	err := os.WriteFile(path, []byte(value), 0o644)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("set %s: the kernel has no such setting: %w", path, err)
	}
	if err != nil {
		return fmt.Errorf("set %s to %s: %w", path, value, err)
	}
	return nil
}

// defaultMTU is that of the interface with the default route.
func (n *Network) defaultMTU() int {
	const fallback = 1500
	routes, err := n.netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Table: unix.RT_TABLE_MAIN, Dst: nil}, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_DST)
	if err != nil {
		return fallback
	}
	for _, route := range routes {
		link, err := n.netlink.LinkByIndex(route.LinkIndex)
		if err == nil && link.Attrs().MTU > 0 {
			return link.Attrs().MTU
		}
	}
	return fallback
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func hostNet(a netip.Addr) *net.IPNet { return ipNet(netip.PrefixFrom(a, a.BitLen())) }

// hardwareAddr is a locally administered address made of the last four bytes
// of an IP, so that an address used again has the neighbour entry it had.
func hardwareAddr(a netip.Addr) net.HardwareAddr {
	b := a.AsSlice()
	return append(net.HardwareAddr{0x0a, 0x58}, b[len(b)-4:]...)
}
