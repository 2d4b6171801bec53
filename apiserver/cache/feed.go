package cache

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/keelson-project/keelson/store"
)

// pageSize is how many entries one list of the store returns at most.
const pageSize = 10000

// How long the cache waits before it lists again after a failure.
const (
	minRetry = 50 * time.Millisecond
	maxRetry = 5 * time.Second
)

// Run follows the store until ctx ends; it lists again whenever the watch
// fails. It may be called once.
func (c *Cache) Run(ctx context.Context) error {
	c.mu.Lock()
	c.running = true
	c.mu.Unlock()
	defer close(c.stopped)
	retry := minRetry
	for {
		began := time.Now()
		err := c.follow(ctx)
		if ctx.Err() != nil {
			for _, r := range *c.table.Load() {
				r.end(ErrLagged)
			}
			return nil
		}
		if errors.Is(err, store.ErrClosed) {
			return err
		}
		if time.Since(began) > 2*maxRetry {
			retry = minRetry
		}
		c.log.Warn("watch of the store ended, listing again", "err", err)
		select {
		case <-time.After(retry):
		case f := <-c.commands:
			f()
		case <-ctx.Done():
		}
		retry = min(2*retry, maxRetry)
	}
}

// follow lists everything and then applies changes until the watch fails.
func (c *Cache) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	entries, revision, err := c.list(ctx, c.prefix)
	if err != nil {
		return err
	}
	batches, err := c.store.Watch(ctx, c.prefix, revision)
	if err != nil {
		return err
	}
	for _, r := range *c.table.Load() {
		r.restart(revision)
	}
	for i := range entries {
		e := &entries[i]
		if r, key := c.route(e.Key); r != nil {
			if it := r.decode(key, e); it != nil {
				r.set(it)
			}
		}
		entries[i] = store.Entry{}
	}
	for _, r := range *c.table.Load() {
		r.publish()
	}
	c.advance(revision)
	c.readyOnce.Do(func() { close(c.ready) })
	for {
		select {
		case b, ok := <-batches:
			if !ok {
				return store.ErrClosed
			}
			if b.Err != nil {
				return b.Err
			}
			c.apply(b)
		case f := <-c.commands:
			f()
		}
	}
}

// list reads all entries below a prefix at one revision, page by page.
func (c *Cache) list(ctx context.Context, prefix string) ([]store.Entry, int64, error) {
	var all []store.Entry
	opts := store.ListOptions{Limit: pageSize}
	for {
		res, err := c.store.List(ctx, prefix, opts)
		if err != nil {
			return nil, 0, err
		}
		if opts.Revision == 0 {
			opts.Revision = res.Revision
		}
		all = append(all, res.Entries...)
		if res.Remaining <= 0 || len(res.Entries) == 0 {
			return all, opts.Revision, nil
		}
		opts.Start = res.Entries[len(res.Entries)-1].Key + "\x00"
	}
}

// fill lists one resource that joins while the feed runs.
func (c *Cache) fill(ctx context.Context, r *Resource) error {
	entries, revision, err := c.list(ctx, r.prefix)
	if err != nil {
		return err
	}
	r.restart(revision)
	for i := range entries {
		key := strings.TrimPrefix(entries[i].Key, r.prefix)
		if it := r.decode(key, &entries[i]); it != nil {
			r.set(it)
		}
	}
	r.publish()
	return nil
}

// apply takes in one batch: first the new states, then the events, then the
// revision, then everybody is woken.
func (c *Cache) apply(b store.Batch) {
	now := time.Now().UnixNano()
	touched := c.touched[:0]
	for i := range b.Events {
		e := &b.Events[i]
		r, key := c.route(e.Entry.Key)
		if r == nil || e.Entry.ModRevision <= r.from {
			continue
		}
		if r.first == nil {
			touched = append(touched, r)
		}
		r.apply(key, e, now)
	}
	for _, r := range touched {
		r.publish()
	}
	revision := b.Revision
	if n := len(b.Events); n > 0 {
		revision = max(revision, b.Events[n-1].Entry.ModRevision)
	}
	c.advance(revision)
	for _, r := range touched {
		r.wake(now)
	}
	c.touched = touched
}
