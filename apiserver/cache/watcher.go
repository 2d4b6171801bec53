package cache

import (
	"context"
	"strings"

	"github.com/keelson-project/keelson/store"
)

// Interest narrows what a [Watcher] is woken for. It does not filter: events
// that concern nobody's interest in particular are still passed on the way.
type Interest struct {
	// Namespace, if set, is the only one of interest; with Name, one object.
	Namespace, Name string
	// Index, if set, is the only value of the source's index field of
	// interest.
	Index string
}

// topic is what watchers are woken by.
type topic struct {
	kind  topicKind
	value string
}

type topicKind int

const (
	everything topicKind = iota
	inNamespace
	oneObject
	byIndex
)

func (i Interest) topic() topic {
	switch {
	case i.Index != "":
		return topic{byIndex, i.Index}
	case i.Name != "":
		return topic{oneObject, Key(i.Namespace, i.Name)}
	case i.Namespace != "":
		return topic{inNamespace, i.Namespace}
	}
	return topic{}
}

// note remembers whom an event concerns.
func (r *Resource) note(e *Event) {
	add := func(t topic) {
		for _, have := range r.topics {
			if have == t {
				return
			}
		}
		r.topics = append(r.topics, t)
	}
	if len(r.topics) > 64 { // a large batch concerns everybody
		r.sinceWake = wakeAllEvery
		return
	}
	add(topic{oneObject, e.Item.Key})
	if ns, _, ok := strings.Cut(e.Item.Key, "/"); ok {
		add(topic{inNamespace, ns})
	}
	if f := r.source.Index; f != "" {
		if v := e.Item.Fields()[f]; v != "" {
			add(topic{byIndex, v})
		}
		if e.Prev != nil {
			if v := e.Prev.Fields()[f]; v != "" {
				add(topic{byIndex, v})
			}
		}
	}
}

// wake pokes the watchers that the last batch concerns.
func (r *Resource) wake(now int64) {
	r.trim(now)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sinceWake >= wakeAllEvery {
		r.sinceWake = 0
		for _, set := range r.watchers {
			for w := range set {
				w.poke()
			}
		}
		return
	}
	for w := range r.watchers[topic{}] {
		w.poke()
	}
	for _, t := range r.topics {
		for w := range r.watchers[t] {
			w.poke()
		}
	}
}

// Watcher walks along the events of a resource. It belongs to one goroutine.
type Watcher struct {
	resource *Resource
	topic    topic
	cursor   *node
	after    int64
	woken    chan struct{}
}

func (w *Watcher) poke() {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

// Woken receives when there may be events; Next tells.
func (w *Watcher) Woken() <-chan struct{} { return w.woken }

// Next returns the next event, or nil if there is none yet. An error ends the
// watcher: [ErrLagged] or [ErrRemoved].
func (w *Watcher) Next() (*Event, error) {
	for {
		if w.cursor.seq < w.resource.head.Load().seq {
			return nil, ErrLagged
		}
		n := w.cursor.next.Load()
		if n == nil {
			return nil, nil
		}
		if n.err != nil {
			return nil, n.err
		}
		w.cursor = n
		if n.Revision > w.after {
			return &n.Event, nil
		}
	}
}

// Close ends the watcher.
func (w *Watcher) Close() {
	r := w.resource
	r.mu.Lock()
	defer r.mu.Unlock()
	set := r.watchers[w.topic]
	delete(set, w)
	if len(set) == 0 {
		delete(r.watchers, w.topic)
	}
}

// watch registers a watcher after a node.
func (r *Resource) watch(cursor *node, after int64, i Interest) *Watcher {
	w := &Watcher{resource: r, topic: i.topic(), cursor: cursor, after: after, woken: make(chan struct{}, 1)}
	w.poke() // there may be events already
	r.mu.Lock()
	defer r.mu.Unlock()
	set := r.watchers[w.topic]
	if set == nil {
		set = map[*Watcher]struct{}{}
		r.watchers[w.topic] = set
	}
	set[w] = struct{}{}
	return w
}

// WatchFrom returns a watcher of the events after a snapshot.
func (r *Resource) WatchFrom(s *Snapshot, i Interest) *Watcher {
	return r.watch(s.tail, 0, i)
}

// Watch returns a watcher of the events after a revision, or [ErrTooOld].
func (r *Resource) Watch(after int64, i Interest) (*Watcher, error) {
	n := r.head.Load()
	if after < n.Revision {
		return nil, ErrTooOld
	}
	for {
		next := n.next.Load()
		if next == nil || next.err != nil || next.Revision > after {
			return r.watch(n, after, i), nil
		}
		n = next
	}
}

// History reads the events between a revision and a watcher's start from the
// store. It fails with the store's error, [store.ErrCompacted] for one.
func (r *Resource) History(ctx context.Context, after int64, s *Snapshot) ([]*Event, error) {
	if after >= s.revision {
		return nil, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches, err := r.cache.store.Watch(ctx, r.prefix, after)
	if err != nil {
		return nil, err
	}
	if err := r.cache.store.RequestProgress(ctx); err != nil {
		return nil, err
	}
	var events []*Event
	for b := range batches {
		if b.Err != nil {
			return nil, b.Err
		}
		for i := range b.Events {
			e := &b.Events[i]
			if e.Entry.ModRevision > s.revision {
				return events, nil
			}
			ev, err := r.past(e)
			if err != nil {
				return nil, err
			}
			events = append(events, ev)
		}
		if b.Revision >= s.revision {
			return events, nil
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return nil, store.ErrClosed
}

// past makes an event of one from the store's history.
func (r *Resource) past(e *store.Event) (*Event, error) {
	key := strings.TrimPrefix(e.Entry.Key, r.prefix)
	item := func(entry *store.Entry) (*Item, error) {
		obj, err := r.source.Decode(entry.Value)
		if err != nil {
			return nil, err
		}
		return NewItem(r.source, key, entry.Value, obj, entry.ModRevision), nil
	}
	ev := &Event{Type: Modified, Revision: e.Entry.ModRevision}
	var err error
	if e.Prev != nil {
		if ev.Prev, err = item(e.Prev); err != nil {
			return nil, err
		}
	} else if e.Type != store.Created {
		return nil, store.ErrCompacted // what it was before is forgotten
	}
	switch e.Type {
	case store.Deleted:
		ev.Type, ev.Item = Removed, ev.Prev.Deleted(e.Entry.ModRevision)
	default:
		if e.Type == store.Created {
			ev.Type = Added
		}
		if ev.Item, err = item(&e.Entry); err != nil {
			return nil, err
		}
	}
	return ev, nil
}
