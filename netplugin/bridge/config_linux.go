package bridge

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
)

// Config says how the pods of a node are connected.
type Config struct {
	// Bridge is the name of the bridge interface, at most 15 characters;
	// "keelson0" if empty.
	Bridge string
	// PodCIDRs are the ranges this node's pods get an address of each; the
	// bridge has the first host of each as gateway. At least one, and at
	// most one of IPv4 and one of IPv6.
	PodCIDRs []netip.Prefix
	// ClusterCIDRs are the ranges of all pods of the cluster. What pods send
	// there keeps its source address. PodCIDRs if empty.
	ClusterCIDRs []netip.Prefix
	// StateDir is the directory where attachments are remembered; required.
	// It is made if missing.
	StateDir string
	// MTU of the pods' interfaces, in bytes. Zero takes that of the
	// interface with the default route, or 1500 if there is none.
	MTU int
	// Masquerade says which pod traffic leaves under the node's address.
	Masquerade Masquerade
	// Table is the name of the nftables table; "keelson-bridge" if empty.
	Table string
	// NetNS is the path of the network namespace that stands for the node.
	// Empty is that of the process.
	NetNS string
	// Logger gets what was repaired; nil discards it.
	Logger *slog.Logger
}

// Masquerade is a rule for pod traffic to addresses outside the cluster.
type Masquerade string

const (
	// MasqueradeOutside gives traffic to addresses outside ClusterCIDRs the
	// node's source address; the default.
	MasqueradeOutside Masquerade = "Outside"
	// MasqueradeNever leaves source addresses alone: for networks that route
	// pod addresses.
	MasqueradeNever Masquerade = "Never"
)

func (c Config) withDefaults() (Config, error) {
	if c.Bridge == "" {
		c.Bridge = "keelson0"
	}
	if c.Table == "" {
		c.Table = "keelson-bridge"
	}
	if c.Masquerade == "" {
		c.Masquerade = MasqueradeOutside
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if len(c.ClusterCIDRs) == 0 {
		c.ClusterCIDRs = c.PodCIDRs
	}
	switch {
	case len(c.Bridge) > 15:
		return c, fmt.Errorf("bridge name %q is longer than the 15 characters Linux allows", c.Bridge)
	case c.StateDir == "":
		return c, errors.New("Config.StateDir is empty; name a directory that outlives the process")
	case len(c.PodCIDRs) == 0:
		return c, errors.New("Config.PodCIDRs is empty; give at least one range")
	case c.Masquerade != MasqueradeOutside && c.Masquerade != MasqueradeNever:
		return c, fmt.Errorf("Config.Masquerade is %q; it can be %q or %q", c.Masquerade, MasqueradeOutside, MasqueradeNever)
	}
	seen := map[bool]netip.Prefix{}
	for _, p := range c.PodCIDRs {
		if other, ok := seen[p.Addr().Is4()]; ok {
			return c, fmt.Errorf("Config.PodCIDRs has %s and %s of the same IP family", other, p)
		}
		seen[p.Addr().Is4()] = p
	}
	for _, p := range c.ClusterCIDRs {
		if !p.IsValid() {
			return c, errors.New("Config.ClusterCIDRs has a prefix that is not valid")
		}
	}
	return c, nil
}
