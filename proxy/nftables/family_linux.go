package nftables

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

// setID names a fixed set or map of a table.
type setID uint8

const (
	noSet             setID = iota
	clusterIPs              // address: of any cluster IP
	hairpin                 // address . address: local endpoints
	firewall                // address . protocol . port -> chain that checks sources
	refused                 // address . protocol . port -> refuse or drop
	refusedNodePorts        // protocol . port -> refuse or drop
	services                // address . protocol . port -> chain
	nodePorts               // protocol . port -> chain
	endpoints               // address . protocol . port . number -> address . port
	nodePortEndpoints       // protocol . port . number -> address . port
	setCount
)

// family is a table: what differs between IPv4 and IPv6, and its fixed sets.
type family struct {
	name        string
	is4         bool
	protocol    byte
	length      uint32 // of an address
	source      uint32 // offset in the header
	destination uint32
	unreachable expr.Reject
	table       *nftables.Table
	sets        [setCount]*nftables.Set
}

func newFamily(table string, is4 bool) *family {
	f := &family{
		name: "ip", is4: true, protocol: unix.NFPROTO_IPV4, length: 4, source: 12, destination: 16,
		unreachable: expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: 3},
		table:       &nftables.Table{Name: table, Family: nftables.TableFamilyIPv4},
	}
	address := nftables.TypeIPAddr
	if !is4 {
		f = &family{
			name: "ip6", protocol: unix.NFPROTO_IPV6, length: 16, source: 8, destination: 24,
			unreachable: expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: 4},
			table:       &nftables.Table{Name: table, Family: nftables.TableFamilyIPv6},
		}
		address = nftables.TypeIP6Addr
	}
	protocol, port := nftables.TypeInetProto, nftables.TypeInetService
	// The number of an endpoint would be an integer, but the nft tool aborts
	// when it lists a key with one: that type has no width.
	number := nftables.TypeMark
	concat := nftables.MustConcatSetType
	verdict, target := nftables.TypeVerdict, concat(address, port)
	for id, s := range map[setID]*nftables.Set{
		clusterIPs:        {Name: "cluster-ips", KeyType: address},
		hairpin:           {Name: "hairpin", KeyType: concat(address, address)},
		firewall:          {Name: "firewall", KeyType: concat(address, protocol, port), DataType: verdict},
		refused:           {Name: "refused", KeyType: concat(address, protocol, port), DataType: verdict},
		refusedNodePorts:  {Name: "refused-node-ports", KeyType: concat(protocol, port), DataType: verdict},
		services:          {Name: "services", KeyType: concat(address, protocol, port), DataType: verdict},
		nodePorts:         {Name: "node-ports", KeyType: concat(protocol, port), DataType: verdict},
		endpoints:         {Name: "endpoints", KeyType: concat(address, protocol, port, number), DataType: target},
		nodePortEndpoints: {Name: "node-port-endpoints", KeyType: concat(protocol, port, number), DataType: target},
	} {
		s.Table, s.ID = f.table, f.firstSetID()+uint32(id)
		s.IsMap = s.DataType.Name != ""
		s.Concatenation = id != clusterIPs
		f.sets[id] = s
	}
	return f
}

// firstSetID keeps the numbers that sets have within a transaction apart from
// those of the other family's table, which may be in the same one.
func (f *family) firstSetID() uint32 {
	if f.is4 {
		return 0
	}
	return 1 << 24
}

// verdictMap tells whether values of a map are chains.
func (f *family) verdictMap(id setID) bool {
	return f.sets[id].DataType.Name == nftables.TypeVerdict.Name
}

func (f *family) has(a netip.Addr) bool { return a.Is4() == f.is4 }

// register is where the nth field of a key that begins with an address goes.
func (f *family) register(n uint32) uint32 {
	if n == 0 {
		return unix.NFT_REG_1
	}
	return unix.NFT_REG32_00 + f.length/4 + n - 1
}

// plainRegister is the same for a key of small fields only.
func plainRegister(n uint32) uint32 {
	if n == 0 {
		return unix.NFT_REG_1
	}
	return unix.NFT_REG32_00 + n
}

func protocolNumber(p corev1.Protocol) byte {
	switch p {
	case corev1.ProtocolUDP:
		return unix.IPPROTO_UDP
	case corev1.ProtocolSCTP:
		return unix.IPPROTO_SCTP
	default:
		return unix.IPPROTO_TCP
	}
}

// Fields of set keys and values; each fills whole registers.

func portField(b []byte, port uint16) []byte { return append(b, byte(port>>8), byte(port), 0, 0) }

func portKey(b []byte, protocol byte, port uint16) []byte {
	return portField(append(b, protocol, 0, 0, 0), port)
}

func numberField(b []byte, n int) []byte { return binary.NativeEndian.AppendUint32(b, uint32(n)) }

func addrKey(a netip.Addr, protocol byte, port uint16) []byte {
	return portKey(addrField(make([]byte, 0, 28), a), protocol, port)
}

func addrField(b []byte, a netip.Addr) []byte {
	if a.Is4() {
		four := a.As4()
		return append(b, four[:]...)
	}
	sixteen := a.As16()
	return append(b, sixteen[:]...)
}

func targetValue(a netip.AddrPort) string {
	return string(portField(addrField(make([]byte, 0, 20), a.Addr()), a.Port()))
}

// elementText is an element of a fixed set as a reader would write it.
func (f *family) elementText(k key, value string) string {
	b := []byte(k.name)
	text := f.sets[k.set].Name + " {"
	address := func() {
		a, _ := netip.AddrFromSlice(b[:f.length])
		text += " " + a.String()
		b = b[f.length:]
	}
	port := func() {
		text += fmt.Sprintf(" . %d", binary.BigEndian.Uint16(b))
		b = b[4:]
	}
	protocol := func(separator string) {
		text += fmt.Sprintf("%s%s", separator, map[byte]string{6: "tcp", 17: "udp", 132: "sctp"}[b[0]])
		b = b[4:]
	}
	switch k.set {
	case clusterIPs:
		address()
	case hairpin:
		address()
		text += " ."
		address()
	case refusedNodePorts, nodePorts, nodePortEndpoints:
		protocol(" ")
		port()
	default:
		address()
		protocol(" . ")
		port()
	}
	if k.set == endpoints || k.set == nodePortEndpoints {
		text += fmt.Sprintf(" . %d", binary.NativeEndian.Uint32(b))
	}
	switch {
	case f.verdictMap(k.set):
		text += " : " + value
	case value != inSet:
		b = []byte(value)
		text += " :"
		address()
		port()
	}
	return text + " }"
}
