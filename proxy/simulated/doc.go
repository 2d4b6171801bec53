// Package simulated is a service backend in memory: it keeps the rules of a
// node and can tell what would become of a packet. Simulated nodes use it, and
// so can a test that wants to know where a service leads. It holds no
// goroutine.
package simulated
