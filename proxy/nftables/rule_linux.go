package nftables

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// rule is a line of a chain. Its text is for people and to tell rules apart;
// the expressions are what the kernel gets.
type rule struct {
	text  string
	exprs []expr.Any
	// spread, if set, ends the rule with a jump to one of these chains at
	// random.
	spread []string
}

// line joins parts into one rule.
func line(parts ...rule) rule {
	var r rule
	texts := make([]string, len(parts))
	for i, part := range parts {
		texts[i] = part.text
		r.exprs = append(r.exprs, part.exprs...)
		r.spread = append(r.spread, part.spread...)
	}
	r.text = strings.Join(texts, " ")
	return r
}

func chainText(rules []rule) string {
	var b strings.Builder
	for _, r := range rules {
		fmt.Fprintf(&b, "\t\t%s\n", r.text)
	}
	return b.String()
}

func verdict(kind expr.VerdictKind, word, chain string) rule {
	return rule{text: strings.TrimSpace(word + " " + chain), exprs: []expr.Any{&expr.Verdict{Kind: kind, Chain: chain}}}
}

func goTo(chain string) rule { return verdict(expr.VerdictGoto, "goto", chain) }
func jump(chain string) rule { return verdict(expr.VerdictJump, "jump", chain) }
func dropped() rule          { return verdict(expr.VerdictDrop, "drop", "") }
func returned() rule         { return verdict(expr.VerdictReturn, "return", "") }
func accepted() rule         { return verdict(expr.VerdictAccept, "accept", "") }

// notNew matches packets that do not begin a connection.
func notNew() rule {
	return rule{"ct state != new", []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: host32(expr.CtStateBitNEW), Xor: host32(0)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: host32(0)},
	}, nil}
}

// translated matches connections whose destination was changed.
func translated() rule {
	const destinationChanged = 1 << 5
	return rule{"ct status dnat", []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATUS, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: host32(destinationChanged), Xor: host32(0)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: host32(0)},
	}, nil}
}

// toNode and fromNode match addresses of the node itself.
func toNode() rule {
	return rule{"fib daddr type local", []expr.Any{
		&expr.Fib{Register: 1, FlagDADDR: true, ResultADDRTYPE: true},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: host32(unix.RTN_LOCAL)},
	}, nil}
}

func fromNode() rule {
	return rule{"fib saddr type local", []expr.Any{
		&expr.Fib{Register: 1, FlagSADDR: true, ResultADDRTYPE: true},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: host32(unix.RTN_LOCAL)},
	}, nil}
}

// mark sets the masquerade bit; marked matches and clears it.
func mark(bit uint32) rule {
	return rule{fmt.Sprintf("meta mark set mark or %#x", bit), []expr.Any{
		&expr.Meta{Key: expr.MetaKeyMARK, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: host32(^bit), Xor: host32(bit)},
		&expr.Meta{Key: expr.MetaKeyMARK, SourceRegister: true, Register: 1},
	}, nil}
}

func marked(bit uint32) rule {
	return rule{fmt.Sprintf("meta mark and %#x != 0 meta mark set mark xor %#x", bit, bit), []expr.Any{
		&expr.Meta{Key: expr.MetaKeyMARK, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: host32(bit), Xor: host32(0)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: host32(0)},
		&expr.Meta{Key: expr.MetaKeyMARK, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: host32(^uint32(0)), Xor: host32(bit)},
		&expr.Meta{Key: expr.MetaKeyMARK, SourceRegister: true, Register: 1},
	}, nil}
}

func masquerade() rule {
	return rule{"masquerade fully-random", []expr.Any{&expr.Masq{FullyRandom: true}}, nil}
}

// refuse answers that nothing listens. A TCP client gets a reset: the kernel
// heeds an ICMP error only when the socket is not in use at that moment, and a
// connect on this node would hang until it sends again.
func (f *family) refuse() []rule {
	unreachable := f.unreachable
	return []rule{
		{"meta l4proto tcp reject with tcp reset", []expr.Any{
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
			&expr.Reject{Type: unix.NFT_REJECT_TCP_RST},
		}, nil},
		{"reject", []expr.Any{&unreachable}, nil},
	}
}

func (f *family) address(word string, offset, register uint32) rule {
	return rule{f.name + " " + word, []expr.Any{
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: f.length},
	}, nil}
}

