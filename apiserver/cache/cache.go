package cache

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keelson-project/keelson/store"
)

// How long [Cache.WaitFor] waits before it asks the store for progress, and
// how often it repeats that.
const (
	progressDelay  = 5 * time.Millisecond
	progressPeriod = 100 * time.Millisecond
)

// Cache follows a store. Create one with [New] and call Run.
type Cache struct {
	store  store.Store
	prefix string
	log    *slog.Logger

	mu        sync.Mutex // guards writes of table, running, waiters
	table     atomic.Pointer[map[string]*Resource]
	running   bool
	waiters   []waiter
	commands  chan func()
	stopped   chan struct{}
	ready     chan struct{}
	readyOnce sync.Once

	revision atomic.Int64
	touched  []*Resource

	pendingMu sync.Mutex
	pending   map[string][]*Write
}

type waiter struct {
	revision int64
	done     chan struct{}
}

// New makes a cache of the keys of st below prefix, such as "/registry/".
func New(st store.Store, prefix string, log *slog.Logger) *Cache {
	c := &Cache{
		store: st, prefix: prefix, log: log,
		commands: make(chan func()), stopped: make(chan struct{}), ready: make(chan struct{}),
		pending: map[string][]*Write{},
	}
	c.table.Store(&map[string]*Resource{})
	return c
}

// Ready is closed once the first list is in.
func (c *Cache) Ready() <-chan struct{} { return c.ready }

// Revision is what the cache has got to: all snapshots include every change
// up to it, and so does what watchers can read.
func (c *Cache) Revision() int64 { return c.revision.Load() }

// Add begins to keep a resource and returns when its objects are there; before
// Run it returns at once.
func (c *Cache) Add(ctx context.Context, s *Source) (*Resource, error) {
	r := newResource(c, s)
	c.mu.Lock()
	if (*c.table.Load())[s.StorageKey] != nil {
		c.mu.Unlock()
		return nil, fmt.Errorf("storage key %q is in use by another resource", s.StorageKey)
	}
	if !c.running {
		c.register(r)
		c.mu.Unlock()
		return r, nil
	}
	c.mu.Unlock()
	var err error
	if cmdErr := c.do(ctx, func() {
		if err = c.fill(ctx, r); err == nil {
			c.mu.Lock()
			c.register(r)
			c.mu.Unlock()
		}
	}); cmdErr != nil {
		return nil, cmdErr
	}
	return r, err
}

// Replace keeps a resource in the place of another one with the same storage
// key, whose watchers get [ErrRemoved]. Whoever reads the old one finds the
// state at this moment.
func (c *Cache) Replace(ctx context.Context, old *Resource, s *Source) (*Resource, error) {
	if s.StorageKey != old.source.StorageKey {
		return nil, fmt.Errorf("storage key %q instead of %q", s.StorageKey, old.source.StorageKey)
	}
	r := newResource(c, s)
	c.mu.Lock()
	if !c.running {
		defer c.mu.Unlock()
		c.register(r)
		old.end(ErrRemoved)
		return r, nil
	}
	c.mu.Unlock()
	var err error
	if cmdErr := c.do(ctx, func() {
		if err = c.fill(ctx, r); err == nil {
			c.mu.Lock()
			c.register(r)
			c.mu.Unlock()
			old.end(ErrRemoved)
		}
	}); cmdErr != nil {
		return nil, cmdErr
	}
	return r, err
}

// Remove ends a resource: its watchers get [ErrRemoved].
func (c *Cache) Remove(ctx context.Context, r *Resource) error {
	remove := func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		next := map[string]*Resource{}
		for k, v := range *c.table.Load() {
			if v != r {
				next[k] = v
			}
		}
		c.table.Store(&next)
		r.end(ErrRemoved)
	}
	c.mu.Lock()
	running := c.running
	c.mu.Unlock()
	if !running {
		remove()
		return nil
	}
	return c.do(ctx, remove)
}

// register puts r in the table; the caller holds mu.
func (c *Cache) register(r *Resource) {
	if !c.running { // nobody reads it yet
		(*c.table.Load())[r.source.StorageKey] = r
		return
	}
	next := maps.Clone(*c.table.Load())
	next[r.source.StorageKey] = r
	c.table.Store(&next)
}

// do runs a function between two batches of the feed.
func (c *Cache) do(ctx context.Context, f func()) error {
	done := make(chan struct{})
	select {
	case c.commands <- func() { f(); close(done) }:
		<-done
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.stopped:
		return store.ErrClosed
	}
}

// route finds the resource of a full key, and the key below it.
func (c *Cache) route(key string) (*Resource, string) {
	rest, ok := strings.CutPrefix(key, c.prefix)
	if !ok {
		return nil, ""
	}
	table := *c.table.Load()
	i := strings.IndexByte(rest, '/')
	if i < 0 {
		return nil, ""
	}
	if j := strings.IndexByte(rest[i+1:], '/'); j >= 0 {
		if r := table[rest[:i+1+j]]; r != nil {
			return r, rest[i+j+2:]
		}
	}
	if r := table[rest[:i]]; r != nil {
		return r, rest[i+1:]
	}
	return nil, ""
}

// Fresh returns once the cache includes every write that had returned before
// the call, and the revision that this took.
func (c *Cache) Fresh(ctx context.Context) (int64, error) {
	rev, err := c.store.Revision(ctx)
	if err != nil {
		return 0, err
	}
	return rev, c.WaitFor(ctx, rev)
}

// WaitFor returns once the cache has reached a revision.
func (c *Cache) WaitFor(ctx context.Context, revision int64) error {
	if c.revision.Load() >= revision {
		return nil
	}
	w := waiter{revision: revision, done: make(chan struct{})}
	c.mu.Lock()
	if c.revision.Load() >= revision {
		c.mu.Unlock()
		return nil
	}
	c.waiters = append(c.waiters, w)
	c.mu.Unlock()
	timer := time.NewTimer(progressDelay)
	defer timer.Stop()
	for {
		select {
		case <-w.done:
			return nil
		case <-timer.C:
			if err := c.store.RequestProgress(ctx); err != nil && ctx.Err() == nil {
				c.forget(w)
				return err
			}
			timer.Reset(progressPeriod)
		case <-ctx.Done():
			c.forget(w)
			return ctx.Err()
		case <-c.stopped:
			return store.ErrClosed
		}
	}
}

func (c *Cache) forget(w waiter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.waiters {
		if c.waiters[i] == w {
			c.waiters = append(c.waiters[:i], c.waiters[i+1:]...)
			return
		}
	}
}

// advance publishes a revision and wakes those who wait for it.
func (c *Cache) advance(revision int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if revision > c.revision.Load() {
		c.revision.Store(revision)
	}
	keep := c.waiters[:0]
	for _, w := range c.waiters {
		if w.revision <= revision {
			close(w.done)
		} else {
			keep = append(keep, w)
		}
	}
	clear(c.waiters[len(keep):])
	c.waiters = keep
}
