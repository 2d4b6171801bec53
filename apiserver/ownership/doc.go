// Package ownership keeps account of who owns which fields of an object, the
// managedFields in its metadata, for writes that do not apply a configuration.
//
// The result is that of structured-merge-diff, as kube-apiserver uses it, but
// it is found on the Go values themselves, without a schema to be read at the
// start and without a value wrapped around each field: comparing two objects
// costs about as much as copying one. Sets of fields are known by their
// encoding; equal ones, such as those of all pods of a deployment, are decoded
// once and share their memory.
//
// [Tracker.Update] answers for the types of k8s.io/api alone, and only where
// the account is simple; elsewhere it says so, and the caller falls back on
// package managedfields of k8s.io/apimachinery.
package ownership
