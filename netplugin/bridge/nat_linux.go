package bridge

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/keelson-project/keelson/internal/netns"
	"github.com/keelson-project/keelson/netplugin"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// family is what differs between IPv4 and IPv6 in the table.
type family struct {
	protocol            byte
	suffix              string
	address             nftables.SetDatatype
	length              uint32
	source, destination uint32
	ports, boundPorts   *nftables.Set // proto . port, and address . proto . port
	hairpin             *nftables.Set // address . address of pods with host ports
	loopback, multicast netip.Prefix
}

// natTable is the nftables table of the network. Chains and sets in it do not
// change; host ports are elements that come and go.
type natTable struct {
	table    *nftables.Table
	families []*family
}

func (n *Network) newTable() natTable {
	t := natTable{table: &nftables.Table{Name: n.config.Table, Family: nftables.TableFamilyINet}}
	for _, pool := range n.pools {
		f := &family{
			protocol: unix.NFPROTO_IPV4, suffix: "4", address: nftables.TypeIPAddr, length: 4, source: 12, destination: 16,
			loopback: netip.MustParsePrefix("127.0.0.0/8"), multicast: netip.MustParsePrefix("224.0.0.0/4"),
		}
		if pool.Gateway().Is6() {
			f = &family{
				protocol: unix.NFPROTO_IPV6, suffix: "6", address: nftables.TypeIP6Addr, length: 16, source: 8, destination: 24,
				loopback: netip.MustParsePrefix("::1/128"), multicast: netip.MustParsePrefix("ff00::/8"),
			}
		}
		target := nftables.MustConcatSetType(f.address, nftables.TypeInetService)
		f.ports = &nftables.Set{
			Table: t.table, Name: "host-ports-" + f.suffix, IsMap: true, Concatenation: true,
			KeyType: nftables.MustConcatSetType(nftables.TypeInetProto, nftables.TypeInetService), DataType: target,
		}
		f.boundPorts = &nftables.Set{
			Table: t.table, Name: "bound-host-ports-" + f.suffix, IsMap: true, Concatenation: true,
			KeyType: nftables.MustConcatSetType(f.address, nftables.TypeInetProto, nftables.TypeInetService), DataType: target,
		}
		f.hairpin = &nftables.Set{
			Table: t.table, Name: "hairpin-" + f.suffix, Concatenation: true,
			KeyType: nftables.MustConcatSetType(f.address, f.address),
		}
		for i, set := range []*nftables.Set{f.ports, f.boundPorts, f.hairpin} {
			// Left to itself, the library counts for the whole process.
			set.ID = uint32(3*len(t.families) + i + 1)
		}
		t.families = append(t.families, f)
	}
	return t
}

// flush sends what f puts into a batch, all or nothing, in the node's
// namespace.
func (n *Network) flush(f func(c *nftables.Conn) error) error {
	return netns.Do(n.config.NetNS, func() error {
		c, err := nftables.New()
		if err != nil {
			return fmt.Errorf("nftables: %w", err)
		}
		if err := f(c); err != nil {
			return err
		}
		if err := c.Flush(); err != nil {
			return fmt.Errorf("nftables table %s: %w", n.config.Table, err)
		}
		return nil
	})
}

// writeTable replaces the table, with the host ports of all records.
func (n *Network) writeTable() error {
	return n.flush(func(c *nftables.Conn) error {
		t := n.nat
		c.AddTable(t.table)
		c.DelTable(t.table)
		c.AddTable(t.table)
		for _, f := range t.families {
			for _, set := range []*nftables.Set{f.ports, f.boundPorts, f.hairpin} {
				if err := c.AddSet(set, nil); err != nil {
					return err
				}
			}
		}
		n.addGuard(c)
		n.addHostPortChains(c)
		n.addPostrouting(c)
		for _, r := range n.records {
			if err := n.eachHostPort(r, c.SetAddElements); err != nil {
				return err
			}
		}
		return nil
	})
}

// addGuard keeps packets with a loopback address that come from elsewhere
// out: the bridge routes them for the sake of host ports.
func (n *Network) addGuard(c *nftables.Conn) {
	chain := c.AddChain(&nftables.Chain{
		Name: "guard", Table: n.nat.table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityRaw,
	})
	for _, f := range n.nat.families {
		rule := append(f.match(), interfaceIs(expr.MetaKeyIIFNAME, n.config.Bridge)...)
		rule = append(rule, f.within(f.destination, f.loopback)...)
		n.addRule(c, chain, append(rule, &expr.Verdict{Kind: expr.VerdictDrop}))
	}
}

