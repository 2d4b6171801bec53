package store

import (
	"context"
	"time"
)

// Store is an ordered, multi-version map of keys to values.
//
// All methods may be called from many goroutines at once. Values and entries
// handed in or out are shared, never copied: neither side may change the bytes
// afterwards. Every method returns promptly with the context's error once ctx
// ends, and with [ErrClosed] after Close.
type Store interface {
	// Get returns the newest entry of key, as of at least every write that
	// had returned before the call. A missing key is [ErrNotFound].
	Get(ctx context.Context, key string) (Entry, error)

	// List returns the entries whose key starts with prefix, in key order,
	// all as of one revision.
	List(ctx context.Context, prefix string, opts ListOptions) (ListResult, error)

	// Create adds key with value and returns the revision of the write. If
	// the key exists, nothing changes and the error is [ErrExists]. With a
	// ttl above zero the store deletes the entry by itself after about that
	// long, never before; zero keeps it until it is deleted.
	Create(ctx context.Context, key string, value []byte, ttl time.Duration) (revision int64, err error)

	// Update replaces the value of key if its ModRevision is still expected,
	// and returns the revision of the write. If the entry has changed since,
	// nothing is written and the error is a [*ConflictError] carrying the
	// present entry; if it is gone, [ErrNotFound]. The ttl starts anew: zero
	// keeps the entry for good even if it had one before.
	Update(ctx context.Context, key string, value []byte, expected int64, ttl time.Duration) (revision int64, err error)

	// Delete removes key if its ModRevision is still expected and returns
	// the revision of the removal. Errors are those of Update.
	Delete(ctx context.Context, key string, expected int64) (revision int64, err error)

	// Watch delivers every change with a revision above after of keys that
	// start with prefix. With after zero it begins at the present revision.
	// It fails with [ErrCompacted] if history no longer reaches back to
	// after, and with [ErrFutureRevision] if after has not happened yet.
	//
	// Batches come in revision order and never split a revision. The channel
	// closes when ctx ends, when the store is closed, or after a last batch
	// with Err set: a reader that falls too far behind, or whose connection
	// is lost for good, gets [ErrCompacted] or the cause there and has to
	// list again. A slow reader never delays writers or other watchers.
	Watch(ctx context.Context, prefix string, after int64) (<-chan Batch, error)

	// Revision returns the store's present revision: that of the last write
	// which had returned before the call, or a later one.
	Revision(ctx context.Context) (int64, error)

	// RequestProgress asks that every watch opened from this Store soon
	// receives a batch, if need be one without events, whose Revision is at
	// least the present one. It does not wait for the delivery.
	RequestProgress(ctx context.Context) error

	// Compact forgets history before revision: entries stay, but lists at
	// and watches from earlier revisions fail with [ErrCompacted] from now
	// on. Compacting at an already compacted revision is no error; one in
	// the future is [ErrFutureRevision].
	Compact(ctx context.Context, revision int64) error

	// Close ends all watches, releases what the store holds and returns when
	// its goroutines are gone. A second call does nothing.
	Close() error
}

// Entry is one key's value at a revision.
type Entry struct {
	Key   string
	Value []byte
	// CreateRevision is the revision at which the key last came into being.
	CreateRevision int64
	// ModRevision is the revision of the last write to the key.
	ModRevision int64
}

// ListOptions narrows a List. The zero value lists everything at present.
type ListOptions struct {
	// Start, if set, skips keys that sort before it; it is a full key, not
	// relative to the prefix.
	Start string
	// Limit is the most entries to return; zero means all.
	Limit int
	// Revision is the revision to read at; zero means the present, as of at
	// least every write that had returned before the call. One that has been
	// compacted is [ErrCompacted], one yet to come [ErrFutureRevision].
	Revision int64
}

// ListResult is what List returns.
type ListResult struct {
	Entries []Entry
	// Revision is the one the list was read at: watching after it sees every
	// later change.
	Revision int64
	// Remaining is how many entries of the prefix follow the last one
	// returned; above zero only if Limit cut the list.
	Remaining int64
}

// Batch is a step of a watch.
type Batch struct {
	// Events are the changes, in revision order; a batch without any only
	// reports progress.
	Events []Event
	// Revision is where the watch has got to: no event at or below it will
	// follow. It is at least that of the last event.
	Revision int64
	// Err, if set, ends the watch: this is its last batch and carries no
	// events.
	Err error
}

// EventType says what an Event did to its key.
type EventType int

// The changes a watch reports.
const (
	Created EventType = iota + 1
	Updated
	Deleted
)

// Event is one change of one key.
type Event struct {
	Type EventType
	// Entry is the key after the change. For Deleted its Value is nil and
	// its ModRevision the revision of the removal.
	Entry Entry
	// Prev is the key before the change: nil for Created. It may also be nil
	// where the store no longer knows it, because that version has been
	// compacted.
	Prev *Entry
}
