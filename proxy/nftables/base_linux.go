package nftables

import (
	"net/netip"

	"github.com/google/nftables"
)

// baseChain is a chain of the fixed part of a table.
type baseChain struct {
	name     string
	kind     nftables.ChainType
	hook     *nftables.ChainHook // nil for a chain that is only jumped to
	priority nftables.ChainPriority
	rules    []rule
}

// base is the fixed part: a few chains that lead packets to the maps. In the
// order a packet meets them:
//
//	check      -110  sources that are not admitted, ports without endpoints
//	services   -100  the way to an endpoint
//	unmatched   -90  whatever still wants a cluster IP: a port that no service has
//	masquerade  100  the node's address as source
func (r *renderer) base() []baseChain {
	toAddr := func(last rule) rule { return line(r.to(1), r.protocolAndPort(), last) }
	chains := []baseChain{
		{name: chainRefuse, rules: r.refuse()},
		{name: chainDrop, rules: []rule{dropped()}},
		{name: chainMarkOutside, rules: r.markOutside()},
		{name: "check", rules: append([]rule{
			line(notNew(), accepted()),
			toAddr(r.follow(firewall)),
			toAddr(r.follow(refused)),
		}, r.onNodePorts(refusedNodePorts)...)},
		{name: "services", rules: append([]rule{toAddr(r.follow(services))}, r.onNodePorts(nodePorts)...)},
		{name: "unmatched", rules: []rule{
			line(notNew(), accepted()),
			line(r.to(1), r.member(clusterIPs), goTo(chainRefuse)),
		}},
	}
	const before, after = -110, -90
	for _, hook := range []struct {
		name string
		hook *nftables.ChainHook
	}{{"prerouting", nftables.ChainHookPrerouting}, {"output", nftables.ChainHookOutput}} {
		chains = append(chains,
			baseChain{"check-" + hook.name, nftables.ChainTypeFilter, hook.hook, before, []rule{jump("check")}},
			baseChain{"services-" + hook.name, nftables.ChainTypeNAT, hook.hook, *nftables.ChainPriorityNATDest, []rule{jump("services")}},
			baseChain{"unmatched-" + hook.name, nftables.ChainTypeFilter, hook.hook, after, []rule{jump("unmatched")}},
		)
	}
	return append(chains, baseChain{
		"masquerade", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, *nftables.ChainPriorityNATSource, []rule{
			line(marked(r.config.MasqueradeMark), masquerade()),
			line(translated(), r.from(r.register(0)), then(r.to(r.register(1))), r.member(hairpin), masquerade()),
		},
	})
}

// markOutside marks what does not come from a pod of the cluster.
func (r *renderer) markOutside() []rule {
	var rules []rule
	for _, p := range r.clusters {
		rules = append(rules, line(r.from(1), r.in(p), returned()))
	}
	return append(rules, mark(r.config.MasqueradeMark))
}

// onNodePorts follows a map for packets to the node's own addresses.
func (r *renderer) onNodePorts(id setID) []rule {
	by := line(loadPort(plainRegister(0), plainRegister(1)), r.follow(id))
	if len(r.config.NodePortAddrs) == 0 {
		loopback := netip.MustParsePrefix("127.0.0.0/8")
		if !r.is4 {
			loopback = netip.MustParsePrefix("::1/128")
		}
		return []rule{line(r.to(1), r.out(loopback), toNode(), by)}
	}
	var rules []rule
	for _, p := range r.config.NodePortAddrs {
		if r.has(p.Addr()) {
			rules = append(rules, line(r.to(1), r.in(p), toNode(), by))
		}
	}
	return rules
}
