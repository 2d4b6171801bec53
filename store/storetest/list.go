package storetest

import (
	"fmt"
	"strings"

	"github.com/keelson-project/keelson/store"
)

func testListPrefix(h *harness) {
	keys := []string{"/a", "/a/", "/a/1", "/a/10", "/a/2", "/a/2/x", "/a0", "/b", "/b/1", "/b\xff", "/b\xff\xff", "/b\xff\xff1", "/c"}
	// Out of order, so that the order is the store's doing.
	for i := range keys {
		h.create(keys[(i*5)%len(keys)], "v")
	}
	for _, prefix := range []string{"", "/", "/a", "/a/", "/a/1", "/a/2/", "/b", "/b\xff", "/b\xff\xff", "/c", "/c/", "0", "\xff"} {
		var want []string
		for _, key := range keys {
			if strings.HasPrefix(key, prefix) {
				want = append(want, key)
			}
		}
		result := h.list(prefix, store.ListOptions{})
		h.wantKeys(fmt.Sprintf("List(%q)", prefix), result.Entries, want...)
		if now := h.revision(); result.Revision != now {
			h.Errorf("List(%q) is at revision %d, the store at %d", prefix, result.Revision, now)
		}
		if result.Remaining != 0 {
			h.Errorf("List(%q) without limit leaves %d remaining", prefix, result.Remaining)
		}
	}
	created := h.get("/a/1")
	updated := h.update("/a/1", "w", created.ModRevision)
	entries := h.list("/a/1", store.ListOptions{}).Entries
	h.wantKeys("list after update", entries, "/a/1", "/a/10")
	h.wantEntry("listed entry", entries[0], store.Entry{Key: "/a/1", Value: []byte("w"), CreateRevision: created.CreateRevision, ModRevision: updated})
}

func testListStart(h *harness) {
	for _, key := range []string{"/a/1", "/a/2", "/a/3", "/b/1"} {
		h.create(key, "v")
	}
	for _, tt := range []struct {
		start string
		want  []string
	}{
		{"", []string{"/a/1", "/a/2", "/a/3"}},
		{"/", []string{"/a/1", "/a/2", "/a/3"}},
		{"/a/2", []string{"/a/2", "/a/3"}},
		{"/a/2\x00", []string{"/a/3"}},
		{"/a/3\x00", nil},
		{"/b", nil},
		{"/b/1", nil},
	} {
		result := h.list("/a/", store.ListOptions{Start: tt.start})
		h.wantKeys(fmt.Sprintf("List(start %q)", tt.start), result.Entries, tt.want...)
		if result.Remaining != 0 {
			h.Errorf("List(start %q) without limit leaves %d remaining", tt.start, result.Remaining)
		}
	}
	result := h.list("", store.ListOptions{Start: "/a/3", Limit: 1})
	h.wantKeys("List of everything from a start", result.Entries, "/a/3")
	if result.Remaining != 1 {
		h.Errorf("List of everything from a start leaves %d remaining, want 1", result.Remaining)
	}
}

func testListLimit(h *harness) {
	const n = 10
	var want []string
	for i := range n {
		want = append(want, fmt.Sprintf("/a/%02d", i))
		h.create(want[i], "v")
	}
	h.create("/b", "v")
	for limit := 1; limit <= n+2; limit++ {
		// Pages at one revision, while others write.
		var got []store.Entry
		opts := store.ListOptions{Limit: limit}
		for {
			page := h.list("/a/", opts)
			if len(page.Entries) > limit {
				h.Fatalf("page of at most %d has %d", limit, len(page.Entries))
			}
			got = append(got, page.Entries...)
			if left := int64(n - len(got)); page.Remaining != left {
				h.Errorf("limit %d: page leaves %d remaining, want %d", limit, page.Remaining, left)
			}
			if opts.Revision != 0 && page.Revision != opts.Revision {
				h.Errorf("limit %d: page at revision %d says %d", limit, opts.Revision, page.Revision)
			}
			if page.Remaining == 0 || len(page.Entries) == 0 {
				break
			}
			opts.Revision = page.Revision
			opts.Start = page.Entries[len(page.Entries)-1].Key + "\x00"
			h.delete("/a/new", h.create("/a/new", "v"))
		}
		h.wantKeys(fmt.Sprintf("pages of %d", limit), got, want...)
	}
}