func (f *family) to(register uint32) rule   { return f.address("daddr", f.destination, register) }
func (f *family) from(register uint32) rule { return f.address("saddr", f.source, register) }

// in matches an address loaded in register 1.
func (f *family) in(p netip.Prefix) rule  { return f.compare(expr.CmpOpEq, "", p) }
func (f *family) out(p netip.Prefix) rule { return f.compare(expr.CmpOpNeq, "!= ", p) }

func (f *family) compare(op expr.CmpOp, sign string, p netip.Prefix) rule {
	return rule{sign + p.String(), []expr.Any{
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: f.length, Mask: net.CIDRMask(p.Bits(), int(f.length)*8), Xor: make([]byte, f.length)},
		&expr.Cmp{Op: op, Register: 1, Data: p.Masked().Addr().AsSlice()},
	}, nil}
}

// protocolAndPort loads the rest of a key that begins with an address.
func (f *family) protocolAndPort() rule { return then(loadPort(f.register(1), f.register(2))) }

// then is a further field of a key.
func then(r rule) rule {
	r.text = ". " + r.text
	return r
}

func loadPort(protocol, port uint32) rule {
	return rule{"meta l4proto . th dport", []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: protocol},
		&expr.Payload{DestRegister: port, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
	}, nil}
}

func random(n int, register uint32) rule {
	return rule{fmt.Sprintf("numgen random mod %d", n), []expr.Any{
		&expr.Numgen{Register: register, Modulus: uint32(n), Type: unix.NFT_NG_RANDOM},
	}, nil}
}

// member looks the key up in a set and goes on if it is there.
func (f *family) member(id setID) rule {
	s := f.sets[id]
	return rule{"@" + s.Name, []expr.Any{&expr.Lookup{SourceRegister: 1, SetName: s.Name, SetID: s.ID}}, nil}
}

// follow does what a verdict map says for the key.
func (f *family) follow(id setID) rule {
	s := f.sets[id]
	return rule{"vmap @" + s.Name, []expr.Any{
		&expr.Lookup{SourceRegister: 1, DestRegister: 0, IsDestRegSet: true, SetName: s.Name, SetID: s.ID},
	}, nil}
}

// dnatBy sends the packet where a map says for the key.
func (f *family) dnatBy(id setID) rule {
	s := f.sets[id]
	return rule{"dnat to @" + s.Name, []expr.Any{
		&expr.Lookup{SourceRegister: 1, DestRegister: 1, IsDestRegSet: true, SetName: s.Name, SetID: s.ID},
		f.dnatExpr(),
	}, nil}
}

// dnatTo sends the packet to one endpoint.
func (f *family) dnatTo(a netip.AddrPort) rule {
	return rule{"dnat to " + a.String(), []expr.Any{
		&expr.Immediate{Register: 1, Data: a.Addr().AsSlice()},
		&expr.Immediate{Register: f.register(1), Data: []byte{byte(a.Port() >> 8), byte(a.Port())}},
		f.dnatExpr(),
	}, nil}
}

func (f *family) dnatExpr() expr.Any {
	return &expr.NAT{
		Type: expr.NATTypeDestNAT, Family: uint32(f.protocol),
		RegAddrMin: 1, RegProtoMin: f.register(1), Specified: true,
	}
}

// knows matches clients in a dynamic set; remember puts one there for a time.
func (f *family) knows(set string) rule {
	return rule{f.name + " saddr @" + set, append(f.from(1).exprs, &expr.Lookup{SourceRegister: 1, SetName: set}), nil}
}

func (f *family) remember(set string, timeout time.Duration) rule {
	return rule{fmt.Sprintf("update @%s { %s saddr timeout %s }", set, f.name, timeout), append(f.from(1).exprs,
		&expr.Dynset{SrcRegKey: 1, SetName: set, Operation: unix.NFT_DYNSET_OP_UPDATE, Timeout: timeout}), nil}
}

// spread goes to one of the chains at random.
func spread(chains []string) rule {
	return rule{text: fmt.Sprintf("numgen random mod %d vmap { %s }", len(chains), strings.Join(chains, ", ")), spread: chains}
}

func (f *family) clients(name string, timeout time.Duration) *nftables.Set {
	address := nftables.TypeIPAddr
	if !f.is4 {
		address = nftables.TypeIP6Addr
	}
	return &nftables.Set{Table: f.table, Name: name, KeyType: address, Dynamic: true, HasTimeout: true, Timeout: timeout}
}

func host32(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }
