package nftables

import (
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"net/netip"
)

// Config says where and how the rules are written.
type Config struct {
	// Table is the name of the tables, one for IPv4 and one for IPv6;
	// "keelson-proxy" if empty. Nothing else may write to them.
	Table string
	// ClusterCIDRs are the ranges of all pods of the cluster. Traffic to
	// cluster addresses that comes from elsewhere gets the node's address as
	// source, so that answers find back. Empty if that is not wanted.
	ClusterCIDRs []netip.Prefix
	// MasqueradeMark is the one bit of packet marks that says that a packet
	// is to leave under the node's address; 0x4000 if zero.
	MasqueradeMark uint32
	// NodePortAddrs are the ranges of node addresses where node ports answer.
	// Empty means all but loopback. 0.0.0.0/0 has loopback too; that works for
	// endpoints behind interfaces with route_localnet set, as that of
	// netplugin/bridge is.
	NodePortAddrs []netip.Prefix
	// NetNS is the path of the network namespace that stands for the node.
	// Empty is that of the process.
	NetNS string
	// Logger gets claims of services to one address; nil discards them.
	Logger *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	if c.Table == "" {
		c.Table = "keelson-proxy"
	}
	if c.MasqueradeMark == 0 {
		c.MasqueradeMark = 0x4000
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if bits.OnesCount32(c.MasqueradeMark) != 1 {
		return c, fmt.Errorf("Config.MasqueradeMark is %#x; it must be a single bit", c.MasqueradeMark)
	}
	for _, list := range [][]netip.Prefix{c.ClusterCIDRs, c.NodePortAddrs} {
		for _, p := range list {
			if !p.IsValid() {
				return c, errors.New("Config has a prefix that is not valid in ClusterCIDRs or NodePortAddrs")
			}
		}
	}
	return c, nil
}
