package storetest

import (
	"context"
	"errors"

	"github.com/keelson-project/keelson/store"
)

// calls are all methods that take a context.
func (h *harness) calls(ctx context.Context, revision int64) map[string]func() error {
	return map[string]func() error{
		"Get":  func() error { _, err := h.store.Get(ctx, "/a"); return err },
		"List": func() error { _, err := h.store.List(ctx, "/", store.ListOptions{}); return err },
		"List at a revision": func() error {
			_, err := h.store.List(ctx, "/", store.ListOptions{Revision: revision})
			return err
		},
		"Create":                 func() error { _, err := h.store.Create(ctx, "/b", nil, 0); return err },
		"Update":                 func() error { _, err := h.store.Update(ctx, "/a", nil, revision, 0); return err },
		"Delete":                 func() error { _, err := h.store.Delete(ctx, "/a", revision); return err },
		"Watch":                  func() error { _, err := h.store.Watch(ctx, "/", 0); return err },
		"Watch after a revision": func() error { _, err := h.store.Watch(ctx, "/", revision); return err },
		"Revision":               func() error { _, err := h.store.Revision(ctx); return err },
		"RequestProgress":        func() error { return h.store.RequestProgress(ctx) },
		"Compact":                func() error { return h.store.Compact(ctx, revision) },
	}
}

func testContext(h *harness) {
	revision := h.create("/a", "1")
	cancelled, cancel := context.WithCancel(h.ctx)
	cancel()
	for name, call := range h.calls(cancelled, revision) {
		h.wantErr(name+" with a cancelled context", call(), context.Canceled)
	}
	expired, cancel := context.WithTimeout(h.ctx, 0)
	defer cancel()
	for name, call := range h.calls(expired, revision) {
		h.wantErr(name+" with an expired context", call(), context.DeadlineExceeded)
	}
	h.wantKeys("entries after that", h.list("", store.ListOptions{}).Entries, "/a")
	if now := h.revision(); now != revision {
		h.Errorf("calls with ended contexts moved the revision from %d to %d", revision, now)
	}
}

func testClose(h *harness) {
	revision := h.create("/a", "1")
	if err := h.store.Close(); err != nil {
		h.Fatalf("Close: %v", err)
	}
	for name, call := range h.calls(h.ctx, revision) {
		h.wantErr(name+" after Close", call(), store.ErrClosed)
	}
	if err := h.store.Close(); err != nil {
		h.Errorf("second Close: %v", err)
	}
}

func testCloseEndsWatches(h *harness) {
	read, unread, past := h.watch("/", 0), h.watch("/", 0), h.watch("/", h.revision())
	for range 100 {
		h.delete("/a", h.create("/a", "1"))
	}
	if _, err := read.events(200); err != nil {
		h.Fatal(err)
	}
	if err := h.store.Close(); err != nil {
		h.Fatalf("Close: %v", err)
	}
	for name, w := range map[string]*watcher{"read": read, "unread": unread, "past": past} {
		for {
			batch, err := w.next()
			if errors.Is(err, errEnded) {
				break
			}
			if err != nil {
				h.Fatalf("%s watch of a closed store: %v", name, err)
			}
			if batch.Err != nil {
				h.wantErr(name+" watch of a closed store", batch.Err, store.ErrClosed)
			}
		}
	}
}
