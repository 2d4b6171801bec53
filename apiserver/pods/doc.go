// Package pods has the verbs on pods that are more than writing an object:
// binding one to a node, and evicting one as far as its disruption budget
// allows.
package pods
