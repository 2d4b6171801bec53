// Package endpointslice writes the EndpointSlices of every Service that selects pods.
//
// plan.go decides, without I/O, which slices to create, update and delete; endpoint.go
// says what a pod looks like as an endpoint; hints.go keeps traffic close.
package endpointslice
