package framework

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	appslisters "k8s.io/client-go/listers/apps/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	policylisters "k8s.io/client-go/listers/policy/v1"
	storagelisters "k8s.io/client-go/listers/storage/v1"
)

// Cluster is what plugins may read and call beyond nodes and pods. A nil lister
// means that there are no such objects.
type Cluster struct {
	// SchedulerName is the name pods ask for the scheduler by.
	SchedulerName string
	Client        kubernetes.Interface
	Recorder      Recorder

	Namespaces             corelisters.NamespaceLister
	Services               corelisters.ServiceLister
	ReplicationControllers corelisters.ReplicationControllerLister
	ReplicaSets            appslisters.ReplicaSetLister
	StatefulSets           appslisters.StatefulSetLister
	PodDisruptionBudgets   policylisters.PodDisruptionBudgetLister
	Claims                 corelisters.PersistentVolumeClaimLister
	Volumes                corelisters.PersistentVolumeLister
	StorageClasses         storagelisters.StorageClassLister
}

// Recorder writes events about a pod without waiting for them to be stored.
type Recorder interface {
	// Record notes what was done to a pod; related may be nil.
	Record(pod, related *corev1.Pod, eventType, reason, action, note string)
}

// StateData is what a plugin keeps for one pod between its extension points.
type StateData interface {
	// Clone returns a copy that AddPod and RemovePod may change apart from the
	// original; data that those never change may return itself.
	Clone() StateData
}

// CycleState accompanies one pod through one scheduling attempt.
type CycleState struct {
	// Pod is the pod to place.
	Pod *PodInfo
	// Snapshot is what to decide on; nil from Permit on, when other
	// pods are being decided already.
	Snapshot *Snapshot
	// Cluster is never nil.
	Cluster *Cluster
	// SkipFilter and SkipScore have a bit per plugin that asked to be left out; for the profile's use.
	SkipFilter, SkipScore uint64

	// SlowBind is set in Reserve by a plugin whose PreBind will wait for others, so that
	// the pod does not take up one of the places for binding meanwhile.
	SlowBind bool

	data []stateEntry
}

type stateEntry struct {
	key  string
	data StateData
}

// Write keeps data under a key, by convention the plugin's name.
func (c *CycleState) Write(key string, data StateData) {
	for i := range c.data {
		if c.data[i].key == key {
			c.data[i].data = data
			return
		}
	}
	c.data = append(c.data, stateEntry{key, data})
}

// Read returns what was kept under the key as a T, or T's zero value.
func Read[T StateData](c *CycleState, key string) T {
	for i := range c.data {
		if c.data[i].key == key {
			t, _ := c.data[i].data.(T)
			return t
		}
	}
	var zero T
	return zero
}

// Clone copies the state, to try what adding and removing pods would change.
func (c *CycleState) Clone() *CycleState {
	out := *c
	out.data = make([]stateEntry, len(c.data))
	for i, e := range c.data {
		out.data[i] = stateEntry{e.key, e.data.Clone()}
	}
	return &out
}
