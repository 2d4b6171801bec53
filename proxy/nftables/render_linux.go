package nftables

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/keelson-project/keelson/proxy"
)

// inSet is the value of an element of a set, which has none.
const inSet = "in"

// The fixed chains that service ports refer to.
const (
	chainRefuse      = "refuse"
	chainDrop        = "drop"
	chainMarkOutside = "mark-outside"
)

// renderer turns service ports into objects of one family's table.
type renderer struct {
	*family
	config   *Config
	clusters []netip.Prefix // ClusterCIDRs of the family
}

// request is a service port being rendered.
type request struct {
	*renderer
	port               *proxy.ServicePort
	protocol           byte
	internal, external []proxy.Endpoint
	name               string // of chains and sets of its own
	made               map[string]bool
	objects            []object
}

// render lists what a port asks for. The same port gives the same list.
func (r *renderer) render(p *proxy.ServicePort) []object {
	q := request{
		renderer: r, port: p, protocol: protocolNumber(p.Name.Protocol),
		internal: r.ofFamily(p.Endpoints), external: r.ofFamily(p.ExternalEndpoints),
		name: fmt.Sprintf("%s/%s/%s/%s", p.Name.Service.Namespace, p.Name.Service.Name, strings.ToLower(string(p.Name.Protocol)), p.Name.Port),
	}
	for _, a := range p.ClusterIPs {
		if r.has(a) {
			q.clusterIP(a)
		}
	}
	for _, a := range p.ExternalIPs {
		if r.has(a) {
			q.externalAddr(a)
		}
	}
	for _, a := range p.LoadBalancerIPs {
		if r.has(a) {
			q.firewall(a)
			q.externalAddr(a)
		}
	}
	if p.NodePort != 0 && r.serves(p) {
		q.nodePort()
	}
	if len(q.objects) > 0 {
		q.hairpins()
	}
	return q.objects
}

// serves tells whether the service is of this family at all.
func (r *renderer) serves(p *proxy.ServicePort) bool {
	for _, a := range p.ClusterIPs {
		if r.has(a) {
			return true
		}
	}
	return false
}

func (r *renderer) ofFamily(all []proxy.Endpoint) []proxy.Endpoint {
	for i := range all {
		if !r.has(all[i].Addr.Addr()) {
			var same []proxy.Endpoint
			for _, e := range all {
				if r.has(e.Addr.Addr()) {
					same = append(same, e)
				}
			}
			return same
		}
	}
	return all
}

// plain says that the port needs no chain of its own.
func (q *request) plain() bool { return q.port.AffinityTimeout == 0 && !q.port.ExternalLocal }

func (q *request) element(set setID, name []byte, value string) {
	q.objects = append(q.objects, object{key: key{isElement, set, string(name)}, value: value})
}

func (q *request) sharedElement(set setID, name []byte) {
	q.objects = append(q.objects, object{key: key{isElement, set, string(name)}, value: inSet, shared: true})
}

func (q *request) sharedChain(name string, rules ...rule) string {
	q.objects = append(q.objects, object{key: key{isChain, noSet, name}, value: chainText(rules), rules: rules, shared: true})
	return name
}

// own makes a chain or set of the port's own, once.
func (q *request) own(k kind, name string, value string, rules []rule) {
	if q.made == nil {
		q.made = make(map[string]bool)
	}
	if !q.made[name] {
		q.made[name] = true
		q.objects = append(q.objects, object{key: key{k, noSet, name}, value: value, rules: rules})
	}
}

func (q *request) ownChain(name string, rules ...rule) string {
	q.own(isChain, name, chainText(rules), rules)
	return name
}

func refusal(silent bool) string {
	if silent {
		return chainDrop
	}
	return chainRefuse
}

func (q *request) clusterIP(a netip.Addr) {
	q.sharedElement(clusterIPs, addrField(nil, a))
	name := addrKey(a, q.protocol, q.port.Port)
	switch {
	case len(q.internal) == 0:
		q.element(refused, name, refusal(q.port.InternalLocal))
	case q.plain():
		rules := []rule{q.pick(len(q.internal))}
		if len(q.clusters) > 0 {
			rules = append([]rule{jump(chainMarkOutside)}, rules...)
		}
		q.element(services, name, q.sharedChain("cluster-"+strconv.Itoa(len(q.internal)), rules...))
		q.targets(endpoints, name, q.internal)
	case len(q.clusters) > 0:
		q.element(services, name, q.ownChain("cluster/"+q.name, jump(chainMarkOutside), goTo(q.internalChain())))
	default:
		q.element(services, name, q.internalChain())
	}
}

