package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/google/nftables"
	"github.com/keelson-project/keelson/internal/netns"
	"github.com/keelson-project/keelson/netplugin"
	"github.com/keelson-project/keelson/netplugin/internal/addrpool"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Network is a [netplugin.Plugin] that connects pods by a bridge.
type Network struct {
	config Config

	mu       sync.Mutex // for the fields below, and calls that touch the whole node
	pools    []*addrpool.Pool
	nat      natTable
	netlink  *netlink.Handle // nil until opened
	state    *state          // nil until opened
	records  map[string]*record
	busy     map[string]chan struct{} // sandboxes being worked on; closed when done
	mtu      int
	prepared bool // bridge, settings and table were written by this value
}

var _ netplugin.Plugin = (*Network)(nil)

// New checks the configuration. It touches neither disk nor network: the
// first call of another method does.
func New(config Config) (*Network, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("bridge network: %w", err)
	}
	n := &Network{config: config, mtu: config.MTU, busy: make(map[string]chan struct{})}
	for _, prefix := range config.PodCIDRs {
		pool, err := addrpool.New(prefix)
		if err != nil {
			return nil, fmt.Errorf("bridge network: %w", err)
		}
		n.pools = append(n.pools, pool)
	}
	n.nat = n.newTable()
	return n, nil
}

// Add connects the sandbox: an interface eth0 with an address of each range
// and a default route, loopback up, host ports forwarded.
func (n *Network) Add(ctx context.Context, a netplugin.Attachment) (netplugin.Result, error) {
	if a.SandboxID == "" {
		return netplugin.Result{}, errors.New("attachment without a SandboxID")
	}
	release, err := n.acquire(ctx, a.SandboxID)
	if err != nil {
		return netplugin.Result{}, err
	}
	defer release()
	r, bridge, isNew, err := n.reserve(a)
	if err != nil {
		return netplugin.Result{}, err
	}
	if err := n.attach(r, bridge); err != nil {
		if isNew {
			err = errors.Join(err, n.detach(r))
		}
		return netplugin.Result{}, fmt.Errorf("connect pod %s/%s: %w", a.PodNamespace, a.PodName, err)
	}
	return r.result(n.pools[0].Gateway()), nil
}

// reserve finds or makes the record of an attachment.
func (n *Network) reserve(a netplugin.Attachment) (r *record, bridge netlink.Link, isNew bool, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.open(); err != nil {
		return nil, nil, false, err
	}
	if bridge, err = n.ensureBridge(); err != nil {
		return nil, nil, false, err
	}
	if old, ok := n.records[a.SandboxID]; ok {
		renewed := *old
		renewed.NetNS = a.NetNS
		n.records[a.SandboxID] = &renewed
		return &renewed, bridge, false, nil
	}
	r = &record{
		SandboxID: a.SandboxID, NetNS: a.NetNS, Ports: slices.Clone(a.Ports),
		PodNamespace: a.PodNamespace, PodName: a.PodName, PodUID: a.PodUID,
	}
	if err := n.conflict(r); err != nil {
		return nil, nil, false, err
	}
	var recent []netip.Addr
	for _, pool := range n.pools {
		ip, ok := pool.Next()
		if !ok {
			n.freeAddresses(r)
			return nil, nil, false, fmt.Errorf("%s: %w", pool.Prefix(), netplugin.ErrNoAddress)
		}
		r.IPs = append(r.IPs, ip)
		recent = append(recent, ip)
	}
	if err := n.state.saveTurn(recent); err != nil {
		n.freeAddresses(r)
		return nil, nil, false, err
	}
	n.records[a.SandboxID] = r
	return r, bridge, true, nil
}

// attach makes the kernel agree with the record, which is on disk before: a
// process killed in between finds it and neither loses nor doubles an address.
func (n *Network) attach(r *record, bridge netlink.Link) error {
	if err := n.state.save(r); err != nil {
		return err
	}
	if err := n.connect(r, bridge); err != nil {
		return err
	}
	return n.addHostPorts(r)
}

