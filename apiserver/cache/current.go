package cache

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
)

// manyNamespaces is how many namespaces are remembered before those are
// forgotten whose writes can be seen.
const manyNamespaces = 256

// writes are the revisions of the newest writes that this process knows to
// have happened, by namespace.
type writes struct {
	newest atomic.Int64
	mu     sync.Mutex
	in     map[string]int64
}

// namespaceOf is the namespace of a key below a resource; empty for cluster-wide ones.
func namespaceOf(key string) string {
	namespace, _, namespaced := strings.Cut(key, "/")
	if !namespaced {
		return ""
	}
	return namespace
}

// Current returns the newest state once it includes every write in a namespace
// (anywhere, if that is empty) that this process has been told of; unlike
// [Cache.Fresh] it does not ask the store whether others have written.
func (r *Resource) Current(ctx context.Context, namespace string) (*Snapshot, error) {
	wanted := r.wrote.newest.Load()
	if wanted > r.cache.revision.Load() {
		if namespace != "" {
			r.wrote.mu.Lock()
			wanted = r.wrote.in[namespace]
			r.wrote.mu.Unlock()
		}
		if err := r.cache.WaitFor(ctx, wanted); err != nil {
			return nil, err
		}
	}
	return r.snap.Load(), nil
}

// Wrote tells of a write under a key that has happened; [Write.Commit] does so
// by itself.
func (r *Resource) Wrote(key string, revision int64) {
	w := &r.wrote
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.in == nil {
		w.in = map[string]int64{}
	}
	if len(w.in) >= manyNamespaces {
		seen := r.cache.revision.Load()
		for namespace, at := range w.in {
			if at <= seen {
				delete(w.in, namespace)
			}
		}
	}
	namespace := namespaceOf(key)
	w.in[namespace] = max(w.in[namespace], revision)
	if revision > w.newest.Load() {
		w.newest.Store(revision)
	}
}
