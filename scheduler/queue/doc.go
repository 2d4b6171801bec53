// Package queue holds the pods that wait for a node.
//
// A waiting pod is in one of four places: active (to be tried next, in the order of the
// QueueSort plugin), in back-off (was refused, may be tried again after a while),
// unschedulable (refused; waits for an event that may help) or gated (a
// PreEnqueue plugin holds it back). A popped pod is in flight until its
// attempt ends; events that arrive meanwhile count for it too.
//
// The queue starts no goroutine and sets no timer: [Queue.Next] says when there
// will be something to do, [Queue.Wake] when an event brought something.
package queue
