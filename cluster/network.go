package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"github.com/keelson-project/keelson/netplugin"
)

// network is a pod network that opens when the node's ranges are known: until
// then nothing can be attached, and nothing is.
type network struct {
	open func(podCIDRs []netip.Prefix) (netplugin.Plugin, error)

	mu     sync.RWMutex
	plugin netplugin.Plugin
}

var errNoRange = errors.New("the node has no pod range yet")

// assign opens the network. Ranges of a node never change once assigned, so
// later calls find it open.
func (n *network) assign(cidrs []string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.plugin != nil {
		return nil
	}
	var prefixes []netip.Prefix
	for _, text := range cidrs {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return fmt.Errorf("pod range of the node: %w", err)
		}
		prefixes = append(prefixes, p)
	}
	plugin, err := n.open(prefixes)
	if err != nil {
		return fmt.Errorf("opening the pod network for %v: %w", cidrs, err)
	}
	n.plugin = plugin
	return nil
}

func (n *network) get() (netplugin.Plugin, error) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.plugin == nil {
		return nil, errNoRange
	}
	return n.plugin, nil
}

// Add implements netplugin.Plugin.
func (n *network) Add(ctx context.Context, a netplugin.Attachment) (netplugin.Result, error) {
	p, err := n.get()
	if err != nil {
		return netplugin.Result{}, err
	}
	return p.Add(ctx, a)
}

// Del implements netplugin.Plugin.
func (n *network) Del(ctx context.Context, a netplugin.Attachment) error {
	p, err := n.get()
	if err != nil {
		return err
	}
	return p.Del(ctx, a)
}

// Check implements netplugin.Plugin.
func (n *network) Check(ctx context.Context, a netplugin.Attachment) error {
	p, err := n.get()
	if err != nil {
		return err
	}
	return p.Check(ctx, a)
}

// GC implements netplugin.Plugin.
func (n *network) GC(ctx context.Context, keep []string) error {
	p, err := n.get()
	if err != nil {
		return err
	}
	return p.GC(ctx, keep)
}

// Status implements netplugin.Plugin.
func (n *network) Status(ctx context.Context) error {
	p, err := n.get()
	if err != nil {
		return err
	}
	return p.Status(ctx)
}
