package simulated

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/keelson-project/keelson/proxy"
	corev1 "k8s.io/api/core/v1"
)

// Config says what surrounds the rules.
type Config struct {
	// NodeAddrs are the node's own addresses, where node ports answer.
	NodeAddrs []netip.Addr
	// ClusterCIDRs are the ranges of all pods of the cluster. Traffic from
	// them, and from NodeAddrs, comes from inside.
	ClusterCIDRs []netip.Prefix
}

// Backend is a [proxy.Backend] in memory.
type Backend struct {
	config Config

	mu       sync.Mutex
	ports    map[proxy.PortName]proxy.ServicePort
	byTarget map[target][]proxy.PortName // those that claim it; the first one has it
	turn     map[target]int
	affinity map[visit]memory
}

var _ proxy.Backend = (*Backend)(nil)

// target is an address that packets are sent to; the zero Addr stands for
// every address of the node.
type target struct {
	addr     netip.Addr
	port     uint16
	protocol corev1.Protocol
}

// visit is a client at a target.
type visit struct {
	target target
	client netip.Addr
}

type memory struct {
	endpoint netip.AddrPort
	last     time.Time
}

// New returns a backend without rules.
func New(config Config) *Backend {
	b := &Backend{config: config}
	b.clear()
	return b
}

func (b *Backend) clear() {
	b.ports = make(map[proxy.PortName]proxy.ServicePort)
	b.byTarget = make(map[target][]proxy.PortName)
	b.turn = make(map[target]int)
	b.affinity = make(map[visit]memory)
}

// Sync replaces all rules.
func (b *Backend) Sync(ctx context.Context, ports []proxy.ServicePort) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	turn, affinity := b.turn, b.affinity
	b.clear()
	b.turn, b.affinity = turn, affinity
	for _, p := range ports {
		b.set(p)
	}
	return nil
}

// Apply changes the rules named.
func (b *Backend) Apply(ctx context.Context, change proxy.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range change.Removed {
		b.remove(name)
	}
	// A port may pass from one service to another in one change.
	for _, p := range change.Set {
		b.remove(p.Name)
	}
	for _, p := range change.Set {
		b.set(p)
	}
	return nil
}

// Close does nothing; the rules stay.
func (b *Backend) Close() error { return nil }

// Cleanup forgets all rules.
func (b *Backend) Cleanup(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clear()
	return nil
}

// String lists the rules, a line each, in a stable order.
func (b *Backend) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	lines := make([]string, 0, len(b.ports))
	for _, p := range b.ports {
		lines = append(lines, fmt.Sprintf("%s %v:%d -> %v\n", p.Name, p.ClusterIPs, p.Port, addrs(p.Endpoints)))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func addrs(endpoints []proxy.Endpoint) []netip.AddrPort {
	list := make([]netip.AddrPort, 0, len(endpoints))
	for _, e := range endpoints {
		list = append(list, e.Addr)
	}
	return list
}

func (b *Backend) set(p proxy.ServicePort) {
	b.ports[p.Name] = p
	for _, t := range targetsOf(&p) {
		b.byTarget[t] = append(b.byTarget[t], p.Name)
	}
}

func (b *Backend) remove(name proxy.PortName) {
	p, ok := b.ports[name]
	if !ok {
		return
	}
	delete(b.ports, name)
	for _, t := range targetsOf(&p) {
		owners := slices.DeleteFunc(b.byTarget[t], func(n proxy.PortName) bool { return n == name })
		if len(owners) > 0 {
			b.byTarget[t] = owners
			continue
		}
		delete(b.byTarget, t)
		delete(b.turn, t)
	}
}

func targetsOf(p *proxy.ServicePort) []target {
	var targets []target
	for _, list := range [][]netip.Addr{p.ClusterIPs, p.ExternalIPs, p.LoadBalancerIPs} {
		for _, a := range list {
			targets = append(targets, target{a, p.Port, p.Name.Protocol})
		}
	}
	if p.NodePort != 0 {
		targets = append(targets, target{port: p.NodePort, protocol: p.Name.Protocol})
	}
	return targets
}
