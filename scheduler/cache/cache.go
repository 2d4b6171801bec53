// Package cache keeps the scheduler's snapshot in step with the API.
//
// Informers log what they see; the scheduling goroutine applies the log between
// two decisions, so a decision sees one state and nothing has to be copied. A pod
// that was given a node is assumed to be there from that moment; the informer's
// news confirms it, or [Cache.Forget] takes it back.
package cache

import (
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/keelson-project/keelson/scheduler/framework"
)

// Cache joins the log of changes and the snapshot.
type Cache struct {
	wake chan struct{}

	mu  sync.Mutex
	log []change

	// Owned by the scheduling goroutine.
	snapshot *framework.Snapshot
	applying []change
	assumed  map[types.UID]struct{}
}

type change struct {
	kind changeKind
	node *corev1.Node
	pod  *framework.PodInfo
	name string
	uid  types.UID
}

type changeKind int8

const (
	setNode changeKind = iota
	removeNode
	setPod
	removePod
	forget
	nominate
	unnominate
	spare
)

// New makes an empty cache.
func New() *Cache {
	return &Cache{
		wake:     make(chan struct{}, 1),
		snapshot: framework.NewSnapshot(),
		assumed:  make(map[types.UID]struct{}),
	}
}

// Wake receives after something was logged.
func (c *Cache) Wake() <-chan struct{} { return c.wake }

func (c *Cache) append(ch change) {
	c.mu.Lock()
	c.log = append(c.log, ch)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// SetNode logs that a node is there, or changed.
func (c *Cache) SetNode(n *corev1.Node) { c.append(change{kind: setNode, node: n}) }

// RemoveNode logs that a node is gone.
func (c *Cache) RemoveNode(name string) { c.append(change{kind: removeNode, name: name}) }

// SetPod logs that a pod is on the node its spec names.
func (c *Cache) SetPod(p *framework.PodInfo) { c.append(change{kind: setPod, pod: p}) }

// RemovePod logs that a pod is gone or has finished.
func (c *Cache) RemovePod(uid types.UID) { c.append(change{kind: removePod, uid: uid}) }

// Forget logs that a pod could not be bound to the node it was assumed on.
func (c *Cache) Forget(uid types.UID) { c.append(change{kind: forget, uid: uid}) }

// Spare logs that a pod which was to make room could not be deleted.
func (c *Cache) Spare(uid types.UID) { c.append(change{kind: spare, uid: uid}) }

// Nominate logs that a pod without a node has the node nominated in its status; an empty name takes it back.
func (c *Cache) Nominate(p *framework.PodInfo, node string) {
	if node == "" {
		c.append(change{kind: unnominate, uid: p.Pod.UID})
		return
	}
	c.append(change{kind: nominate, pod: p, name: node})
}

// Snapshot applies the log and returns the state after it. Only the scheduling goroutine may
// call it, and the result is good until the next call.
func (c *Cache) Snapshot() *framework.Snapshot {
	c.mu.Lock()
	c.log, c.applying = c.applying[:0], c.log
	c.mu.Unlock()
	for i := range c.applying {
		c.apply(&c.applying[i])
	}
	clear(c.applying)
	return c.snapshot
}

// Assume puts a pod on a node before the API says so. Only the scheduling goroutine may call it.
func (c *Cache) Assume(p *framework.PodInfo, node string) {
	c.assumed[p.Pod.UID] = struct{}{}
	c.snapshot.SetPod(p, node)
}

func (c *Cache) apply(ch *change) {
	s := c.snapshot
	switch ch.kind {
	case setNode:
		s.SetNode(ch.node)
	case removeNode:
		s.RemoveNode(ch.name)
	case setPod:
		delete(c.assumed, ch.pod.Pod.UID)
		s.SetPod(ch.pod, ch.pod.Pod.Spec.NodeName)
	case removePod:
		delete(c.assumed, ch.uid)
		s.RemovePod(ch.uid)
		s.Unnominate(ch.uid)
	case forget:
		if _, ok := c.assumed[ch.uid]; ok {
			delete(c.assumed, ch.uid)
			s.RemovePod(ch.uid)
		}
	case nominate:
		if _, placed := s.PodNode(ch.pod.Pod.UID); !placed {
			s.Nominate(ch.pod, ch.name)
		}
	case unnominate:
		s.Unnominate(ch.uid)
	case spare:
		s.Spare(ch.uid)
	}
}
