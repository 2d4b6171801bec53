package cache

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidwall/btree"

	"github.com/keelson-project/keelson/store"
)

// How many events of a resource are kept for watchers: all younger than
// keepFor, but no more than maxEvents and no less than minEvents. A watcher
// further behind than that has lagged.
const (
	minEvents = 256
	maxEvents = 16384
	keepFor   = 75 * time.Second
	// wakeAllEvery is how many events may pass a watcher that none of them
	// concerns before it is woken to move on.
	wakeAllEvery = 128
)

// EventType says what happened to an object.
type EventType int

// The changes of objects.
const (
	Added EventType = iota + 1
	Modified
	Removed
)

// Event is one change of one object of a resource.
type Event struct {
	Type EventType
	// Item is the object after the change; for Removed the last state, with
	// the revision of the removal.
	Item *Item
	// Prev is the object before the change; nil for Added.
	Prev     *Item
	Revision int64

	left atomic.Pointer[Item]
}

// Left returns Prev as a watcher is told of it whose selector no longer picks
// the object: as deleted at this event's revision. Made once.
func (e *Event) Left() *Item {
	if e.Type == Removed {
		return e.Item
	}
	if it := e.left.Load(); it != nil {
		return it
	}
	it := e.Prev.Deleted(e.Revision)
	e.left.Store(it)
	return it
}

// node is an event in the chain that all watchers of a resource share.
type node struct {
	Event
	seq  uint64
	at   int64
	err  error // ends the watchers that come to it
	next atomic.Pointer[node]
}

// Resource is the part of a [Cache] that one storage key makes.
type Resource struct {
	cache  *Cache
	source *Source
	prefix string

	snap atomic.Pointer[Snapshot]
	// wrote are the writes known to have happened.
	wrote writes
	// head is the node before the oldest event kept.
	head atomic.Pointer[node]

	// The feed's own: the working tree, the last node, the last one that
	// watchers can reach and the first that they cannot yet, and the revision
	// up to which events are old news.
	tree                *btree.BTreeG[*Item]
	index               *btree.BTreeG[entry]
	tail, linked, first *node
	from                int64
	sinceWake           int

	mu       sync.Mutex
	watchers map[topic]map[*Watcher]struct{}
	topics   []topic // touched by the batch at hand; the feed's own
}

func newResource(c *Cache, s *Source) *Resource {
	r := &Resource{cache: c, source: s, prefix: c.prefix + s.StorageKey + "/", watchers: map[topic]map[*Watcher]struct{}{}}
	r.tree, r.index = newTree(), newIndex()
	r.tail = &node{}
	r.linked = r.tail
	r.head.Store(r.tail)
	r.snap.Store(&Snapshot{tree: newTree(), index: newIndex(), tail: r.tail})
	return r
}

// Prefix is where the resource's keys begin in the store.
func (r *Resource) Prefix() string { return r.prefix }

// Source is what the resource was added with.
func (r *Resource) Source() *Source { return r.source }

// Snapshot returns the newest state and the revision it holds at.
func (r *Resource) Snapshot() (*Snapshot, int64) {
	revision := r.cache.revision.Load()
	s := r.snap.Load() // after the revision: it includes at least that
	return s, max(revision, s.revision)
}

// restart empties the resource; what watched it has lagged.
func (r *Resource) restart(revision int64) {
	r.end(ErrLagged)
	r.tree, r.index = newTree(), newIndex()
	n := &node{seq: r.tail.seq + 1, at: time.Now().UnixNano()}
	n.Revision = revision
	r.tail, r.linked, r.first, r.from = n, n, nil, revision
	r.head.Store(n)
}

// end appends a node that ends all present watchers, and wakes them.
func (r *Resource) end(err error) {
	if r.tail.err != nil {
		return
	}
	n := &node{seq: r.tail.seq + 1, err: err}
	n.Revision = r.tail.Revision
	r.linked.next.Store(n)
	r.tail, r.linked = n, n
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, set := range r.watchers {
		for w := range set {
			w.poke()
		}
	}
}

// decode makes an item of an entry; nil, with a word in the log, if its value
// is of no use.
func (r *Resource) decode(key string, e *store.Entry) *Item {
	if it := r.written(e.Key, e.Value, e.ModRevision); it != nil {
		return it
	}
	obj, err := r.source.Decode(e.Value)
	if err != nil {
		r.cache.log.Error("stored object cannot be read and is left out", "key", e.Key, "err", err)
		return nil
	}
	return NewItem(r.source, key, e.Value, obj, e.ModRevision)
}

// apply takes one change into the working tree and the unlinked chain.
func (r *Resource) apply(key string, e *store.Event, now int64) {
	n := &node{seq: r.tail.seq + 1, at: now}
	n.Revision = e.Entry.ModRevision
	switch e.Type {
	case store.Deleted:
		prev, ok := r.remove(key)
		if !ok {
			return
		}
		n.Type, n.Item, n.Prev = Removed, prev.Deleted(n.Revision), prev
	default:
		if n.Item = r.decode(key, &e.Entry); n.Item == nil {
			return
		}
		n.Prev = r.set(n.Item)
		n.Type = Modified
		if n.Prev == nil {
			n.Type = Added
		}
	}
	if r.first == nil {
		r.first = n
		r.topics = r.topics[:0]
	} else {
		r.tail.next.Store(n)
	}
	r.tail = n
	r.sinceWake++
	r.note(&n.Event)
}

// publish makes the working state the one that readers see, and then lets
// watchers at the events that led to it.
func (r *Resource) publish() {
	revision := r.from
	if r.tail.Revision > revision {
		revision = r.tail.Revision
	}
	r.snap.Store(&Snapshot{tree: r.tree.Copy(), index: r.index.Copy(), revision: revision, tail: r.tail})
	if r.first != nil {
		r.linked.next.Store(r.first)
		r.first = nil
	}
	r.linked = r.tail
}

// trim lets go of events that are old or too many.
func (r *Resource) trim(now int64) {
	head := r.head.Load()
	for {
		n := r.tail.seq - head.seq
		next := head.next.Load()
		if next == nil || n <= minEvents || (n <= maxEvents && now-next.at < int64(keepFor)) {
			break
		}
		head = next
	}
	r.head.Store(head)
}

// Floor is the revision after which all events are kept here.
func (r *Resource) Floor() int64 { return r.head.Load().Revision }
