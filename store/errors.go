package store

import (
	"errors"
	"fmt"
)

// The errors a Store answers with; test with errors.Is. Anything else is a
// failure of the store itself.
var (
	// ErrNotFound says that the key does not exist.
	ErrNotFound = errors.New("key not found")
	// ErrExists says that the key to create exists already.
	ErrExists = errors.New("key already exists")
	// ErrConflict says that the entry is not at the expected revision. The
	// error in hand is a [*ConflictError].
	ErrConflict = errors.New("entry has been modified")
	// ErrCompacted says that the revision asked for is no longer in the
	// store's history; list again to go on.
	ErrCompacted = errors.New("revision has been compacted")
	// ErrFutureRevision says that the revision asked for has not happened.
	ErrFutureRevision = errors.New("revision is in the future")
	// ErrClosed says that the store has been closed.
	ErrClosed = errors.New("store is closed")
)

// ConflictError reports a compare-and-swap that found another revision.
type ConflictError struct {
	// Expected is the revision that the caller compared with.
	Expected int64
	// Current is the entry as it is.
	Current Entry
}

// Error implements error.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s: %v: expected revision %d, is at %d", e.Current.Key, ErrConflict, e.Expected, e.Current.ModRevision)
}

// Is makes errors.Is(err, ErrConflict) hold.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }
