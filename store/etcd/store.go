package etcd

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/keelson-project/keelson/store"
)

// pageSize is how many entries are read at a time where a list has no limit.
const pageSize = 10000

// nowhere is a key that no one uses: reading it tells about revisions only.
const nowhere = "\x00"

// Store keeps its entries in an etcd cluster.
type Store struct {
	client *clientv3.Client
	prefix string
	leases *leases
	// release closes what the store owns besides; nil for nothing.
	release func() error

	// ctx ends, because of store.ErrClosed, when the store is closed.
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu      sync.Mutex
	closed  bool
	watches map[*watch]struct{}
	// streams numbers the watches.
	streams atomic.Int64
	// running counts calls and watches under way.
	running sync.WaitGroup

	closing  sync.Once
	closeErr error
}

var _ store.Store = (*Store)(nil)

// New makes a store of the cluster that client is connected to, with prefix
// put before each key. Closing the store leaves the client open; it must stay
// so until then.
func New(client *clientv3.Client, prefix string) *Store {
	s := &Store{client: client, prefix: prefix, leases: newLeases(client), watches: make(map[*watch]struct{})}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	return s
}

// begin starts a call: it returns the context for its requests, which ends
// with the store too, and what to call when the call is done.
func (s *Store) begin(ctx context.Context) (context.Context, func(), error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, store.ErrClosed
	}
	s.running.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	unlink := context.AfterFunc(s.ctx, func() { cancel(store.ErrClosed) })
	return ctx, func() {
		unlink()
		cancel(nil)
		s.running.Done()
	}, nil
}

// Get implements [store.Store].
func (s *Store) Get(ctx context.Context, key string) (store.Entry, error) {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return store.Entry{}, err
	}
	defer done()
	resp, err := s.client.Get(ctx, s.prefix+key)
	if err != nil {
		return store.Entry{}, explain(ctx, "get", key, err)
	}
	if len(resp.Kvs) == 0 {
		return store.Entry{}, fmt.Errorf("get %q: %w", key, store.ErrNotFound)
	}
	return s.entry(resp.Kvs[0]), nil
}

// List implements [store.Store].
func (s *Store) List(ctx context.Context, prefix string, opts store.ListOptions) (store.ListResult, error) {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return store.ListResult{}, err
	}
	defer done()
	from, end := s.keyRange(prefix)
	from = max(from, s.prefix+opts.Start)
	result := store.ListResult{Revision: opts.Revision}
	for {
		limit := pageSize
		if opts.Limit > 0 {
			limit = min(limit, opts.Limit-len(result.Entries))
		}
		resp, err := s.client.Get(ctx, from,
			clientv3.WithRange(end), clientv3.WithRev(result.Revision), clientv3.WithLimit(int64(limit)))
		if err != nil {
			return store.ListResult{}, explain(ctx, "list", prefix, err)
		}
		if result.Revision == 0 {
			result.Revision = resp.Header.Revision
		}
		if result.Entries == nil {
			total := int(resp.Count)
			if opts.Limit > 0 {
				total = min(total, opts.Limit)
			}
			result.Entries = make([]store.Entry, 0, total)
		}
		for _, kv := range resp.Kvs {
			result.Entries = append(result.Entries, s.entry(kv))
		}
		left := resp.Count - int64(len(resp.Kvs))
		if left <= 0 || len(resp.Kvs) == 0 {
			return result, nil
		}
		if len(result.Entries) == opts.Limit {
			result.Remaining = left
			return result, nil
		}
		from = string(resp.Kvs[len(resp.Kvs)-1].Key) + "\x00"
	}
}

// Create implements [store.Store].
func (s *Store) Create(ctx context.Context, key string, value []byte, ttl time.Duration) (int64, error) {
	resp, err := s.write(ctx, "create", key, func(ctx context.Context) (*clientv3.TxnResponse, error) {
		return s.put(ctx, clientv3.Compare(clientv3.ModRevision(s.prefix+key), "=", 0), key, value, ttl)
	})
	if err != nil {
		return 0, err
	}
	if !resp.Succeeded {
		return 0, fmt.Errorf("create %q: %w", key, store.ErrExists)
	}
	return resp.Header.Revision, nil
}

// Update implements [store.Store].
func (s *Store) Update(ctx context.Context, key string, value []byte, expected int64, ttl time.Duration) (int64, error) {
	resp, err := s.write(ctx, "update", key, func(ctx context.Context) (*clientv3.TxnResponse, error) {
		return s.put(ctx, s.at(key, expected), key, value, ttl)
	})
	if err != nil {
		return 0, err
	}
	return s.outcome("update", key, expected, resp)
}

