package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/keelson-project/keelson/store"
)

// testWatchPresent opens watches beside one that has seen more.
func testWatchPresent(h *harness) {
	first := h.watch("/", 0)
	a := h.create("/a", "1")
	if _, err := first.events(1); err != nil {
		h.Fatal(err)
	}
	watches := map[string]*watcher{"present": h.watch("/", 0), "present revision": h.watch("/", a), "first": first}
	b := h.create("/b", "2")
	for name, w := range watches {
		events, err := w.events(1)
		if err != nil {
			h.Fatalf("watch from the %s: %v", name, err)
		}
		if events[0].Entry.Key != "/b" || events[0].Entry.ModRevision != b {
			h.Errorf("watch from the %s got %s, want the creation of /b", name, showEvent(events[0]))
		}
	}
}

func testWatchEvents(h *harness) {
	w := h.watch("/", 0)
	created := h.create("/a", "1")
	updated := h.update("/a", "2", created)
	deleted := h.delete("/a", updated)
	again := h.create("/a", "3")

	first := store.Entry{Key: "/a", Value: []byte("1"), CreateRevision: created, ModRevision: created}
	second := store.Entry{Key: "/a", Value: []byte("2"), CreateRevision: created, ModRevision: updated}
	want := []store.Event{
		{Type: store.Created, Entry: first},
		{Type: store.Updated, Entry: second, Prev: &first},
		{Type: store.Deleted, Entry: store.Entry{Key: "/a", ModRevision: deleted}, Prev: &second},
		{Type: store.Created, Entry: store.Entry{Key: "/a", Value: []byte("3"), CreateRevision: again, ModRevision: again}},
	}
	for _, live := range []bool{true, false} {
		if !live {
			w = h.watch("/", created-1)
		}
		events, err := w.events(len(want))
		if err != nil {
			h.Fatal(err)
		}
		for i, event := range events {
			if event.Type == store.Deleted {
				// The contract leaves open what a removal says of these.
				event.Entry.CreateRevision = 0
			}
			if event.Type != want[i].Type || !equal(event.Entry, want[i].Entry) ||
				(event.Prev == nil) != (want[i].Prev == nil) ||
				event.Prev != nil && !equal(*event.Prev, *want[i].Prev) {
				h.Errorf("event %d (live: %v):\n got %s\nwant %s", i, live, showEvent(event), showEvent(want[i]))
			}
		}
	}
}

// testWatchPast watches from every revision of some history.
func testWatchPast(h *harness) {
	start := h.revision()
	const n = 60
	for i := range n / 3 {
		key := fmt.Sprintf("/a/%d", i)
		h.delete(key, h.update(key, "2", h.create(key, "1")))
	}
	var all []*watcher
	for after := start; after <= start+n; after++ {
		all = append(all, h.watch("/", after))
	}
	last := h.create("/z", "last")
	for _, w := range all {
		after := w.at
		events, err := w.events(int(last - after))
		if err != nil {
			h.Fatalf("watch after %d: %v", after, err)
		}
		for i, event := range events {
			if want := after + 1 + int64(i); event.Entry.ModRevision != want {
				h.Errorf("watch after %d has revision %d where %d is due", after, event.Entry.ModRevision, want)
			}
		}
	}
}

