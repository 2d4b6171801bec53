// Package kinds says what is particular to each kind the API server stores.
//
// The verbs are written once, in package registry; a [Kind] is what they ask:
// names, defaults, validation, what a writer may change, printer columns,
// selectable fields. A kind is described in one file of the folder of its
// group (core/pod.go, apps/deployment.go, …) as a [Definition] over its Go
// type, and every group's folder has a function Kinds that returns them. A
// program can serve kinds of its own in the same form.
//
// Validation is what tags of the Go types say, generated below declarative and
// named as a kind's Rules, and besides it what only code can say.
package kinds
