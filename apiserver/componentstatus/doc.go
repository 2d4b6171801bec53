// Package componentstatus computes the resource "componentstatuses": how the
// parts of the control plane are. It is deprecated, and still asked for.
package componentstatus
