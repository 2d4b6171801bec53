// Package netplugin is the contract between the kubelet and the pod network.
//
// A [Plugin] attaches a pod's network namespace and takes it off again, with
// the verbs and meanings of the Container Network Interface: Add, Del, Check,
// GC and Status. Implementations live beside this package: bridge connects the
// pods of a node by a Linux bridge, simulated hands out addresses and moves no
// packet. Each passes the suite in netplugintest.
package netplugin
