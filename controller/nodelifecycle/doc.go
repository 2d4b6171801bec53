// Package nodelifecycle watches over nodes: one whose kubelet has gone silent gets
// conditions of status Unknown, its pods are marked not ready, and taints say for
// everybody else what state a node is in. Where many nodes of a zone fail at once, the
// taints that evict pods are added slowly, or not at all: then the fault is more
// likely in the network than in the nodes.
//
// health.go, taints.go and zones.go decide; they do no I/O.
package nodelifecycle
