package storetest

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/keelson-project/keelson/store"
)

// patience is how long the suite waits for what must happen; only a failing
// store makes it wait that long.
const patience = 30 * time.Second

// Run tests the stores that newStore makes. Each must be without entries; the
// suite closes it. What else a store needs is for newStore to release, with
// t.Cleanup, after which the store has been closed.
func Run(t *testing.T, newStore func(t *testing.T) store.Store) {
	tests := []struct {
		name string
		test func(*harness)
	}{
		{"Create", testCreate},
		{"CreateExisting", testCreateExisting},
		{"GetMissing", testGetMissing},
		{"Update", testUpdate},
		{"UpdateConflict", testUpdateConflict},
		{"UpdateMissing", testUpdateMissing},
		{"Delete", testDelete},
		{"DeleteConflict", testDeleteConflict},
		{"DeleteMissing", testDeleteMissing},
		{"Recreate", testRecreate},
		{"Revision", testRevision},
		{"ListPrefix", testListPrefix},
		{"ListStart", testListStart},
		{"ListLimit", testListLimit},
		{"ListLarge", testListLarge},
		{"ListPast", testListPast},
		{"ListFuture", testListFuture},
		{"Compact", testCompact},
		{"CompactFuture", testCompactFuture},
		{"CompactDeleted", testCompactDeleted},
		{"WatchPresent", testWatchPresent},
		{"WatchEvents", testWatchEvents},
		{"WatchPast", testWatchPast},
		{"WatchPastWhileWriting", testWatchPastWhileWriting},
		{"WatchFuture", testWatchFuture},
		{"WatchPrefix", testWatchPrefix},
		{"WatchAfterList", testWatchAfterList},
		{"WatchMany", testWatchMany},
		{"WatchContext", testWatchContext},
		{"WatchSlow", testWatchSlow},
		{"WatchSlowCompacted", testWatchSlowCompacted},
		{"Progress", testProgress},
		{"ProgressAfterEvents", testProgressAfterEvents},
		{"Expiry", testExpiry},
		{"ExpiryWatch", testExpiryWatch},
		{"Context", testContext},
		{"Close", testClose},
		{"CloseEndsWatches", testCloseEndsWatches},
		{"ConcurrentCounter", testConcurrentCounter},
		{"ConcurrentCreate", testConcurrentCreate},
		{"ReadYourWrites", testReadYourWrites},
		{"Linearizable", testLinearizable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t)
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
			ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
			t.Cleanup(cancel)
			tt.test(&harness{T: t, ctx: ctx, store: s})
		})
	}
}

// harness is a store under test; its methods fail the test on an error and are
// for the test's own goroutine.
type harness struct {
	*testing.T
	ctx   context.Context
	store store.Store
}

func (h *harness) create(key, value string) int64 {
	h.Helper()
	revision, err := h.store.Create(h.ctx, key, []byte(value), 0)
	if err != nil {
		h.Fatalf("Create(%q): %v", key, err)
	}
	return revision
}

func (h *harness) update(key, value string, expected int64) int64 {
	h.Helper()
	revision, err := h.store.Update(h.ctx, key, []byte(value), expected, 0)
	if err != nil {
		h.Fatalf("Update(%q, expected %d): %v", key, expected, err)
	}
	return revision
}

func (h *harness) delete(key string, expected int64) int64 {
	h.Helper()
	revision, err := h.store.Delete(h.ctx, key, expected)
	if err != nil {
		h.Fatalf("Delete(%q, expected %d): %v", key, expected, err)
	}
	return revision
}

func (h *harness) get(key string) store.Entry {
	h.Helper()
	entry, err := h.store.Get(h.ctx, key)
	if err != nil {
		h.Fatalf("Get(%q): %v", key, err)
	}
	return entry
}

func (h *harness) list(prefix string, opts store.ListOptions) store.ListResult {
	h.Helper()
	result, err := h.store.List(h.ctx, prefix, opts)
	if err != nil {
		h.Fatalf("List(%q, %+v): %v", prefix, opts, err)
	}
	return result
}

func (h *harness) revision() int64 {
	h.Helper()
	revision, err := h.store.Revision(h.ctx)
	if err != nil {
		h.Fatalf("Revision: %v", err)
	}
	return revision
}

func (h *harness) compact(revision int64) {
	h.Helper()
	if err := h.store.Compact(h.ctx, revision); err != nil {
		h.Fatalf("Compact(%d): %v", revision, err)
	}
}

// wantErr fails unless err is what's wanted.
func (h *harness) wantErr(what string, err, want error) {
	h.Helper()
	if !errors.Is(err, want) {
		h.Errorf("%s: got error %v, want %v", what, err, want)
	}
}

// wantEntry fails unless the entries are equal.
func (h *harness) wantEntry(what string, got, want store.Entry) {
	h.Helper()
	if !equal(got, want) {
		h.Errorf("%s:\n got %s\nwant %s", what, show(got), show(want))
	}
}

// wantKeys fails unless entries have these keys in this order.
func (h *harness) wantKeys(what string, entries []store.Entry, want ...string) {
	h.Helper()
	var got []string
	for _, e := range entries {
		got = append(got, e.Key)
	}
	if len(got) != len(want) {
		h.Errorf("%s: got keys %q, want %q", what, got, want)
		return
	}
	for i := range got {
		if got[i] != want[i] {
			h.Errorf("%s: got keys %q, want %q", what, got, want)
			return
		}
	}
}

func equal(a, b store.Entry) bool {
	return a.Key == b.Key && bytes.Equal(a.Value, b.Value) && a.CreateRevision == b.CreateRevision && a.ModRevision == b.ModRevision
}