// detach removes an attachment from kernel, disk and memory, in this order.
func (n *Network) detach(r *record) error {
	if err := n.closeHostPorts(r); err != nil {
		return err
	}
	if err := n.removeLink(linkName(r.SandboxID)); err != nil {
		return err
	}
	if err := n.state.remove(r.SandboxID); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.freeAddresses(r)
	delete(n.records, r.SandboxID)
	return nil
}

// closeHostPorts removes the host ports of a record from kernel and memory
// together, so that no rewrite of the table brings them back.
func (n *Network) closeHostPorts(r *record) error {
	if len(r.Ports) == 0 {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.removeHostPorts(r); err != nil {
		return err
	}
	closed := *r
	closed.Ports = nil
	n.records[r.SandboxID] = &closed
	return nil
}

func (n *Network) removeLink(name string) error {
	link, err := n.netlink.LinkByName(name)
	if err == nil {
		err = n.netlink.LinkDel(link)
	}
	var missing netlink.LinkNotFoundError
	// The pair also goes by itself, with the sandbox's namespace.
	if err == nil || errors.As(err, &missing) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return fmt.Errorf("remove interface %s: %w", name, err)
}

// Del disconnects the sandbox.
func (n *Network) Del(ctx context.Context, a netplugin.Attachment) error {
	release, err := n.acquire(ctx, a.SandboxID)
	if err != nil {
		return err
	}
	defer release()
	r, err := n.recordOf(a.SandboxID)
	if err != nil || r == nil {
		return err
	}
	return n.detach(r)
}

// Check looks at the sandbox's interface, its addresses and its host ports.
func (n *Network) Check(ctx context.Context, a netplugin.Attachment) error {
	release, err := n.acquire(ctx, a.SandboxID)
	if err != nil {
		return err
	}
	defer release()
	r, err := n.recordOf(a.SandboxID)
	if err != nil {
		return err
	}
	if r == nil {
		return fmt.Errorf("sandbox %q: %w", a.SandboxID, netplugin.ErrNotAttached)
	}
	bridge, err := n.netlink.LinkByName(n.config.Bridge)
	if err != nil {
		return fmt.Errorf("bridge %s: %w", n.config.Bridge, err)
	}
	link, err := n.netlink.LinkByName(linkName(r.SandboxID))
	if err != nil {
		return fmt.Errorf("interface of sandbox %s: %w", r.SandboxID, err)
	}
	if link.Attrs().MasterIndex != bridge.Attrs().Index || link.Attrs().RawFlags&unix.IFF_UP == 0 {
		return fmt.Errorf("interface %s of sandbox %s is not up on bridge %s", link.Attrs().Name, r.SandboxID, n.config.Bridge)
	}
	if err := netns.Do(r.NetNS, func() error { return checkSandbox(r) }); err != nil {
		return err
	}
	return n.checkHostPorts(r)
}

func (n *Network) checkHostPorts(r *record) error {
	return netns.Do(n.config.NetNS, func() error {
		c, err := nftables.New()
		if err != nil {
			return fmt.Errorf("nftables: %w", err)
		}
		return n.eachHostPort(r, func(set *nftables.Set, wanted []nftables.SetElement) error {
			there, err := c.GetSetElements(set)
			if err != nil {
				return fmt.Errorf("read nftables set %s: %w", set.Name, err)
			}
			for _, w := range wanted {
				if !slices.ContainsFunc(there, func(e nftables.SetElement) bool {
					return slices.Equal(e.Key, w.Key) && slices.Equal(e.Val, w.Val)
				}) {
					return fmt.Errorf("a host port of sandbox %s is not in nftables set %s", r.SandboxID, set.Name)
				}
			}
			return nil
		})
	})
}

// GC removes the attachments not in keep, and interfaces on the bridge that
// belong to none.
func (n *Network) GC(ctx context.Context, keep []string) error {
	kept := make(map[string]bool, len(keep))
	for _, id := range keep {
		kept[id] = true
	}
	n.mu.Lock()
	if err := n.open(); err != nil {
		n.mu.Unlock()
		return err
	}
	var gone []string
	known := make(map[string]bool)
	for id := range n.records {
		known[linkName(id)] = true
		if !kept[id] {
			gone = append(gone, id)
		}
	}
	strays, err := n.ports()
	n.mu.Unlock()
	for _, link := range strays {
		if !known[link.Attrs().Name] {
			err = errors.Join(err, n.removeLink(link.Attrs().Name))
		}
	}
	for _, id := range gone {
		err = errors.Join(err, n.Del(ctx, netplugin.Attachment{SandboxID: id}))
	}
	return err
}

// Status tells whether the state can be read and the bridge be made.
func (n *Network) Status(context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.open(); err != nil {
		return err
	}
	_, err := n.ensureBridge()
	return err
}

// Cleanup disconnects every sandbox and removes the bridge and the nftables
// table: what stays is the state directory, which remembers whose turn it is.
func (n *Network) Cleanup(ctx context.Context) error {
	if err := n.GC(ctx, nil); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.prepared = false
	if err := n.removeLink(n.config.Bridge); err != nil {
		return err
	}
	return n.flush(func(c *nftables.Conn) error {
		c.AddTable(n.nat.table)
		c.DelTable(n.nat.table)
		return nil
	})
}

// Close releases the netlink sockets and leaves pods connected. Calls of
// other methods open them again.
func (n *Network) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.netlink != nil {
		n.netlink.Close()
		n.netlink = nil
	}
	return nil
}

