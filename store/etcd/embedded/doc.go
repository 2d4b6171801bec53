// Package embedded is a [store.Store] in an etcd server that runs in this
// process, on a directory of its own.
//
// [Start] takes some 40 ms. The server is a cluster of one member and is
// spoken to by function calls; it opens no socket unless Config.Listen asks
// for one, with which other processes, etcdctl among them, can use it too. The
// directory has etcd's own layout, so an etcd of the same version can take it
// over once the store is closed.
//
// Nothing but [store.Store.Compact] bounds history, and nothing shrinks the
// file: etcd uses freed space again.
//
// # Beyond the store
//
// Parts of etcd are process-wide: it registers metrics in Prometheus' default
// registry. Several stores in a process share those and are otherwise
// independent. A server that cannot write its directory any more panics, as
// etcd does everywhere.
//
// After Close no goroutine is left.
package embedded
