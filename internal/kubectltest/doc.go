// Package kubectltest runs the real kubectl, linked in as a library, in tests.
//
// A [Kubectl] stands for one kubeconfig. What kubectl does when it fails is
// process-wide, so tests that use the package do not run in parallel.
package kubectltest
