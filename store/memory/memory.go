package memory

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keelson-project/keelson/store"
)

// firstRevision is that of a store nothing has been written to, as in etcd: a
// watch after it sees everything.
const firstRevision = 1

// Store keeps its entries in memory. Make one with [New] or [Store.Fork].
type Store struct {
	// present is what reads see. Each write replaces it and nothing within
	// it ever changes; nil says that the store is closed.
	present atomic.Pointer[state]
	// done is closed by Close.
	done chan struct{}
	// running counts the goroutines of watches and the armed timer.
	running sync.WaitGroup

	// writing serialises writers and guards what only they touch.
	writing  sync.Mutex
	tree     *tree
	expiry   expiry
	retained int64

	// feed guards history and groups, and covers the step from one present
	// state to the next: who holds it sees all three at the same revision.
	// It is taken after writing and held for a moment only.
	feed    sync.RWMutex
	history history
	groups  groups
}

var _ store.Store = (*Store)(nil)

// Option changes what New makes.
type Option func(*Store)

// WithHistory keeps no more than about the last revisions (and at least one),
// as if Compact were called all the time. Without it history grows until
// Compact is called.
func WithHistory(revisions int64) Option {
	return func(s *Store) { s.retained = max(revisions, 1) }
}

// New makes an empty store at revision 1.
func New(options ...Option) *Store {
	s := assemble(&state{tree: newTree(), revision: firstRevision}, newTree(), newExpiry(time.Now()))
	for _, option := range options {
		option(s)
	}
	return s
}

// assemble makes a store whose history starts at present. It owns working,
// which must equal present's tree.
func assemble(present *state, working *tree, expiry expiry) *Store {
	s := &Store{done: make(chan struct{}), tree: working, expiry: expiry}
	s.history.reset(present)
	s.groups.init()
	s.present.Store(present)
	return s
}

// Fork makes an independent store that starts out with the entries, times to
// live and revision of s. It takes constant time and shares memory with s
// until either changes. History and watches stay behind: the fork is as if
// just compacted.
func (s *Store) Fork() (*Store, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	present := s.present.Load()
	if present == nil {
		return nil, store.ErrClosed
	}
	f := assemble(&state{tree: s.tree.Copy(), revision: present.revision}, s.tree.Copy(), s.expiry.copy())
	f.retained = s.retained
	f.writing.Lock()
	defer f.writing.Unlock()
	f.schedule()
	return f, nil
}

// Get implements [store.Store].
func (s *Store) Get(ctx context.Context, key string) (store.Entry, error) {
	present, err := s.read(ctx)
	if err != nil {
		return store.Entry{}, err
	}
	it, ok := present.tree.Get(key)
	if !ok {
		return store.Entry{}, fmt.Errorf("get %q: %w", key, store.ErrNotFound)
	}
	return it.entry, nil
}

// List implements [store.Store].
func (s *Store) List(ctx context.Context, prefix string, opts store.ListOptions) (store.ListResult, error) {
	present, err := s.read(ctx)
	if err != nil {
		return store.ListResult{}, err
	}
	if opts.Revision == 0 || opts.Revision == present.revision {
		return present.list(prefix, opts), nil
	}
	s.feed.RLock()
	past, err := s.history.at(opts.Revision)
	s.feed.RUnlock()
	if err != nil {
		return store.ListResult{}, fmt.Errorf("list %q: %w", prefix, err)
	}
	return past.restore(prefix).list(prefix, opts), nil
}

// Revision implements [store.Store].
func (s *Store) Revision(ctx context.Context) (int64, error) {
	present, err := s.read(ctx)
	if err != nil {
		return 0, err
	}
	return present.revision, nil
}

// Compact implements [store.Store].
func (s *Store) Compact(ctx context.Context, revision int64) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	present, err := s.read(ctx)
	if err != nil {
		return err
	}
	if revision > present.revision {
		return fmt.Errorf("compact at revision %d, present is %d: %w", revision, present.revision, store.ErrFutureRevision)
	}
	s.compact(revision)
	return nil
}

// compact forgets history before revision. The caller holds writing.
func (s *Store) compact(revision int64) {
	// Only writers change history, so it can be read without feed here.
	if revision <= s.history.start() {
		return
	}
	kept := s.history.since(revision, s.present.Load())
	s.feed.Lock()
	defer s.feed.Unlock()
	s.history = kept
	s.groups.trim(revision)
}

// Close implements [store.Store]. It never fails.
func (s *Store) Close() error {
	s.writing.Lock()
	if s.present.Load() != nil {
		s.feed.Lock()
		s.present.Store(nil)
		s.history = history{}
		s.feed.Unlock()
		s.tree = nil
		s.expiry.clear()
		s.schedule()
		close(s.done)
	}
	s.writing.Unlock()
	s.running.Wait()
	return nil
}

// read returns the present state, or why there is none to be had.
func (s *Store) read(ctx context.Context) (*state, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	present := s.present.Load()
	if present == nil {
		return nil, store.ErrClosed
	}
	return present, nil
}
