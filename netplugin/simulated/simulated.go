package simulated

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/keelson-project/keelson/netplugin"
	"github.com/keelson-project/keelson/netplugin/internal/addrpool"
)

// Config says which addresses a Network hands out.
type Config struct {
	// PodCIDRs are the ranges of this node; each pod gets one address of
	// each. At least one.
	PodCIDRs []netip.Prefix
}

// Network is a [netplugin.Plugin] in memory. It forgets everything when its
// process ends, as its pods do.
type Network struct {
	mu       sync.Mutex
	pools    []*addrpool.Pool
	attached map[string]netplugin.Result
}

var _ netplugin.Plugin = (*Network)(nil)

// New returns a network with all addresses free.
func New(config Config) (*Network, error) {
	if len(config.PodCIDRs) == 0 {
		return nil, errors.New("simulated network: Config.PodCIDRs is empty; give at least one range")
	}
	n := &Network{attached: make(map[string]netplugin.Result)}
	for _, prefix := range config.PodCIDRs {
		pool, err := addrpool.New(prefix)
		if err != nil {
			return nil, fmt.Errorf("simulated network: %w", err)
		}
		n.pools = append(n.pools, pool)
	}
	return n, nil
}

// Add gives the sandbox an address of each range.
func (n *Network) Add(ctx context.Context, a netplugin.Attachment) (netplugin.Result, error) {
	if err := ctx.Err(); err != nil {
		return netplugin.Result{}, err
	}
	if a.SandboxID == "" {
		return netplugin.Result{}, errors.New("attachment without a SandboxID")
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if r, ok := n.attached[a.SandboxID]; ok {
		return copyOf(r), nil
	}
	r := netplugin.Result{Gateway: n.pools[0].Gateway()}
	for _, pool := range n.pools {
		ip, ok := pool.Next()
		if !ok {
			n.free(r)
			return netplugin.Result{}, fmt.Errorf("%s: %w", pool.Prefix(), netplugin.ErrNoAddress)
		}
		r.IPs = append(r.IPs, ip)
	}
	n.attached[a.SandboxID] = r
	return copyOf(r), nil
}

// Del frees the sandbox's addresses.
func (n *Network) Del(_ context.Context, a netplugin.Attachment) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.remove(a.SandboxID)
	return nil
}

// Check tells whether the sandbox is attached.
func (n *Network) Check(_ context.Context, a netplugin.Attachment) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.attached[a.SandboxID]; !ok {
		return fmt.Errorf("sandbox %q: %w", a.SandboxID, netplugin.ErrNotAttached)
	}
	return nil
}

// GC removes the attachments not named in keep.
func (n *Network) GC(_ context.Context, keep []string) error {
	kept := make(map[string]struct{}, len(keep))
	for _, id := range keep {
		kept[id] = struct{}{}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for id := range n.attached {
		if _, ok := kept[id]; !ok {
			n.remove(id)
		}
	}
	return nil
}

// Status is always nil: there is nothing that could be missing.
func (n *Network) Status(context.Context) error { return nil }

func (n *Network) remove(id string) {
	n.free(n.attached[id])
	delete(n.attached, id)
}

func (n *Network) free(r netplugin.Result) {
	for i, ip := range r.IPs {
		n.pools[i].Free(ip)
	}
}

func copyOf(r netplugin.Result) netplugin.Result {
	r.IPs = slices.Clone(r.IPs)
	return r
}
