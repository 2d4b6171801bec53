// Package kubelet is the node agent: it runs the pods bound to one node.
//
// A [Kubelet] watches its pods through the API and brings a container runtime
// and a pod network to the state they ask for, reports what is so in pod and
// node status, and serves logs, exec and port forwarding. What runs containers
// is behind [Runtime], what connects them behind netplugin.Plugin: real ones
// are in kubelet/containerd and netplugin/bridge, in-memory models in
// kubelet/simulated and netplugin/simulated. Implementations of Runtime pass
// the suite in kubelet/runtimetest.
//
// To read the code, begin with what decides and has no effects: plan.go (a pod
// and what the runtime has of it, to what to do next), status.go and
// conditions.go (the same, to the pod's status), admission.go, env.go and
// resolve.go. Around them worker.go looks after one pod: it observes
// (observer.go), plans, applies (apply.go, images.go, volumes.go, end.go) and
// has the status written (statussender.go). A pod without work has no
// goroutine; between two tries a probe (probes.go) is a timer. kubelet.go holds
// it together, node.go and heartbeat.go keep the Node, server.go is the node's
// API, gc.go cleans up.
//
// A kubelet keeps no state of its own that matters: after a restart it finds
// its pods in the API and its containers in the runtime, and goes on. With
// Config.RootDir empty the node is simulated: nothing is written to disk, and
// everything works inside a testing/synctest bubble.
//
// Parts that stand alone are in packages of their own: volume (the files of
// volumes), cgroup (the control groups of pods), probe (one try of a health
// check), logs (log files of containers).
package kubelet
