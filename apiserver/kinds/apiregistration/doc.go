// Package apiregistration holds the kind of apiregistration.k8s.io/v1:
// APIService, which says who serves a group and version of the API.
package apiregistration

import "github.com/keelson-project/keelson/apiserver/kinds"

// Kinds returns the kinds of apiregistration.k8s.io/v1.
func Kinds() []*kinds.Kind { return []*kinds.Kind{apiService()} }
