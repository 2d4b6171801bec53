// Package addrpool hands out the addresses of a prefix in turn, so that an
// address just freed is the last to be used again.
package addrpool

import (
	"fmt"
	"net/netip"
)

// Pool is the free and used addresses of one prefix. The network's own
// address, its first host (the gateway's) and an IPv4 prefix's broadcast
// address are never handed out. A Pool is not safe for concurrent use.
type Pool struct {
	prefix      netip.Prefix
	first, last netip.Addr
	recent      netip.Addr
	used        map[netip.Addr]struct{}
}

// New returns a pool in which every address is free. The prefix needs room
// for a gateway and a pod: /30 or wider for IPv4, /126 for IPv6.
func New(prefix netip.Prefix) (*Pool, error) {
	if !prefix.IsValid() {
		return nil, fmt.Errorf("pod range %q is not a prefix such as 10.244.0.0/24", prefix)
	}
	prefix = prefix.Masked()
	if prefix.Addr().BitLen()-prefix.Bits() < 2 {
		return nil, fmt.Errorf("pod range %s has no room for a gateway and a pod; it needs at least 4 addresses", prefix)
	}
	last := lastOf(prefix)
	if prefix.Addr().Is4() {
		last = last.Prev()
	}
	p := &Pool{prefix: prefix, first: prefix.Addr().Next().Next(), last: last, used: make(map[netip.Addr]struct{})}
	p.recent = p.last
	return p, nil
}

// Prefix is the range that addresses come from.
func (p *Pool) Prefix() netip.Prefix { return p.prefix }

// Gateway is the first host of the range.
func (p *Pool) Gateway() netip.Addr { return p.prefix.Addr().Next() }

// Next takes the first free address after the one taken last, and false if
// there is none.
func (p *Pool) Next() (netip.Addr, bool) {
	// One of any len(used)+1 different addresses is free, unless the range
	// ends before.
	a := p.recent
	for range len(p.used) + 1 {
		a = a.Next()
		if !p.holds(a) {
			a = p.first
		}
		if _, taken := p.used[a]; !taken {
			p.used[a] = struct{}{}
			p.recent = a
			return a, true
		}
	}
	return netip.Addr{}, false
}

// Take marks an address as used: one remembered from before a restart. It
// reports false if the address is not of this range or in use.
func (p *Pool) Take(a netip.Addr) bool {
	if !p.holds(a) {
		return false
	}
	if _, taken := p.used[a]; taken {
		return false
	}
	p.used[a] = struct{}{}
	return true
}

// Free gives an address back; one that is not in use is left alone.
func (p *Pool) Free(a netip.Addr) { delete(p.used, a) }

// Resume continues the turn after a, as if a had been taken last.
func (p *Pool) Resume(a netip.Addr) {
	if p.holds(a) {
		p.recent = a
	}
}

// Recent is the address taken last; see Resume.
func (p *Pool) Recent() netip.Addr { return p.recent }

func (p *Pool) holds(a netip.Addr) bool {
	return a.IsValid() && p.prefix.Contains(a) && !a.Less(p.first) && !p.last.Less(a)
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
