package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/keelson-project/keelson/store"
)

// shortest is the time to live in these tests. It is that long because etcd
// counts in seconds.
const shortest = time.Second

// testExpiry has entries whose fate differs, and waits until one that was
// written last has gone; by then each of the others must have met its own.
func testExpiry(h *harness) {
	w := h.watch("/", 0)
	began := time.Now()
	mustCreate := func(key string, ttl time.Duration) int64 {
		h.Helper()
		revision, err := h.store.Create(h.ctx, key, []byte("v"), ttl)
		if err != nil {
			h.Fatalf("Create(%q) for %v: %v", key, ttl, err)
		}
		return revision
	}
	mustUpdate := func(key string, expected int64, ttl time.Duration) int64 {
		h.Helper()
		revision, err := h.store.Update(h.ctx, key, []byte("w"), expected, ttl)
		if err != nil {
			h.Fatalf("Update(%q) for %v: %v", key, ttl, err)
		}
		return revision
	}
	mustCreate("/gone/created", shortest)
	mustUpdate("/gone/updated", mustCreate("/gone/updated", 0), shortest)
	mustUpdate("/gone/renewed", mustCreate("/gone/renewed", shortest), shortest)
	mustUpdate("/gone/shortened", mustCreate("/gone/shortened", time.Hour), shortest)
	h.delete("/gone/recreated", mustCreate("/gone/recreated", 0))
	mustCreate("/gone/recreated", shortest)
	mustCreate("/kept/created", 0)
	mustCreate("/kept/long", time.Hour)
	mustUpdate("/kept/updated", mustCreate("/kept/updated", shortest), 0)
	mustUpdate("/kept/extended", mustCreate("/kept/extended", shortest), time.Hour)
	h.delete("/kept/recreated", mustCreate("/kept/recreated", shortest))
	mustCreate("/kept/recreated", 0)
	gone := map[string]bool{"/gone/created": true, "/gone/updated": true, "/gone/renewed": true, "/gone/shortened": true, "/gone/recreated": true}
	before := h.revision()

	for len(gone) > 0 {
		batch, err := w.next()
		if err != nil || batch.Err != nil {
			h.Fatalf("waiting for %v to expire: %v", gone, errors.Join(err, batch.Err))
		}
		for _, event := range batch.Events {
			if event.Entry.ModRevision <= before {
				continue
			}
			if event.Type != store.Deleted || !gone[event.Entry.Key] {
				h.Fatalf("waiting for %v to expire, got %s", gone, showEvent(event))
			}
			if age := time.Since(began); age < shortest {
				h.Errorf("%s is gone after %v, want %v or more", event.Entry.Key, age, shortest)
			}
			if event.Prev == nil {
				h.Errorf("expiry of %s does not say what was before", event.Entry.Key)
			}
			delete(gone, event.Entry.Key)
		}
	}
	h.wantKeys("what is left", h.list("/", store.ListOptions{}).Entries,
		"/kept/created", "/kept/extended", "/kept/long", "/kept/recreated", "/kept/updated")
	_, err := h.store.Get(h.ctx, "/gone/created")
	h.wantErr("Get of an expired key", err, store.ErrNotFound)
	if now := h.revision(); now <= before {
		h.Errorf("expiry left the revision at %d", now)
	}
	mustCreate("/gone/created", 0)
}

// testExpiryWatch has many entries expire at about the same time: watches see
// every one, and those from the past see the same as live ones.
func testExpiryWatch(h *harness) {
	const n = 200
	start := h.revision()
	live := h.watch("/", 0)
	for i := range n {
		if _, err := h.store.Create(h.ctx, fmt.Sprintf("/%d", i), []byte("v"), shortest); err != nil {
			h.Fatal(err)
		}
	}
	want, err := live.events(2 * n)
	if err != nil {
		h.Fatal(err)
	}
	got, err := h.watch("/", start).events(2 * n)
	if err != nil {
		h.Fatal(err)
	}
	for i := range want {
		if got[i].Type != want[i].Type || !equal(got[i].Entry, want[i].Entry) {
			h.Errorf("event %d of the past:\n got %s\nlive %s", i, showEvent(got[i]), showEvent(want[i]))
		}
	}
	h.wantKeys("what is left", h.list("/", store.ListOptions{}).Entries)
}