// open reads the state and opens netlink. The caller holds n.mu.
func (n *Network) open() error {
	if err := n.openHandle(); err != nil {
		return err
	}
	if n.state != nil {
		return nil
	}
	s, err := openState(n.config.StateDir)
	if err != nil {
		return err
	}
	loaded, err := s.load()
	if err != nil {
		return err
	}
	records := make(map[string]*record, len(loaded))
	for _, r := range loaded {
		records[r.SandboxID] = r
		for _, ip := range r.IPs {
			// Addresses of a range configured before belong to no pool.
			if pool := n.poolOf(ip); pool != nil {
				pool.Take(ip)
			}
		}
	}
	for _, ip := range s.turn() {
		if pool := n.poolOf(ip); pool != nil {
			pool.Resume(ip)
		}
	}
	n.state, n.records = s, records
	return nil
}

// ports are the pods' interfaces on the bridge. The caller holds n.mu.
func (n *Network) ports() ([]netlink.Link, error) {
	bridge, err := n.netlink.LinkByName(n.config.Bridge)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for bridge %s: %w", n.config.Bridge, err)
	}
	links, err := n.netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	return slices.DeleteFunc(links, func(l netlink.Link) bool {
		return l.Attrs().MasterIndex != bridge.Attrs().Index || !strings.HasPrefix(l.Attrs().Name, linkPrefix)
	}), nil
}

func (n *Network) recordOf(id string) (*record, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.open(); err != nil {
		return nil, err
	}
	return n.records[id], nil
}

// acquire waits until no other call works on the sandbox.
func (n *Network) acquire(ctx context.Context, id string) (release func(), err error) {
	for {
		n.mu.Lock()
		other, taken := n.busy[id]
		if !taken {
			mine := make(chan struct{})
			n.busy[id] = mine
			n.mu.Unlock()
			return func() {
				n.mu.Lock()
				delete(n.busy, id)
				n.mu.Unlock()
				close(mine)
			}, nil
		}
		n.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (n *Network) freeAddresses(r *record) {
	for _, ip := range r.IPs {
		if pool := n.poolOf(ip); pool != nil {
			pool.Free(ip)
		}
	}
}

func (n *Network) poolOf(ip netip.Addr) *addrpool.Pool {
	for _, pool := range n.pools {
		if pool.Prefix().Contains(ip) {
			return pool
		}
	}
	return nil
}

func (n *Network) gatewayOf(ip netip.Addr) netip.Addr {
	if pool := n.poolOf(ip); pool != nil {
		return pool.Gateway()
	}
	return n.pools[0].Gateway()
}
