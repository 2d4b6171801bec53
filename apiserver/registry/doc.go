// Package registry holds the verbs of the API, written once for every kind.
//
// A stored kind (package kinds) becomes a [Store] of objects with create, get,
// list, watch, update, patch and delete. What is not stored but computed, such
// as a review, a binding, a log or an exec session, is a [Virtual]: a small
// value that implements the one verb it has. Both are installed side by side
// in the URL space of the API server.
package registry
