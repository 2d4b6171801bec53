package memory

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/keelson-project/keelson/store"
)

// Watch implements [store.Store].
func (s *Store) Watch(ctx context.Context, prefix string, after int64) (<-chan store.Batch, error) {
	// Close takes writing first: until then it cannot begin to wait.
	s.writing.Lock()
	defer s.writing.Unlock()
	present, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	if after == 0 {
		after = present.revision
	}
	s.feed.Lock()
	defer s.feed.Unlock()
	if _, err := s.history.find(after); err != nil {
		return nil, fmt.Errorf("watch %q: %w", prefix, err)
	}
	g := s.groups.join(prefix)
	w := &watcher{
		store: s,
		group: g,
		next:  g.next,
		asked: g.asked,
		seen:  after,
		join:  present.revision,
		out:   make(chan store.Batch, 1),
	}
	s.running.Go(func() { w.run(ctx) })
	return w.out, nil
}

// RequestProgress implements [store.Store].
func (s *Store) RequestProgress(ctx context.Context) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if _, err := s.read(ctx); err != nil {
		return err
	}
	s.feed.Lock()
	alarms := s.groups.ask(nil)
	s.feed.Unlock()
	s.ring(alarms)
	return nil
}

// watcher delivers events to one reader: those of the past out of the store's
// history, those since it joined its group out of that.
type watcher struct {
	store *Store
	group *group
	// seen is up to where history has been read, join up to where it must.
	seen, join int64
	// next is the number of the group's event to deliver next.
	next int
	// asked is how many of the group's requests for progress are met.
	asked int
	out   chan store.Batch
}

// run delivers until ctx ends, the store is closed, or history the reader has
// still to see is gone.
func (w *watcher) run(ctx context.Context) {
	defer func() {
		w.store.feed.Lock()
		w.store.groups.leave(w.group)
		w.store.feed.Unlock()
		close(w.out)
	}()
	for w.seen < w.join {
		batch := w.past()
		if errors.Is(batch.Err, store.ErrClosed) {
			return
		}
		if len(batch.Events) == 0 && batch.Err == nil {
			continue
		}
		if !w.send(ctx, batch) || batch.Err != nil {
			return
		}
	}
	for {
		batch, bell := w.live()
		if bell != nil {
			select {
			case <-bell:
				continue
			case <-ctx.Done():
				return
			case <-w.store.done:
				return
			}
		}
		if !w.send(ctx, batch) || batch.Err != nil {
			return
		}
	}
}

func (w *watcher) send(ctx context.Context, batch store.Batch) bool {
	select {
	case w.out <- batch:
		return true
	case <-ctx.Done():
		return false
	case <-w.store.done:
		return false
	}
}

// past reads on in the store's history; the batch may be empty.
func (w *watcher) past() store.Batch {
	w.store.feed.RLock()
	events, err := w.store.history.after(w.seen)
	w.store.feed.RUnlock()
	if err != nil {
		return store.Batch{Revision: w.seen, Err: fmt.Errorf("watch %q: too slow: %w", w.group.prefix, err)}
	}
	events = events[:min(int64(len(events)), w.join-w.seen)]
	w.seen += int64(len(events))
	var matching []store.Event
	for i := range events {
		if strings.HasPrefix(events[i].Entry.Key, w.group.prefix) {
			matching = append(matching, events[i])
		}
	}
	return store.Batch{Events: matching, Revision: w.seen}
}

// live reads on in the group's events. If there is nothing to deliver it
// returns a channel to wait on before the next try.
func (w *watcher) live() (store.Batch, <-chan struct{}) {
	s, g := w.store, w.group
	s.feed.RLock()
	defer s.feed.RUnlock()
	present := s.present.Load()
	if present == nil {
		return store.Batch{}, s.done
	}
	events, err := g.take(w.next)
	if err != nil {
		return store.Batch{Revision: w.seen, Err: err}, nil
	}
	if len(events) == 0 && w.asked == g.asked {
		return store.Batch{}, g.sleep()
	}
	w.next += len(events)
	if w.next < g.next {
		w.seen = events[len(events)-1].Entry.ModRevision
	} else {
		w.seen = present.revision
		w.asked = g.asked
	}
	return store.Batch{Events: events, Revision: w.seen}, nil
}
