package storetest

import "github.com/keelson-project/keelson/store"

func testCompact(h *harness) {
	first := h.create("/a", "1")
	second := h.update("/a", "2", first)
	h.create("/b", "1")
	third := h.update("/a", "3", second)
	last := h.create("/c", "1")
	h.compact(third)

	for _, revision := range []int64{first, second, third - 1} {
		_, err := h.store.List(h.ctx, "/", store.ListOptions{Revision: revision})
		h.wantErr("List before the compaction", err, store.ErrCompacted)
		_, err = h.store.Watch(h.ctx, "/", revision)
		h.wantErr("Watch from before the compaction", err, store.ErrCompacted)
	}
	h.wantKeys("list at the compaction", h.list("/", store.ListOptions{Revision: third}).Entries, "/a", "/b")
	h.wantKeys("list after the compaction", h.list("/", store.ListOptions{Revision: last}).Entries, "/a", "/b", "/c")
	h.wantKeys("list of the present", h.list("/", store.ListOptions{}).Entries, "/a", "/b", "/c")
	h.wantEntry("entry that was compacted", h.get("/a"), store.Entry{Key: "/a", Value: []byte("3"), CreateRevision: first, ModRevision: third})

	events, err := h.watch("/", third).events(1)
	if err != nil {
		h.Fatalf("watch from the compaction: %v", err)
	}
	if events[0].Entry.Key != "/c" || events[0].Entry.ModRevision != last {
		h.Errorf("watch from the compaction got %s, want the creation of /c", showEvent(events[0]))
	}

	h.compact(third)
	h.compact(second)
	if now := h.revision(); now != last {
		h.Errorf("compaction moved the revision from %d to %d", last, now)
	}
	h.compact(last)
	h.compact(last)
	h.wantKeys("list after compacting everything", h.list("/", store.ListOptions{}).Entries, "/a", "/b", "/c")
	_, err = h.store.List(h.ctx, "/", store.ListOptions{Revision: last - 1})
	h.wantErr("List before the second compaction", err, store.ErrCompacted)

	// An event whose previous entry has been compacted may lack it, no more.
	w := h.watch("/", 0)
	updated := h.update("/a", "4", third)
	events, err = w.events(1)
	if err != nil {
		h.Fatalf("watch after the compaction: %v", err)
	}
	if events[0].Type != store.Updated || events[0].Entry.ModRevision != updated {
		h.Errorf("watch after the compaction got %s, want the update of /a", showEvent(events[0]))
	}
}

func testCompactFuture(h *harness) {
	revision := h.create("/a", "1")
	h.wantErr("Compact at the next revision", h.store.Compact(h.ctx, revision+1), store.ErrFutureRevision)
	h.wantKeys("list after that", h.list("/", store.ListOptions{Revision: revision}).Entries, "/a")
	if _, err := h.watch("/", revision-1).events(1); err != nil {
		h.Errorf("watch after that: %v", err)
	}
}

func testCompactDeleted(h *harness) {
	created := h.create("/a", "1")
	deleted := h.delete("/a", created)
	h.create("/b", "1")
	h.compact(deleted)
	h.wantKeys("list at the deletion", h.list("/", store.ListOptions{Revision: deleted}).Entries)
	_, err := h.store.Get(h.ctx, "/a")
	h.wantErr("Get of a deleted and compacted key", err, store.ErrNotFound)
	_, err = h.store.Update(h.ctx, "/a", nil, created, 0)
	h.wantErr("Update of a deleted and compacted key", err, store.ErrNotFound)
	again := h.create("/a", "2")
	h.wantEntry("entry created again", h.get("/a"), store.Entry{Key: "/a", Value: []byte("2"), CreateRevision: again, ModRevision: again})
}
