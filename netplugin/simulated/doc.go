// Package simulated is a pod network for simulated nodes: it hands out
// addresses as a real one would and moves no packet. It holds a few hundred
// bytes and no goroutine, so that thousands of nodes fit in one process.
package simulated
