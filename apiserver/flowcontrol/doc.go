// Package flowcontrol keeps the flow schemas and priority levels that every
// cluster has, and notes on every flow schema whether its priority level exists.
//
// The mandatory objects always are as Kubernetes says. The suggested ones are
// made if they are missing, and follow Kubernetes until somebody who wants
// otherwise sets their annotation apf.kubernetes.io/autoupdate-spec to "false".
package flowcontrol
