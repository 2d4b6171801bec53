// Package endpoint speaks HTTP for the resources of a registry: it reads
// requests that have been authenticated and authorized, calls the verbs, and
// writes answers, watches among them.
//
// A [Handler] expects the RequestInfo and the user in the request's context, as
// k8s.io/apiserver/pkg/endpoints/request defines them.
package endpoint
