// Package proxy makes Services reachable on a node: the part of kube-proxy.
//
// A [Proxy] watches Services, EndpointSlices and its Node through the API,
// works out which ports lead where (a pure function from those objects to
// [ServicePort] values), and hands the differences to a [Backend], which
// programs them. Backends live beside this package: nftables writes the
// kernel's tables over netlink, simulated keeps the rules in memory and can
// trace a packet through them. Each passes the suite in proxytest.
package proxy
