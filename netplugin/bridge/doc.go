// Package bridge is a pod network for one Linux node: every pod hangs by a
// veth pair on a bridge and reaches everything else through it. It speaks
// netlink only and needs no command-line tool. Linux only; elsewhere the
// package is empty.
//
// Pods get a host address (/32 or /128) and send everything by the node, so
// that traffic between pods of a node is routed like any other: service
// addresses and policies work with br_netfilter and without.
//
// The package owns what it makes and nothing else: the bridge, the veths on
// it, one nftables table (host ports, and masquerading of what leaves the
// cluster), and one directory that remembers who has which address. That
// directory survives restarts and kill -9; Cleanup removes the rest.
//
//	network, err := bridge.New(bridge.Config{
//		PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.244.0.0/24")},
//		StateDir: "/var/lib/example/network",
//	})
package bridge
