// Package apiextensions describes the kind of apiextensions.k8s.io/v1: the
// CustomResourceDefinition. What its objects define is served by package crd
// of the API server; this one says which definitions are acceptable.
//
// Definitions are judged in the internal form of k8s.io/apiextensions-apiserver,
// in which what all versions have in common stands once, at the top: the paths
// and values in errors are those that clients have come to know.
package apiextensions