// testWatchPastWhileWriting starts watches at old revisions while history
// goes on: none may have a gap where the past meets the present.
func testWatchPastWhileWriting(h *harness) {
	const writes, watches = 1000, 20
	start := h.revision()
	var mu sync.Mutex
	var writeErr error
	progress := make(chan int64, writes)
	go func() {
		defer close(progress)
		for i := range writes {
			revision, err := h.store.Create(h.ctx, fmt.Sprintf("/a/%d", i), []byte("v"), 0)
			if err != nil {
				mu.Lock()
				writeErr = err
				mu.Unlock()
				return
			}
			progress <- revision
		}
	}()
	var all []*watcher
	seen := 0
	for revision := range progress {
		seen++
		if seen%(writes/watches) == 0 {
			all = append(all, h.watch("/a/", start+(revision-start)/2))
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if writeErr != nil {
		h.Fatalf("Create: %v", writeErr)
	}
	for _, w := range all {
		after := w.at
		events, err := w.reach(start + writes)
		if err != nil {
			h.Fatalf("watch after %d: %v", after, err)
		}
		for i, event := range events {
			if want := after + 1 + int64(i); event.Entry.ModRevision != want {
				h.Fatalf("watch after %d has revision %d where %d is due", after, event.Entry.ModRevision, want)
			}
		}
		if last := after + int64(len(events)); last != start+writes {
			h.Errorf("watch after %d ends at %d, want %d", after, last, start+writes)
		}
	}
}

func testWatchFuture(h *harness) {
	revision := h.create("/a", "1")
	_, err := h.store.Watch(h.ctx, "/", revision+1)
	h.wantErr("Watch after the next revision", err, store.ErrFutureRevision)
	_, err = h.store.Watch(h.ctx, "/", revision+1000)
	h.wantErr("Watch after a future revision", err, store.ErrFutureRevision)
	w := h.watch("/", revision)
	h.create("/b", "1")
	events, err := w.events(1)
	if err != nil {
		h.Fatal(err)
	}
	if events[0].Entry.Key != "/b" {
		h.Errorf("watch after the present revision got %s, want the creation of /b", showEvent(events[0]))
	}
}

func testWatchPrefix(h *harness) {
	start := h.revision()
	prefixes := []string{"", "/", "/a", "/a/", "/a/1", "/b/", "/b\xff", "/c"}
	keys := []string{"/a", "/a/", "/a/1", "/a/10", "/a/2", "/a0", "/b", "/b/1", "/b\xff", "/b\xff1"}
	var live []*watcher
	for _, prefix := range prefixes {
		live = append(live, h.watch(prefix, 0))
	}
	for _, key := range keys {
		h.create(key, "v")
	}
	h.create("/end", "v")
	for i, prefix := range prefixes {
		var want []string
		for _, key := range keys {
			if strings.HasPrefix(key, prefix) {
				want = append(want, key)
			}
		}
		if strings.HasPrefix("/end", prefix) {
			want = append(want, "/end")
		}
		for name, w := range map[string]*watcher{"live": live[i], "past": h.watch(prefix, start)} {
			events, err := w.events(len(want))
			if err != nil {
				h.Fatalf("%s watch of %q: %v", name, prefix, err)
			}
			var got []store.Entry
			for _, event := range events {
				got = append(got, event.Entry)
			}
			h.wantKeys(fmt.Sprintf("%s watch of %q", name, prefix), got, want...)
		}
	}
}

// testWatchAfterList takes lists while others write and follows each by a
// watch: together they must lead to the final state.
func testWatchAfterList(h *harness) {
	const writers, writes, readers = 3, 200, 6
	var group sync.WaitGroup
	errs := make(chan error, writers+readers)
	for i := range writers {
		group.Go(func() { errs <- churn(h.ctx, h.store, fmt.Sprintf("/a/%d/", i), writes) })
	}
	type view struct {
		entries map[string]store.Entry
		watch   *watcher
	}
	var views []view
	for range readers {
		result := h.list("/a/", store.ListOptions{})
		v := view{entries: make(map[string]store.Entry), watch: h.watch("/a/", result.Revision)}
		for _, entry := range result.Entries {
			if entry.ModRevision > result.Revision {
				h.Errorf("list at revision %d has a later entry: %s", result.Revision, show(entry))
			}
			v.entries[entry.Key] = entry
		}
		views = append(views, v)
	}
	group.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			h.Fatal(err)
		}
	}
	last := h.create("/a/last", "v")
	want := h.list("/a/", store.ListOptions{}).Entries
	for _, v := range views {
		events, err := v.watch.reach(last)
		if err != nil {
			h.Fatal(err)
		}
		for _, event := range events {
			before, exists := v.entries[event.Entry.Key]
			if exists != (event.Type != store.Created) {
				h.Errorf("known before: %v, but the event is %s", exists, showEvent(event))
			}
			if exists && (event.Prev == nil || !equal(*event.Prev, before)) {
				h.Errorf("known before: %s, but the event is %s", show(before), showEvent(event))
			}
			if event.Type == store.Deleted {
				delete(v.entries, event.Entry.Key)
			} else {
				v.entries[event.Entry.Key] = event.Entry
			}
		}
		if len(v.entries) != len(want) {
			h.Errorf("list and watch lead to %d entries, want %d", len(v.entries), len(want))
		}
		for _, entry := range want {
			h.wantEntry("entry by list and watch", v.entries[entry.Key], entry)
		}
	}
}

