// Package nftables is the service backend of a Linux node: it writes the
// kernel's nftables over netlink and needs no command-line tool. Linux only;
// elsewhere the package is empty.
//
// One table per IP family holds everything. The common service needs no chain
// of its own: the map "services" leads from its address, protocol and port to
// a chain that all services with as many endpoints share, and that chain picks
// one of the service's entries in the map "endpoints" at random. To add a
// service is to add a few map elements, and ten thousand services make no more
// rules than ten. Services with session affinity or externalTrafficPolicy
// Local have chains of their own.
//
// Every Apply, and every Sync, is one transaction of the kernel. Established
// connections are the business of connection tracking and are not touched,
// except UDP exchanges with endpoints that are gone, which would go on for ever.
package nftables
