// Package cluster wires all the parts into a whole cluster in one call.
//
// [Start] with the zero [Options] is a cluster inside the process: a memory
// store, the API server behind an in-memory client, every controller and the
// scheduler. Options add nodes, simulated or real, a listener for kubectl, and
// a store that survives. An assembly holds no logic of its own: whatever it
// does can be done with the packages themselves, in another way.
package cluster