// churn writes keys under prefix, and leaves a few.
func churn(ctx context.Context, s store.Store, prefix string, writes int) error {
	revisions := make(map[string]int64)
	for i := range writes {
		key := fmt.Sprintf("%s%d", prefix, i%7)
		var err error
		switch revision, ok := revisions[key]; {
		case !ok:
			revisions[key], err = s.Create(ctx, key, fmt.Append(nil, i), 0)
		case i%4 == 0:
			_, err = s.Delete(ctx, key, revision)
			delete(revisions, key)
		default:
			revisions[key], err = s.Update(ctx, key, fmt.Append(nil, i), revision, 0)
		}
		if err != nil {
			return fmt.Errorf("write %d under %s: %w", i, prefix, err)
		}
	}
	return nil
}

// testWatchMany has many watches of the same and of different prefixes.
func testWatchMany(h *harness) {
	const prefixes, each, writes = 10, 30, 20
	var all []*watcher
	for i := range prefixes * each {
		all = append(all, h.watch(fmt.Sprintf("/%d/", i%prefixes), 0))
	}
	for i := range prefixes * writes {
		h.create(fmt.Sprintf("/%d/%d", i%prefixes, i), "v")
	}
	for _, w := range all {
		if _, err := w.events(writes); err != nil {
			h.Fatalf("watch of %s: %v", w.prefix, err)
		}
	}
}

func testWatchContext(h *harness) {
	ctx, cancel := context.WithCancel(h.ctx)
	ending := h.watchCtx(ctx, "/", 0)
	staying := h.watch("/", 0)
	h.create("/a", "1")
	if _, err := ending.events(1); err != nil {
		h.Fatal(err)
	}
	cancel()
	for {
		batch, err := ending.next()
		if errors.Is(err, errEnded) {
			break
		}
		if err != nil {
			h.Fatalf("watch whose context ended: %v", err)
		}
		if batch.Err != nil && !errors.Is(batch.Err, context.Canceled) {
			h.Fatalf("watch whose context ended says: %v", batch.Err)
		}
	}
	h.create("/b", "1")
	if _, err := staying.events(2); err != nil {
		h.Errorf("another watch after that: %v", err)
	}
	_, err := h.store.Watch(ctx, "/", 0)
	h.wantErr("Watch with an ended context", err, context.Canceled)
}

// testWatchSlow has a watch that nobody reads; neither writers nor another
// watch may wait for it.
func testWatchSlow(h *harness) {
	slow, fast := h.watch("/", 0), h.watch("/", 0)
	const writes = 2000
	for i := range writes {
		h.create(fmt.Sprintf("/%d", i), "some value")
	}
	if _, err := fast.events(writes); err != nil {
		h.Fatalf("watch beside a slow one: %v", err)
	}
	h.wantAllOrCompacted(slow, writes)
}

// testWatchSlowCompacted takes the history away that a slow watch needs.
func testWatchSlowCompacted(h *harness) {
	past := h.revision()
	slow, fast := h.watch("/", 0), h.watch("/", 0)
	const writes = 2000
	for i := range writes {
		h.create(fmt.Sprintf("/%d", i), "some value")
	}
	slowPast := h.watch("/", past)
	if _, err := fast.events(writes); err != nil {
		h.Fatalf("watch beside a slow one: %v", err)
	}
	h.compact(h.revision())
	h.wantAllOrCompacted(slow, writes)
	h.wantAllOrCompacted(slowPast, writes)
	h.create("/after", "v")
	if _, err := fast.events(1); err != nil {
		h.Errorf("watch that had read everything, after the compaction: %v", err)
	}
}

// wantAllOrCompacted reads n events without gap, or fewer and then a last
// batch that says why.
func (h *harness) wantAllOrCompacted(w *watcher, n int) {
	h.Helper()
	last := int64(0)
	for got := 0; got < n; {
		batch, err := w.next()
		if err != nil {
			h.Fatalf("slow watch after %d of %d events: %v", got, n, err)
		}
		if batch.Err != nil {
			h.wantErr("last batch of a slow watch", batch.Err, store.ErrCompacted)
			if _, err := w.next(); !errors.Is(err, errEnded) {
				h.Errorf("slow watch goes on after an error: %v", err)
			}
			return
		}
		for _, event := range batch.Events {
			if revision := event.Entry.ModRevision; last != 0 && revision != last+1 {
				h.Fatalf("slow watch jumps from revision %d to %d", last, revision)
			}
			last = event.Entry.ModRevision
			got++
		}
	}
}
