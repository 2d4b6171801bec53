package nftables

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/google/nftables"
	"github.com/keelson-project/keelson/internal/netns"
	"github.com/keelson-project/keelson/proxy"
	"github.com/mdlayher/netlink"
	vnetlink "github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// socketBuffer bounds what one transaction may take in the socket's buffers,
// in bytes; it is a limit and not set aside.
const socketBuffer = 256 << 20

// Backend is a [proxy.Backend] that writes nftables.
type Backend struct {
	config Config

	mu       sync.Mutex
	tables   []*table
	ports    map[proxy.PortName]proxy.ServicePort
	conn     *nftables.Conn   // nil until opened
	tracking *vnetlink.Handle // opened with conn
}

// table is one family's table as it is in the kernel.
type table struct {
	*renderer
	*ruleset
	there bool
}

var _ proxy.Backend = (*Backend)(nil)

// New checks the configuration. It touches nothing in the kernel; Sync does.
func New(config Config) (*Backend, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("nftables backend: %w", err)
	}
	b := &Backend{config: config, ports: make(map[proxy.PortName]proxy.ServicePort)}
	for _, is4 := range []bool{true, false} {
		r := &renderer{family: newFamily(config.Table, is4), config: &b.config}
		for _, p := range config.ClusterCIDRs {
			if r.has(p.Addr()) {
				r.clusters = append(r.clusters, p)
			}
		}
		t := &table{renderer: r}
		t.empty()
		b.tables = append(b.tables, t)
	}
	return b, nil
}

// Sync writes the tables anew in one transaction, so that no packet sees them
// half done, and whatever a process before left in them is gone. Clients with
// session affinity are forgotten; their connections are not.
func (b *Backend) Sync(ctx context.Context, ports []proxy.ServicePort) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.open(); err != nil {
		return err
	}
	b.ports = make(map[proxy.PortName]proxy.ServicePort, len(ports))
	for i, t := range b.tables {
		// Mostly IPv4: two elements for an address, one for an endpoint.
		t.ruleset = newRuleset(5 * len(ports) / (1 + 9*i))
	}
	for i := range ports {
		b.set(ports[i])
	}
	for _, t := range b.tables {
		if err := b.rewrite(t); err != nil {
			return err
		}
	}
	if err := b.flush(); err != nil {
		return err
	}
	return b.forgetFlows(newFlows(ports, nil))
}

// rewrite puts a whole table into the transaction. The one for IPv6 is made
// only when it is needed: not every kernel has it.
func (b *Backend) rewrite(t *table) error {
	w := t.newWriter(b.conn)
	everything := t.everything()
	if !t.is4 && everything.empty() {
		t.there = false
		old, err := b.conn.ListTablesOfFamily(t.table().Family)
		if err != nil {
			return fmt.Errorf("list nftables tables: %w", err)
		}
		for _, o := range old {
			if o.Name == b.config.Table {
				w.removeTable()
			}
		}
		return nil
	}
	t.there = true
	if err := w.writeBase(); err != nil {
		return err
	}
	return w.write(everything)
}

// empty forgets what is in the table, and that it is there.
func (t *table) empty() {
	t.ruleset = newRuleset(0)
	t.everything()
	t.there = false
}

func (t *table) table() *nftables.Table { return t.family.table }

// Apply changes the ports named, in one transaction.
func (b *Backend) Apply(ctx context.Context, c proxy.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.open(); err != nil {
		return err
	}
	undo := b.change(c)
	err := b.writeChange()
	if err != nil {
		b.change(undo)
		for _, t := range b.tables {
			clear(t.touched)
		}
		return err
	}
	before := append([]proxy.ServicePort(nil), undo.Set...)
	return b.forgetFlows(newFlows(c.Set, before))
}