func (q *request) externalAddr(a netip.Addr) {
	name := addrKey(a, q.protocol, q.port.Port)
	switch {
	case q.unserved():
		q.element(refused, name, refusal(q.port.ExternalLocal))
	case q.plain():
		q.element(services, name, q.sharedChain("external-"+strconv.Itoa(len(q.external)),
			mark(q.config.MasqueradeMark), q.pick(len(q.external))))
		q.targets(endpoints, name, q.external)
	default:
		q.element(services, name, q.externalChain())
	}
}

func (q *request) nodePort() {
	name := portKey(nil, q.protocol, q.port.NodePort)
	switch {
	case q.unserved():
		q.element(refusedNodePorts, name, refusal(q.port.ExternalLocal))
	case q.plain():
		n := len(q.external)
		q.element(nodePorts, name, q.sharedChain("node-port-"+strconv.Itoa(n), mark(q.config.MasqueradeMark),
			line(loadPort(plainRegister(0), plainRegister(1)), then(random(n, plainRegister(2))), q.dnatBy(nodePortEndpoints))))
		q.targets(nodePortEndpoints, name, q.external)
	default:
		q.element(nodePorts, name, q.externalChain())
	}
}

// unserved says that external traffic has nowhere to go.
func (q *request) unserved() bool {
	return len(q.external) == 0 && (!q.port.ExternalLocal || len(q.internal) == 0)
}

// pick sends a packet to one of n entries of the map of endpoints.
func (q *request) pick(n int) rule {
	return line(q.to(q.register(0)), q.protocolAndPort(), then(random(n, q.register(3))), q.dnatBy(endpoints))
}

func (q *request) targets(set setID, name []byte, to []proxy.Endpoint) {
	for i := range to {
		q.element(set, numberField(name[:len(name):len(name)], i), targetValue(to[i].Addr))
	}
}

// internalChain spreads packets over the endpoints for traffic from inside.
func (q *request) internalChain() string {
	return q.ownChain("internal/"+q.name, q.balance(q.internal)...)
}

// externalChain does for traffic from outside. With the Local policy, what
// comes from inside takes the way of internal traffic.
func (q *request) externalChain() string {
	var rules []rule
	if q.port.ExternalLocal {
		if len(q.internal) > 0 {
			internal := q.internalChain()
			for _, p := range q.clusters {
				rules = append(rules, line(q.from(1), q.in(p), goTo(internal)))
			}
			rules = append(rules, line(fromNode(), mark(q.config.MasqueradeMark), goTo(internal)))
		}
	} else {
		rules = append(rules, mark(q.config.MasqueradeMark))
	}
	if len(q.external) == 0 {
		rules = append(rules, dropped())
	} else {
		rules = append(rules, q.balance(q.external)...)
	}
	return q.ownChain("external/"+q.name, rules...)
}

// balance sends a client to the endpoint that remembers it, or to any.
func (q *request) balance(over []proxy.Endpoint) []rule {
	var rules []rule
	chains := make([]string, len(over))
	for i := range over {
		// Names of chains may not hold the colons of an IPv6 address.
		place := strings.NewReplacer(":", ".", "[", "", "]", "").Replace(over[i].Addr.String())
		chains[i] = "endpoint/" + q.name + "/" + place
		if q.port.AffinityTimeout == 0 {
			q.ownChain(chains[i], q.dnatTo(over[i].Addr))
			continue
		}
		set := "clients/" + q.name + "/" + place
		q.own(isSet, set, q.port.AffinityTimeout.String(), nil)
		q.ownChain(chains[i], q.remember(set, q.port.AffinityTimeout), q.dnatTo(over[i].Addr))
		rules = append(rules, line(q.knows(set), goTo(chains[i])))
	}
	return append(rules, spread(chains))
}

// firewall admits only some clients to a load balancer's address.
func (q *request) firewall(a netip.Addr) {
	var rules []rule
	for _, p := range q.port.SourceRanges {
		if q.has(p.Addr()) {
			rules = append(rules, line(q.from(1), q.in(p), returned()))
		}
	}
	if len(rules) == 0 {
		return
	}
	chain := q.ownChain("firewall/"+q.name, append(rules, dropped())...)
	q.element(firewall, addrKey(a, q.protocol, q.port.Port), chain)
}

// hairpins lets a pod that reaches itself see another source than itself.
func (q *request) hairpins() {
	for _, list := range [][]proxy.Endpoint{q.internal, q.external} {
		for _, e := range list {
			if e.Local {
				q.sharedElement(hairpin, addrField(addrField(nil, e.Addr.Addr()), e.Addr.Addr()))
			}
		}
	}
}
