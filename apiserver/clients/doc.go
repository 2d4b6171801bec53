// Package clients holds tests only: what real clients, linked in as libraries,
// see of the API server alone. They are kubectl, client-go's informers in
// every mode, and controller-runtime's client and cache.
package clients