// change alters what is to be in the kernel and returns what alters it back.
func (b *Backend) change(c proxy.Change) (undo proxy.Change) {
	forget := func(name proxy.PortName) {
		if old, ok := b.ports[name]; ok {
			undo.Set = append(undo.Set, old)
			b.unset(old)
		}
	}
	for _, name := range c.Removed {
		forget(name)
	}
	for i := range c.Set {
		name := c.Set[i].Name
		if _, ok := b.ports[name]; !ok {
			undo.Removed = append(undo.Removed, name)
		}
		forget(name)
	}
	for i := range c.Set {
		b.set(c.Set[i])
	}
	return undo
}

func (b *Backend) writeChange() error {
	for _, t := range b.tables {
		d := t.take()
		if d.empty() {
			continue
		}
		w := t.newWriter(b.conn)
		if !t.there {
			if err := w.writeBase(); err != nil {
				return err
			}
		}
		if err := w.write(d); err != nil {
			return err
		}
	}
	if err := b.flush(); err != nil {
		return err
	}
	for _, t := range b.tables {
		t.there = t.there || len(t.entries) > 0
	}
	return nil
}

func (b *Backend) set(p proxy.ServicePort) {
	b.ports[p.Name] = p
	for _, t := range b.tables {
		for _, o := range t.render(&p) {
			t.add(p.Name, o)
		}
	}
}

func (b *Backend) unset(p proxy.ServicePort) {
	delete(b.ports, p.Name)
	for _, t := range b.tables {
		for _, o := range t.render(&p) {
			t.remove(p.Name, o)
		}
	}
}

// open makes the sockets, in the node's namespace.
func (b *Backend) open() error {
	if b.conn != nil {
		return nil
	}
	return netns.Do(b.config.NetNS, func() error {
		conn, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(c *netlink.Conn) error {
			if err := c.SetWriteBuffer(socketBuffer); err != nil {
				return err
			}
			return c.SetReadBuffer(socketBuffer)
		}))
		if err != nil {
			return fmt.Errorf("open nftables: %w", err)
		}
		tracking, err := vnetlink.NewHandle(unix.NETLINK_NETFILTER)
		if err != nil {
			conn.CloseLasting()
			return fmt.Errorf("open connection tracking: %w", err)
		}
		b.conn, b.tracking = conn, tracking
		return nil
	})
}

// flush sends the transaction. After a failure the socket is made anew, for
// answers to the failed one may still be in it.
func (b *Backend) flush() error {
	if err := b.conn.Flush(); err != nil {
		b.release()
		return fmt.Errorf("write nftables table %s: %w", b.config.Table, err)
	}
	return nil
}

func (b *Backend) release() error {
	if b.conn == nil {
		return nil
	}
	b.tracking.Close()
	err := b.conn.CloseLasting()
	b.conn, b.tracking = nil, nil
	return err
}

// Close releases the sockets; the rules stay.
func (b *Backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.release()
}

// Cleanup removes the tables.
func (b *Backend) Cleanup(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.open(); err != nil {
		return err
	}
	b.ports = make(map[proxy.PortName]proxy.ServicePort)
	for _, t := range b.tables {
		t.empty()
	}
	all, err := b.conn.ListTables()
	if err != nil {
		return fmt.Errorf("list nftables tables: %w", err)
	}
	for _, t := range b.tables {
		for _, old := range all {
			if old.Name == b.config.Table && old.Family == t.table().Family {
				t.newWriter(b.conn).removeTable()
			}
		}
	}
	return b.flush()
}

// String lists what the tables hold, in a stable order and much as nft would.
// It is what was written last, not a look at the kernel.
func (b *Backend) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var text strings.Builder
	for _, t := range b.tables {
		if len(t.entries) == 0 {
			continue
		}
		fmt.Fprintf(&text, "table %s %s\n", t.name, b.config.Table)
		for _, c := range t.base() {
			fmt.Fprintf(&text, "\tchain %s\n%s", c.name, chainText(c.rules))
		}
		t.text(t.family, &text)
	}
	return text.String()
}
