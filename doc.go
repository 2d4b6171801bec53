// Package keelson is the map of a library of control-plane building blocks.
//
// Its packages are the parts of a Kubernetes cluster. Any Go program imports
// one of them, or all, and composes its own orchestrator; on the wire it is
// Kubernetes v1.37. In reading order:
//
//   - [github.com/keelson-project/keelson/cluster]: all of it wired in one
//     call; where tests begin.
//   - [github.com/keelson-project/keelson/store]: the contract between the API
//     server and what keeps its objects. Implementations: store/memory,
//     store/etcd, store/etcd/embedded; the suite they pass: store/storetest.
//   - [github.com/keelson-project/keelson/apiserver]: the API over a store, as
//     an http.Handler and an in-memory client. apiserver/kinds describes every
//     kind, apiserver/registry has the verbs, apiserver/cache the watch cache
//     and its encoded bytes, apiserver/ownership the managed fields,
//     apiserver/endpoint the HTTP side; authn, authz, impersonation, rbac,
//     nodeauthorizer, serviceaccount, admission, allocator, aggregation, crd,
//     connect, review, pods, flowcontrol and openapi are what plugs in, and
//     apiserver/standard plugs all of it in.
//   - [github.com/keelson-project/keelson/controller]: the manager and the
//     controllers, a folder each.
//   - [github.com/keelson-project/keelson/leaderelection]: one of several at a
//     time, for controllers, scheduler and your own.
//   - [github.com/keelson-project/keelson/scheduler]: the queue, the decision
//     (scheduler/profile, free of I/O), the extension points
//     (scheduler/framework) and the plugins.
//   - [github.com/keelson-project/keelson/kubelet]: the node agent over a
//     kubelet.Runtime. Runtimes: kubelet/containerd with real containers,
//     kubelet/simulated in memory; their suite: kubelet/runtimetest.
//   - [github.com/keelson-project/keelson/netplugin]: the pod network.
//     Plugins: netplugin/bridge, netplugin/simulated; netplugin/netplugintest.
//   - [github.com/keelson-project/keelson/proxy]: services on a node. Backends:
//     proxy/nftables, proxy/simulated; proxy/proxytest.
//   - examples: programs to run and to copy from. examples/allinone is a whole
//     cluster with real containers in one process, examples/apiserver the API
//     alone, examples/apibench a measure for any API server.
//
// The parts meet through the Kubernetes API and nowhere else, so each of them
// also works beside the upstream ones. Nothing in the library is process-wide:
// New builds, Run(ctx) works until ctx ends and leaves nothing behind, and a
// cluster with a memory store and simulated nodes runs in virtual time inside
// a testing/synctest bubble.
package keelson
