// Package simulated is a kubelet.Runtime in memory: its pods run nothing, or
// plain Go functions.
//
// A container runs until it is stopped unless [Config.Script] says otherwise:
// how long it takes to start, when and how it ends, what it logs, how it
// answers probes, exec and port forwarding. A container can also be a Go
// function ([Behaviour.Main]).
//
// The package opens no file and no socket, takes its time from package time,
// and starts goroutines only for event subscribers and for containers that are
// functions. It therefore works inside a testing/synctest bubble, and a process
// can hold thousands of nodes.
package simulated
