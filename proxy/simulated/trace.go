package simulated

import (
	"net/netip"
	"slices"
	"time"

	"github.com/keelson-project/keelson/proxy"
	corev1 "k8s.io/api/core/v1"
)

// Packet is the first packet of a connection.
type Packet struct {
	// Source is the client's address.
	Source netip.Addr
	// Destination is where it wants to go.
	Destination netip.AddrPort
	// Protocol is TCP, UDP or SCTP.
	Protocol corev1.Protocol
}

// Outcome is what becomes of a packet.
type Outcome string

const (
	// Forwarded means that it goes to Verdict.Endpoint.
	Forwarded Outcome = "Forwarded"
	// Refused means that the client is told that nothing listens.
	Refused Outcome = "Refused"
	// Dropped means that nobody hears of it.
	Dropped Outcome = "Dropped"
	// Passed means that no rule applies and it goes on unchanged.
	Passed Outcome = "Passed"
)

// Verdict is the answer to a Trace.
type Verdict struct {
	Outcome Outcome
	// Endpoint gets a packet that is Forwarded.
	Endpoint netip.AddrPort
	// Masqueraded says that the endpoint sees an address of this node instead
	// of the client's.
	Masqueraded bool
}

// Trace tells what becomes of a packet that enters the node, or starts on it,
// now. It counts as a connection: endpoints take turns, and clients with
// session affinity are remembered.
func (b *Backend) Trace(packet Packet) Verdict {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := target{packet.Destination.Addr(), packet.Destination.Port(), packet.Protocol}
	p, ok := b.owner(t)
	if !ok && slices.Contains(b.config.NodeAddrs, t.addr) {
		t.addr = netip.Addr{}
		p, ok = b.owner(t)
	}
	if !ok {
		if b.isClusterIP(packet.Destination.Addr()) {
			return Verdict{Outcome: Refused}
		}
		return Verdict{Outcome: Passed}
	}
	return b.decide(&p, t, packet)
}

func (b *Backend) owner(t target) (proxy.ServicePort, bool) {
	owners := b.byTarget[t]
	if len(owners) == 0 {
		return proxy.ServicePort{}, false
	}
	return b.ports[owners[0]], true
}

func (b *Backend) isClusterIP(a netip.Addr) bool {
	for _, p := range b.ports {
		if slices.Contains(p.ClusterIPs, a) {
			return true
		}
	}
	return false
}

func (b *Backend) decide(p *proxy.ServicePort, t target, packet Packet) Verdict {
	to, from := packet.Destination.Addr(), packet.Source
	onNode := slices.Contains(b.config.NodeAddrs, from)
	inCluster := within(b.config.ClusterCIDRs, from)
	if slices.Contains(p.LoadBalancerIPs, to) && !admitted(p.SourceRanges, from) {
		return Verdict{Outcome: Dropped}
	}
	internal := slices.Contains(p.ClusterIPs, t.addr)
	masquerade := internal && len(b.config.ClusterCIDRs) > 0 && !inCluster
	endpoints, dropped := p.Endpoints, p.InternalLocal
	if !internal {
		shortcut := p.ExternalLocal && (onNode || inCluster)
		masquerade = !p.ExternalLocal || onNode
		if !shortcut {
			endpoints, dropped = p.ExternalEndpoints, p.ExternalLocal
		}
	}
	endpoints = sameFamily(endpoints, to)
	if len(endpoints) == 0 {
		if dropped {
			return Verdict{Outcome: Dropped}
		}
		return Verdict{Outcome: Refused}
	}
	chosen := b.choose(p, t, from, endpoints)
	return Verdict{Outcome: Forwarded, Endpoint: chosen, Masqueraded: masquerade || chosen.Addr() == from}
}

// choose takes the endpoints in turn, but a client with session affinity back
// to where it was.
func (b *Backend) choose(p *proxy.ServicePort, t target, client netip.Addr, endpoints []proxy.Endpoint) netip.AddrPort {
	key, now := visit{t, client}, time.Now()
	if p.AffinityTimeout > 0 {
		m, ok := b.affinity[key]
		known := func(e proxy.Endpoint) bool { return e.Addr == m.endpoint }
		if ok && now.Sub(m.last) < p.AffinityTimeout && slices.ContainsFunc(endpoints, known) {
			b.affinity[key] = memory{m.endpoint, now}
			return m.endpoint
		}
	}
	turn := b.turn[t]
	b.turn[t] = turn + 1
	chosen := endpoints[turn%len(endpoints)].Addr
	if p.AffinityTimeout > 0 {
		b.affinity[key] = memory{chosen, now}
	}
	return chosen
}

func within(prefixes []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}

func admitted(ranges []netip.Prefix, client netip.Addr) bool {
	restricted := false
	for _, r := range ranges {
		if r.Contains(client) {
			return true
		}
		restricted = restricted || r.Addr().Is4() == client.Is4()
	}
	return !restricted
}

func sameFamily(endpoints []proxy.Endpoint, as netip.Addr) []proxy.Endpoint {
	other := func(e proxy.Endpoint) bool { return e.Addr.Addr().Is4() != as.Is4() }
	if !slices.ContainsFunc(endpoints, other) {
		return endpoints
	}
	return slices.DeleteFunc(slices.Clone(endpoints), other)
}
