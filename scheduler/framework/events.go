package framework

import corev1 "k8s.io/api/core/v1"

// Kind is what an event is about.
type Kind int8

// What events can be about.
const (
	Node Kind = iota
	AssignedPod
	Namespace
	Service
	PersistentVolume
	PersistentVolumeClaim
	StorageClass
	kinds
)

// Action is what happened.
type Action uint8

// What can happen; values combine.
const (
	Added Action = 1 << iota
	Updated
	Deleted
)

// Event is a change in the cluster. Old is nil for Added, New for Deleted.
type Event struct {
	Kind     Kind
	Action   Action
	Old, New any
}

// Hint is a plugin's answer to whether an event may let a pod through that it refused.
type Hint int8

const (
	// Ignore leaves the pod where it is.
	Ignore Hint = iota
	// Retry puts the pod back in the queue.
	Retry
)

// EventInterest names events that may let refused pods through.
type EventInterest struct {
	Kind    Kind
	Actions Action
	// Hint decides for one pod; nil means Retry.
	Hint func(pod *corev1.Pod, event Event) Hint
}

// EventPlugin is implemented by plugins that can refuse pods. A plugin that does not
// implement it has its pods retried on every event.
type EventPlugin interface {
	Plugin
	Events() []EventInterest
}