// testListLarge lists more than a store might read in one go.
func testListLarge(h *harness) {
	const n = 12000
	const workers = 16
	var written [n]int64
	h.together(workers, func(worker int) (err error) {
		for i := worker; i < n && err == nil; i += workers {
			key := fmt.Sprintf("/a/%05d", i)
			written[i], err = h.store.Create(h.ctx, key, []byte(key), 0)
		}
		return err
	})
	result := h.list("/a/", store.ListOptions{})
	if len(result.Entries) != n {
		h.Fatalf("list has %d entries, want %d", len(result.Entries), n)
	}
	for i, entry := range result.Entries {
		if i > 0 && entry.Key <= result.Entries[i-1].Key {
			h.Fatalf("list is out of order at %q", entry.Key)
		}
		key := fmt.Sprintf("/a/%05d", i)
		h.wantEntry("entry", entry, store.Entry{Key: key, Value: []byte(key), CreateRevision: written[i], ModRevision: written[i]})
	}
	result = h.list("/a/", store.ListOptions{Limit: n - 1})
	if len(result.Entries) != n-1 || result.Remaining != 1 {
		h.Errorf("list of all but one has %d entries and %d remaining, want %d and 1", len(result.Entries), result.Remaining, n-1)
	}
}

// testListPast lists at every revision of some history.
func testListPast(h *harness) {
	type past struct {
		revision int64
		entries  map[string]store.Entry
	}
	present := make(map[string]store.Entry)
	var history []past
	remember := func(revision int64) {
		entries := make(map[string]store.Entry, len(present))
		for key, entry := range present {
			entries[key] = entry
		}
		history = append(history, past{revision, entries})
	}
	remember(h.revision())
	// Creates, updates and deletes, each key going through all of them.
	for i := range 700 {
		key := fmt.Sprintf("/a/%d", (i*7)%11)
		value := fmt.Sprint(i)
		var revision int64
		switch old, ok := present[key]; {
		case !ok:
			revision = h.create(key, value)
			present[key] = store.Entry{Key: key, Value: []byte(value), CreateRevision: revision, ModRevision: revision}
		case i%3 == 0:
			revision = h.delete(key, old.ModRevision)
			delete(present, key)
		default:
			revision = h.update(key, value, old.ModRevision)
			present[key] = store.Entry{Key: key, Value: []byte(value), CreateRevision: old.CreateRevision, ModRevision: revision}
		}
		remember(revision)
	}
	for _, past := range history {
		result := h.list("/a/", store.ListOptions{Revision: past.revision})
		if result.Revision != past.revision {
			h.Errorf("list at revision %d says %d", past.revision, result.Revision)
		}
		if len(result.Entries) != len(past.entries) {
			h.Fatalf("list at revision %d has %d entries, want %d", past.revision, len(result.Entries), len(past.entries))
		}
		for _, entry := range result.Entries {
			h.wantEntry(fmt.Sprintf("entry at revision %d", past.revision), entry, past.entries[entry.Key])
		}
		page := h.list("/a/", store.ListOptions{Revision: past.revision, Limit: 2})
		if got, want := len(page.Entries)+int(page.Remaining), len(past.entries); got != want {
			h.Errorf("page at revision %d counts %d entries, want %d", past.revision, got, want)
		}
	}
}

func testListFuture(h *harness) {
	revision := h.create("/a", "1")
	_, err := h.store.List(h.ctx, "/", store.ListOptions{Revision: revision + 1})
	h.wantErr("List at the next revision", err, store.ErrFutureRevision)
	_, err = h.store.List(h.ctx, "/", store.ListOptions{Revision: revision + 1000})
	h.wantErr("List at a future revision", err, store.ErrFutureRevision)
	h.wantKeys("List at the present revision", h.list("/", store.ListOptions{Revision: revision}).Entries, "/a")
}
