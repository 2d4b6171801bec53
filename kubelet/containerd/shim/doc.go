// Package shim is the process that keeps the containers of one pod: the small
// program between the kubelet's runtime and runc. It outlives the program that
// started it, reaps the containers, remembers how they ended, writes their logs
// and lets others attach to their streams. So a kubelet may be killed and come
// back at any time: its containers run on, and not a byte of a log is lost.
//
// A shim serves two unix sockets, both made by its parent and inherited: the
// task service of containerd's runc shim (create, start, exec, kill, wait, …)
// and the control protocol of [Client], for what that service has not: joining
// a container's streams and reopening its log.
//
// It is started with the name [Name] as argument zero. Any program that runs
// pods can be its own shim by calling [Run] first thing in main when [Invoked];
// the program in keelson-shim is nothing but a shim, smaller and quicker to
// start.
package shim