// Delete implements [store.Store].
func (s *Store) Delete(ctx context.Context, key string, expected int64) (int64, error) {
	resp, err := s.write(ctx, "delete", key, func(ctx context.Context) (*clientv3.TxnResponse, error) {
		return s.client.Txn(ctx).
			If(s.at(key, expected)).
			Then(clientv3.OpDelete(s.prefix + key)).
			Else(clientv3.OpGet(s.prefix + key)).
			Commit()
	})
	if err != nil {
		return 0, err
	}
	return s.outcome("delete", key, expected, resp)
}

// write runs a transaction.
func (s *Store) write(ctx context.Context, verb, key string, commit func(context.Context) (*clientv3.TxnResponse, error)) (*clientv3.TxnResponse, error) {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	resp, err := commit(ctx)
	if err != nil {
		return nil, explain(ctx, verb, key, err)
	}
	return resp, nil
}

// put writes the value if condition holds and else reads the entry.
func (s *Store) put(ctx context.Context, condition clientv3.Cmp, key string, value []byte, ttl time.Duration) (*clientv3.TxnResponse, error) {
	for {
		lease := clientv3.NoLease
		if ttl > 0 {
			var err error
			if lease, err = s.leases.get(ctx, ttl); err != nil {
				return nil, fmt.Errorf("grant a lease of %v: %w", ttl, err)
			}
		}
		resp, err := s.client.Txn(ctx).
			If(condition).
			Then(clientv3.OpPut(s.prefix+key, string(value), clientv3.WithLease(lease))).
			Else(clientv3.OpGet(s.prefix + key)).
			Commit()
		if lease != clientv3.NoLease && leaseGone(err) {
			// Someone revoked it, or the cluster's clock runs ahead.
			s.leases.forget(lease)
			continue
		}
		return resp, err
	}
}

// at is the condition that key is at a revision. No key is ever at one below
// one, but etcd says so of those that do not exist.
func (s *Store) at(key string, revision int64) clientv3.Cmp {
	if revision <= 0 {
		revision = -1
	}
	return clientv3.Compare(clientv3.ModRevision(s.prefix+key), "=", revision)
}

// outcome reads the result of a transaction that compares with expected.
func (s *Store) outcome(verb, key string, expected int64, resp *clientv3.TxnResponse) (int64, error) {
	if resp.Succeeded {
		return resp.Header.Revision, nil
	}
	kvs := resp.Responses[0].GetResponseRange().Kvs
	if len(kvs) == 0 {
		return 0, fmt.Errorf("%s %q: %w", verb, key, store.ErrNotFound)
	}
	return 0, &store.ConflictError{Expected: expected, Current: s.entry(kvs[0])}
}

// Revision implements [store.Store].
func (s *Store) Revision(ctx context.Context) (int64, error) {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	return s.readAt(ctx, 0)
}

// readAt reads nothing at a revision, zero being the present, and returns the
// present one.
func (s *Store) readAt(ctx context.Context, revision int64) (int64, error) {
	resp, err := s.client.Get(ctx, nowhere, clientv3.WithCountOnly(), clientv3.WithRev(revision))
	if err != nil {
		return 0, explain(ctx, "read revision", "", err)
	}
	return resp.Header.Revision, nil
}

// Compact implements [store.Store]. It concerns the whole cluster, not only
// what lies below the store's prefix.
func (s *Store) Compact(ctx context.Context, revision int64) error {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	if _, err := s.client.Compact(ctx, revision); err != nil && !compacted(err) {
		return explain(ctx, "compact", "", err)
	}
	return nil
}

// Close implements [store.Store].
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		s.cancel(store.ErrClosed)
		s.running.Wait()
		if s.release != nil {
			s.closeErr = s.release()
		}
	})
	return s.closeErr
}

// keyRange returns the keys in etcd from and before which those that start
// with prefix lie.
func (s *Store) keyRange(prefix string) (from, end string) {
	full := s.prefix + prefix
	if full == "" {
		return "\x00", "\x00"
	}
	return full, clientv3.GetPrefixRangeEnd(full)
}

func (s *Store) entry(kv *mvccpb.KeyValue) store.Entry {
	return store.Entry{
		Key:            strings.TrimPrefix(string(kv.Key), s.prefix),
		Value:          kv.Value,
		CreateRevision: kv.CreateRevision,
		ModRevision:    kv.ModRevision,
	}
}