func (n *Network) addHostPortChains(c *nftables.Conn) {
	ports := c.AddChain(&nftables.Chain{Name: "host-ports", Table: n.nat.table})
	for _, f := range n.nat.families {
		// A port bound to one address goes before the same port of all.
		rule := append(f.match(), f.load(f.destination, f.registers(0))...)
		rule = append(rule, loadPort(f.registers(1), f.registers(2))...)
		n.addRule(c, ports, append(rule, f.dnat(f.boundPorts)...))
		rule = append(f.match(), loadPort(1, 9)...)
		n.addRule(c, ports, append(rule, f.dnat(f.ports)...))
	}
	for name, hook := range map[string]*nftables.ChainHook{
		"prerouting": nftables.ChainHookPrerouting, "output": nftables.ChainHookOutput,
	} {
		chain := c.AddChain(&nftables.Chain{
			Name: name, Table: n.nat.table, Type: nftables.ChainTypeNAT,
			Hooknum: hook, Priority: nftables.ChainPriorityNATDest,
		})
		n.addRule(c, chain, []expr.Any{
			&expr.Fib{Register: 1, FlagDADDR: true, ResultADDRTYPE: true},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binary.NativeEndian.AppendUint32(nil, unix.RTN_LOCAL)},
			&expr.Verdict{Kind: expr.VerdictJump, Chain: ports.Name},
		})
	}
}

func (n *Network) addPostrouting(c *nftables.Conn) {
	chain := c.AddChain(&nftables.Chain{
		Name: "postrouting", Table: n.nat.table, Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource,
	})
	masquerade := &expr.Masq{FullyRandom: true}
	for i, f := range n.nat.families {
		// A pod that calls itself by a host port must not see its own address.
		rule := append(f.match(), f.load(f.source, f.registers(0))...)
		rule = append(rule, f.load(f.destination, f.registers(1))...)
		n.addRule(c, chain, append(rule, &expr.Lookup{SourceRegister: 1, SetName: f.hairpin.Name, SetID: f.hairpin.ID}, masquerade))
		rule = append(f.match(), f.within(f.source, f.loopback)...)
		rule = append(rule, interfaceIs(expr.MetaKeyOIFNAME, n.config.Bridge)...)
		n.addRule(c, chain, append(rule, masquerade))
		if n.config.Masquerade == MasqueradeNever {
			continue
		}
		for _, inside := range append(sameFamily(n.config.ClusterCIDRs, n.pools[i].Gateway()), f.multicast) {
			rule := append(f.match(), f.within(f.destination, inside)...)
			n.addRule(c, chain, append(rule, &expr.Verdict{Kind: expr.VerdictReturn}))
		}
		rule = append(f.match(), f.within(f.source, n.pools[i].Prefix())...)
		n.addRule(c, chain, append(rule, masquerade))
	}
}

func (n *Network) addRule(c *nftables.Conn, chain *nftables.Chain, exprs []expr.Any) {
	c.AddRule(&nftables.Rule{Table: n.nat.table, Chain: chain, Exprs: exprs})
}

