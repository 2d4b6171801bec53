// Package store is the contract between the API server and what keeps its objects.
//
// A [Store] is an ordered map of keys to opaque values under one revision
// counter: every write gets the next revision, reads can be taken at a past
// one, and a watch delivers everything after a revision in order, without gap
// or repetition. It knows nothing of Kubernetes; keys and value encoding are
// the API server's affair (and are those of kube-apiserver, so either can take
// over the other's etcd).
//
// Implementations live beside this package: memory keeps everything in the
// process, etcd speaks to a cluster by its endpoints, etcd/embedded runs a
// member in this process. Each of them passes the suite in storetest, which is
// the executable form of the comments here; so should yours.
package store
