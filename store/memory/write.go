package memory

import (
	"context"
	"fmt"
	"time"

	"github.com/keelson-project/keelson/store"
)

// Create implements [store.Store].
func (s *Store) Create(ctx context.Context, key string, value []byte, ttl time.Duration) (int64, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	present, err := s.read(ctx)
	if err != nil {
		return 0, err
	}
	if _, exists := present.tree.Get(key); exists {
		return 0, fmt.Errorf("create %q: %w", key, store.ErrExists)
	}
	revision := present.revision + 1
	it := &item{entry: store.Entry{Key: key, Value: value, CreateRevision: revision, ModRevision: revision}}
	s.put(it, ttl)
	s.commit(present, store.Event{Type: store.Created, Entry: it.entry})
	return revision, nil
}

// Update implements [store.Store].
func (s *Store) Update(ctx context.Context, key string, value []byte, expected int64, ttl time.Duration) (int64, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	present, old, err := s.compare(ctx, key, expected)
	if err != nil {
		return 0, err
	}
	revision := present.revision + 1
	it := &item{entry: store.Entry{Key: key, Value: value, CreateRevision: old.entry.CreateRevision, ModRevision: revision}}
	s.expiry.remove(old)
	s.put(it, ttl)
	s.commit(present, store.Event{Type: store.Updated, Entry: it.entry, Prev: &old.entry})
	return revision, nil
}

// Delete implements [store.Store].
func (s *Store) Delete(ctx context.Context, key string, expected int64) (int64, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	present, old, err := s.compare(ctx, key, expected)
	if err != nil {
		return 0, err
	}
	return s.remove(present, old), nil
}

// compare returns the item at key if it is at the expected revision. The
// caller holds writing.
func (s *Store) compare(ctx context.Context, key string, expected int64) (*state, *item, error) {
	present, err := s.read(ctx)
	if err != nil {
		return nil, nil, err
	}
	it, ok := present.tree.Get(key)
	if !ok {
		return nil, nil, fmt.Errorf("write %q: %w", key, store.ErrNotFound)
	}
	if it.entry.ModRevision != expected {
		return nil, nil, &store.ConflictError{Expected: expected, Current: it.entry}
	}
	return present, it, nil
}

// put sets the item in the working tree. The caller holds writing and commits.
func (s *Store) put(it *item, ttl time.Duration) {
	if ttl > 0 {
		s.expiry.add(it, ttl)
	}
	s.tree.Set(it.entry.Key, it)
	s.schedule()
}

// remove deletes an item and returns the revision of that. The caller holds
// writing.
func (s *Store) remove(present *state, old *item) int64 {
	revision := present.revision + 1
	s.expiry.remove(old)
	s.tree.Delete(old.entry.Key)
	s.schedule()
	s.commit(present, store.Event{
		Type:  store.Deleted,
		Entry: store.Entry{Key: old.entry.Key, CreateRevision: old.entry.CreateRevision, ModRevision: revision},
		Prev:  &old.entry,
	})
	return revision
}

// commit makes the working tree the present state, which event leads to. The
// caller holds writing.
func (s *Store) commit(present *state, event store.Event) {
	next := &state{tree: s.tree.Copy(), revision: event.Entry.ModRevision}
	var buffer [4]alarm
	s.feed.Lock()
	s.history.append(present, event)
	s.present.Store(next)
	alarms := s.groups.append(event, buffer[:0])
	s.feed.Unlock()
	s.ring(alarms)
	// Compacting in steps keeps its cost per write low.
	if s.retained > 0 && next.revision-s.history.start() > s.retained+chunkSize {
		s.compact(next.revision - s.retained)
	}
}