// eachHostPort calls change with the elements that the host ports of a record
// make in each set.
func (n *Network) eachHostPort(r *record, change func(*nftables.Set, []nftables.SetElement) error) error {
	if len(r.Ports) == 0 {
		return nil
	}
	for _, f := range n.nat.families {
		for _, ip := range r.IPs {
			if ip.BitLen() != int(f.length)*8 {
				continue
			}
			var all, bound []nftables.SetElement
			for _, p := range r.Ports {
				key := portKey(protocolNumber(p.Protocol), p.HostPort)
				target := append(ip.AsSlice(), portField(p.ContainerPort)...)
				host := p.HostIP.Unmap()
				switch {
				case !p.HostIP.IsValid() || p.HostIP.IsUnspecified():
					all = append(all, nftables.SetElement{Key: key, Val: target})
				case host.BitLen() == ip.BitLen():
					bound = append(bound, nftables.SetElement{Key: append(host.AsSlice(), key...), Val: target})
				}
			}
			own := []nftables.SetElement{{Key: append(ip.AsSlice(), ip.AsSlice()...)}}
			for set, elements := range map[*nftables.Set][]nftables.SetElement{f.ports: all, f.boundPorts: bound, f.hairpin: own} {
				if len(elements) == 0 {
					continue
				}
				if err := change(set, elements); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// addHostPorts opens the record's host ports in the kernel.
func (n *Network) addHostPorts(r *record) error {
	if len(r.Ports) == 0 {
		return nil
	}
	if err := n.flush(func(c *nftables.Conn) error { return n.eachHostPort(r, c.SetAddElements) }); err != nil {
		return fmt.Errorf("host ports of sandbox %s: %w", r.SandboxID, err)
	}
	return n.forgetFlows(r)
}

// removeHostPorts closes them. Elements that are gone already, with the whole
// table even, are no error.
func (n *Network) removeHostPorts(r *record) error {
	if len(r.Ports) == 0 {
		return nil
	}
	err := n.flush(func(c *nftables.Conn) error { return n.eachHostPort(r, c.SetDeleteElements) })
	if errors.Is(err, unix.ENOENT) {
		// One that is missing refuses the whole batch: go one by one.
		err = n.eachHostPort(r, func(set *nftables.Set, elements []nftables.SetElement) error {
			for _, element := range elements {
				err := n.flush(func(c *nftables.Conn) error {
					return c.SetDeleteElements(set, []nftables.SetElement{element})
				})
				if err != nil && !errors.Is(err, unix.ENOENT) {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("host ports of sandbox %s: %w", r.SandboxID, err)
	}
	return n.forgetFlows(r)
}

// forgetFlows drops the kernel's memory of UDP exchanges that began before
// the record's host ports changed: datagrams of a client that never pauses
// would keep going where they went.
func (n *Network) forgetFlows(r *record) error {
	stale := udpFlows{ports: make(map[uint16]bool), pods: r.IPs}
	for _, p := range r.Ports {
		if protocolNumber(p.Protocol) == unix.IPPROTO_UDP {
			stale.ports[p.HostPort] = true
		}
	}
	if len(stale.ports) == 0 {
		return nil
	}
	for _, ip := range r.IPs {
		kind := netlink.InetFamily(netlink.FAMILY_V4)
		if ip.Is6() {
			kind = netlink.FAMILY_V6
		}
		if _, err := n.netlink.ConntrackDeleteFilters(netlink.ConntrackTable, kind, stale); err != nil {
			return fmt.Errorf("forget UDP flows to host ports: %w", err)
		}
	}
	return nil
}

// udpFlows matches exchanges with one of the ports that were answered by one
// of the pods, or by the addressee itself.
type udpFlows struct {
	ports map[uint16]bool
	pods  []netip.Addr
}

// MatchConntrackFlow implements netlink.CustomConntrackFilter.
func (u udpFlows) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	if flow.Forward.Protocol != unix.IPPROTO_UDP || !u.ports[flow.Forward.DstPort] {
		return false
	}
	answers, ok := netip.AddrFromSlice(flow.Reverse.SrcIP)
	return ok && (slices.Contains(u.pods, answers.Unmap()) || flow.Reverse.SrcIP.Equal(flow.Forward.DstIP))
}

// conflict names a record that has one of the wanted host ports.
func (n *Network) conflict(wanted *record) error {
	for _, r := range n.records {
		if r.SandboxID == wanted.SandboxID {
			continue
		}
		for _, theirs := range r.Ports {
			for _, ours := range wanted.Ports {
				if clash(theirs, ours) {
					return fmt.Errorf("host port %d/%s is in use by pod %s/%s", ours.HostPort, ours.Protocol, r.PodNamespace, r.PodName)
				}
			}
		}
	}
	return nil
}

// clash follows the keys in the sets: a port of one address and the same port
// of all addresses can both be there.
func clash(a, b netplugin.PortMapping) bool {
	any := func(ip netip.Addr) bool { return !ip.IsValid() || ip.IsUnspecified() }
	sameHost := any(a.HostIP) && any(b.HostIP) || a.HostIP.Unmap() == b.HostIP.Unmap()
	return a.HostPort == b.HostPort && protocolNumber(a.Protocol) == protocolNumber(b.Protocol) && sameHost
}

func (f *family) registers(field int) uint32 {
	if field == 0 {
		return 1
	}
	// 32-bit registers are numbered from 8; the first field is at 8 too.
	words := f.length / 4
	switch field {
	case 1:
		return 8 + words
	default:
		return 8 + words + 1
	}
}

func (f *family) match() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{f.protocol}},
	}
}

func (f *family) load(offset, register uint32) []expr.Any {
	return []expr.Any{&expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: f.length}}
}

// within matches packets whose address at offset is in the prefix.
func (f *family) within(offset uint32, p netip.Prefix) []expr.Any {
	return append(f.load(offset, 1),
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: f.length, Mask: net.CIDRMask(p.Bits(), int(f.length)*8), Xor: make([]byte, f.length)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: p.Masked().Addr().AsSlice()},
	)
}

// dnat sends the packet where the map says, if it says something.
func (f *family) dnat(targets *nftables.Set) []expr.Any {
	return []expr.Any{
		&expr.Lookup{SourceRegister: 1, DestRegister: 1, IsDestRegSet: true, SetName: targets.Name, SetID: targets.ID},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: uint32(f.protocol), RegAddrMin: 1, RegProtoMin: f.registers(1), Specified: true},
	}
}

// loadPort loads the transport protocol and the destination port.
func loadPort(protocol, port uint32) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: protocol},
		&expr.Payload{DestRegister: port, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
	}
}

func interfaceIs(key expr.MetaKey, name string) []expr.Any {
	data := make([]byte, unix.IFNAMSIZ)
	copy(data, name)
	return []expr.Any{&expr.Meta{Key: key, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: data}}
}

func portKey(protocol byte, port uint16) []byte {
	return append([]byte{protocol, 0, 0, 0}, portField(port)...)
}

func portField(port uint16) []byte { return []byte{byte(port >> 8), byte(port), 0, 0} }

func protocolNumber(name string) byte {
	switch strings.ToUpper(name) {
	case "UDP":
		return unix.IPPROTO_UDP
	case "SCTP":
		return unix.IPPROTO_SCTP
	default:
		return unix.IPPROTO_TCP
	}
}

func sameFamily(prefixes []netip.Prefix, as netip.Addr) []netip.Prefix {
	var same []netip.Prefix
	for _, p := range prefixes {
		if p.Addr().Is4() == as.Is4() {
			same = append(same, p)
		}
	}
	return same
}
