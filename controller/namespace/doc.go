// Package namespace empties namespaces that are being deleted and then lets them go.
//
// What a namespace may hold is asked of discovery, so custom resources and aggregated
// kinds are found too. Pods go first: what they use may be needed until they end.
package namespace
