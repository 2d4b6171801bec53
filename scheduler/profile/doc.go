// Package profile is the core of the scheduler without any input or output: a
// [Profile] orders plugins by extension point and decides, from a snapshot and
// a pod, on a node or on the reasons why there is none.
//
// The same snapshot, pods and seed give the same nodes, whatever the
// parallelism.
package profile
