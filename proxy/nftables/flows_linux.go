package nftables

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/keelson-project/keelson/proxy"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

// flows matches UDP exchanges that the rules would not begin today: the
// kernel keeps translating a flow as it did at first for as long as datagrams
// come.
type flows struct {
	services  map[netip.AddrPort]map[netip.AddrPort]bool // address and port of a service -> its endpoints
	nodePorts map[uint16]map[netip.AddrPort]bool
}

// newFlows judges exchanges with the ports that are, and that were.
func newFlows(now, before []proxy.ServicePort) *flows {
	f := &flows{services: make(map[netip.AddrPort]map[netip.AddrPort]bool), nodePorts: make(map[uint16]map[netip.AddrPort]bool)}
	for i := range before {
		f.note(&before[i], nil, nil)
	}
	for i := range now {
		f.note(&now[i], now[i].Endpoints, now[i].ExternalEndpoints)
	}
	return f
}

func (f *flows) note(p *proxy.ServicePort, internal, external []proxy.Endpoint) {
	if p.Name.Protocol != corev1.ProtocolUDP {
		return
	}
	inside, outside := make(map[netip.AddrPort]bool), make(map[netip.AddrPort]bool)
	for _, e := range internal {
		inside[e.Addr] = true
	}
	for _, e := range external {
		outside[e.Addr] = true
	}
	if p.ExternalLocal {
		// The way in for pods and the node leads to the others too.
		for e := range inside {
			outside[e] = true
		}
	}
	for _, a := range p.ClusterIPs {
		f.services[netip.AddrPortFrom(a, p.Port)] = inside
	}
	for _, list := range [][]netip.Addr{p.ExternalIPs, p.LoadBalancerIPs} {
		for _, a := range list {
			f.services[netip.AddrPortFrom(a, p.Port)] = outside
		}
	}
	if p.NodePort != 0 {
		f.nodePorts[p.NodePort] = outside
	}
}

// MatchConntrackFlow implements netlink.CustomConntrackFilter.
func (f *flows) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	if flow.Forward.Protocol != unix.IPPROTO_UDP {
		return false
	}
	to, ok1 := netip.AddrFromSlice(flow.Forward.DstIP)
	by, ok2 := netip.AddrFromSlice(flow.Reverse.SrcIP)
	if !ok1 || !ok2 {
		return false
	}
	wanted := netip.AddrPortFrom(to.Unmap(), flow.Forward.DstPort)
	answers := netip.AddrPortFrom(by.Unmap(), flow.Reverse.SrcPort)
	if endpoints, ok := f.services[wanted]; ok {
		return !endpoints[answers]
	}
	// A port number alone may be that of somebody else's server, which
	// answers itself.
	endpoints, ok := f.nodePorts[wanted.Port()]
	return ok && answers != wanted && !endpoints[answers]
}

// forgetFlows removes what matches from connection tracking.
func (b *Backend) forgetFlows(f *flows) error {
	if len(f.services) == 0 && len(f.nodePorts) == 0 {
		return nil
	}
	for _, t := range b.tables {
		if !t.there {
			continue
		}
		kind := netlink.InetFamily(netlink.FAMILY_V4)
		if !t.is4 {
			kind = netlink.FAMILY_V6
		}
		err := error(netlink.ErrDumpInterrupted)
		for try := 0; try < 5 && errors.Is(err, netlink.ErrDumpInterrupted); try++ {
			_, err = b.tracking.ConntrackDeleteFilters(netlink.ConntrackTable, kind, f)
		}
		if err != nil {
			return fmt.Errorf("forget UDP flows: %w", err)
		}
	}
	return nil
}
