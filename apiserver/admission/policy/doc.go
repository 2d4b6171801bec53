// Package policy asks the admission policies of a cluster about its writes: the
// steps MutatingAdmissionPolicy and ValidatingAdmissionPolicy.
//
// Policies, bindings and parameters are read from memory with every write, so
// they count from the moment that they have been written. A policy is compiled
// when a write first concerns it. Policies are asked in the order of their
// names, and the bindings of each in the order of theirs.
package policy
