package storetest

import (
	"errors"

	"github.com/keelson-project/keelson/store"
)

func testCreate(h *harness) {
	before := h.revision()
	revision := h.create("/a", "1")
	if revision != before+1 {
		h.Errorf("first write after revision %d is at %d, want the next one", before, revision)
	}
	h.wantEntry("created entry", h.get("/a"), store.Entry{Key: "/a", Value: []byte("1"), CreateRevision: revision, ModRevision: revision})
	if next := h.create("/b", "2"); next != revision+1 {
		h.Errorf("write after revision %d is at %d, want the next one", revision, next)
	}
}

func testCreateExisting(h *harness) {
	revision := h.create("/a", "1")
	_, err := h.store.Create(h.ctx, "/a", []byte("2"), 0)
	h.wantErr("Create of an existing key", err, store.ErrExists)
	h.wantEntry("entry after that", h.get("/a"), store.Entry{Key: "/a", Value: []byte("1"), CreateRevision: revision, ModRevision: revision})
	if now := h.revision(); now != revision {
		h.Errorf("failed Create moved the revision from %d to %d", revision, now)
	}
}

func testGetMissing(h *harness) {
	h.create("/a/b", "1")
	for _, key := range []string{"/a", "/a/", "/a/b/", "/a/bc"} {
		_, err := h.store.Get(h.ctx, key)
		h.wantErr("Get of "+key, err, store.ErrNotFound)
	}
}

func testUpdate(h *harness) {
	created := h.create("/a", "1")
	updated := h.update("/a", "2", created)
	if updated != created+1 {
		h.Errorf("update after revision %d is at %d, want the next one", created, updated)
	}
	h.wantEntry("updated entry", h.get("/a"), store.Entry{Key: "/a", Value: []byte("2"), CreateRevision: created, ModRevision: updated})
	// Writing the same value again is a write all the same.
	again := h.update("/a", "2", updated)
	h.wantEntry("entry updated to the same", h.get("/a"), store.Entry{Key: "/a", Value: []byte("2"), CreateRevision: created, ModRevision: again})
	if again != updated+1 {
		h.Errorf("update after revision %d is at %d, want the next one", updated, again)
	}
	h.update("/a", "", again)
	if value := h.get("/a").Value; len(value) != 0 {
		h.Errorf("entry updated to an empty value has %q", value)
	}
}

func testUpdateConflict(h *harness) {
	created := h.create("/a", "1")
	updated := h.update("/a", "2", created)
	want := store.Entry{Key: "/a", Value: []byte("2"), CreateRevision: created, ModRevision: updated}
	for _, expected := range []int64{created, updated + 1, updated + 100, 0} {
		_, err := h.store.Update(h.ctx, "/a", []byte("3"), expected, 0)
		h.wantConflict("Update", err, expected, want)
	}
	h.wantEntry("entry after conflicts", h.get("/a"), want)
	if now := h.revision(); now != updated {
		h.Errorf("failed Update moved the revision from %d to %d", updated, now)
	}
}

func testUpdateMissing(h *harness) {
	revision := h.create("/a/b", "1")
	for _, expected := range []int64{0, 1, revision} {
		_, err := h.store.Update(h.ctx, "/a", []byte("2"), expected, 0)
		h.wantErr("Update of a missing key", err, store.ErrNotFound)
	}
	h.delete("/a/b", revision)
	_, err := h.store.Update(h.ctx, "/a/b", []byte("2"), revision, 0)
	h.wantErr("Update of a deleted key", err, store.ErrNotFound)
	_, err = h.store.Get(h.ctx, "/a/b")
	h.wantErr("Get after failed Update", err, store.ErrNotFound)
}

func testDelete(h *harness) {
	a := h.create("/a", "1")
	b := h.create("/b", "2")
	deleted := h.delete("/a", a)
	if deleted != b+1 {
		h.Errorf("delete after revision %d is at %d, want the next one", b, deleted)
	}
	_, err := h.store.Get(h.ctx, "/a")
	h.wantErr("Get of a deleted key", err, store.ErrNotFound)
	h.wantKeys("what is left", h.list("", store.ListOptions{}).Entries, "/b")
}

func testDeleteConflict(h *harness) {
	created := h.create("/a", "1")
	updated := h.update("/a", "2", created)
	want := store.Entry{Key: "/a", Value: []byte("2"), CreateRevision: created, ModRevision: updated}
	for _, expected := range []int64{created, updated + 1, 0} {
		_, err := h.store.Delete(h.ctx, "/a", expected)
		h.wantConflict("Delete", err, expected, want)
	}
	h.wantEntry("entry after conflicts", h.get("/a"), want)
}

func testDeleteMissing(h *harness) {
	revision := h.create("/a/b", "1")
	for _, expected := range []int64{0, 1, revision} {
		_, err := h.store.Delete(h.ctx, "/a", expected)
		h.wantErr("Delete of a missing key", err, store.ErrNotFound)
	}
	h.delete("/a/b", revision)
	_, err := h.store.Delete(h.ctx, "/a/b", revision)
	h.wantErr("second Delete", err, store.ErrNotFound)
}

func testRecreate(h *harness) {
	first := h.create("/a", "1")
	h.delete("/a", first)
	second := h.create("/a", "2")
	want := store.Entry{Key: "/a", Value: []byte("2"), CreateRevision: second, ModRevision: second}
	h.wantEntry("entry created again", h.get("/a"), want)
	_, err := h.store.Update(h.ctx, "/a", []byte("3"), first, 0)
	h.wantConflict("Update of the entry before", err, first, want)
	_, err = h.store.Delete(h.ctx, "/a", first)
	h.wantConflict("Delete of the entry before", err, first, want)
}

func testRevision(h *harness) {
	last := h.revision()
	if last < 1 {
		h.Errorf("revision of a new store is %d; it must be above zero, which stands for the present", last)
	}
	for range 10 {
		revision := h.create("/a", "1")
		if now := h.revision(); now < revision {
			h.Errorf("Revision is %d after a write returned %d", now, revision)
		}
		revision = h.delete("/a", revision)
		if now := h.revision(); now < revision {
			h.Errorf("Revision is %d after a delete returned %d", now, revision)
		}
		if revision <= last {
			h.Errorf("revision went from %d to %d", last, revision)
		}
		last = revision
	}
}

func (h *harness) wantConflict(what string, err error, expected int64, current store.Entry) {
	h.Helper()
	h.wantErr(what, err, store.ErrConflict)
	var conflict *store.ConflictError
	if !errors.As(err, &conflict) {
		h.Errorf("%s: error %T is no *ConflictError", what, err)
		return
	}
	if conflict.Expected != expected {
		h.Errorf("%s: conflict says expected %d, was %d", what, conflict.Expected, expected)
	}
	h.wantEntry(what+": entry in the conflict", conflict.Current, current)
}
