// Package cgroup makes the control groups that pods run in, on either version
// of the kernel's interface: /kubepods, below it one for each quality of
// service class, below that one for each pod.
package cgroup
