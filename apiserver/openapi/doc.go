// Package openapi describes an API server in OpenAPI documents: one of version
// 2 for everything at /openapi/v2, and one of version 3 for each group and
// version below /openapi/v3, in JSON and in protobuf.
//
// Paths and operations follow from what the registry serves, and schemas from
// the Go types of the kinds. What Kubernetes' types say only in comments
// (enumerations, defaults, keys of lists) is in markers.txt.
//
// Nothing is built before a client asks for it, and only the encoded documents
// are kept. Servers that are given the same [Cache] share those that are equal.
package openapi

//go:generate go run ./internal/scan -o markers.txt
