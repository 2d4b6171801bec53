// Package proxytest is the behaviour suite of [proxy.Backend]. It asserts what
// becomes of packets, not what rules look like, so that it fits any backend: a
// model that can trace a packet, or a kernel with real sockets around it.
package proxytest
