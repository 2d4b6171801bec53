// Package standard assembles the API server that a Kubernetes cluster has:
// all built-in kinds, authentication by certificate and token, RBAC with the
// default policy, the usual admission plugins, allocation for Services, and
// the subresources that reach nodes. Programs that want less, or something
// else, assemble package apiserver's parts themselves.
package standard
