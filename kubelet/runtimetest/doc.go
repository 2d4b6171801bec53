// Package runtimetest is the behaviour suite of kubelet.Runtime: every
// sentence of that contract as a test that any implementation must pass.
//
// An implementation calls [Run] from a test of its own with a [Harness] that
// makes runtimes. What is optional in the contract is tested where the runtime
// has it, found as the kubelet finds it, by type assertion.
package runtimetest
