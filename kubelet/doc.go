// Package kubelet is the node agent: it runs the pods bound to one node.
//
// A [Kubelet] watches its pods through the API and brings a container runtime
// and a pod network to the state they ask for, reports what is so in pod and
// node status, and serves logs, exec and port forwarding. What runs containers
// is behind [Runtime], what connects them behind netplugin.Plugin: real ones
// are in kubelet/containerd and netplugin/bridge, in-memory models in
// kubelet/simulated and netplugin/simulated. Implementations of Runtime pass
// the suite in kubelet/runtimetest.
package kubelet
