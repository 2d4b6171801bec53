// Package etcd is a [store.Store] in an etcd v3 cluster.
//
// [Open] connects to a cluster by its endpoints; [New] works with a client
// that exists already. Keys are those of the store, after a prefix if one is
// given, so that what kube-apiserver wrote there is found and the other way
// round. A member in this process is what package embedded starts.
//
// Every read is linearizable. Entries with a time to live hang on leases,
// which entries that expire at about the same time share: one may stay up to a
// minute, or a twentieth of its time, longer than asked.
//
// # Watches
//
// Each watch is a stream of its own on the shared connection, and survives the
// loss of that connection: it goes on where it was, or ends with
// [store.ErrCompacted] if history is gone by then. It ends, too, when the
// member it is connected to has lost its leader. What a slow reader has not
// taken yet is held in memory by the etcd client, without a limit.
//
// A watch from the past may take a tenth of a second until its first event.
package etcd
