// Package podspec knows the pod specification, the tree that pods and all
// kinds with a pod template share: what is filled in when it is left out and
// what is refused.
package podspec
