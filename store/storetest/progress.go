package storetest

func (h *harness) requestProgress() {
	h.Helper()
	if err := h.store.RequestProgress(h.ctx); err != nil {
		h.Fatalf("RequestProgress: %v", err)
	}
}

// testProgress asks for the progress of watches that have nothing to tell.
func testProgress(h *harness) {
	start := h.revision()
	quiet, past := h.watch("/quiet/", 0), h.watch("/quiet/", start)
	var last int64
	for range 3 {
		last = h.create("/busy", "v")
		last = h.delete("/busy", last)
	}
	h.requestProgress()
	for _, w := range []*watcher{quiet, past} {
		events, err := w.reach(last)
		if err != nil {
			h.Fatalf("watch of a quiet prefix: %v", err)
		}
		if len(events) > 0 {
			h.Errorf("watch of a quiet prefix got %s", showEvent(events[0]))
		}
	}
	// Again, though nothing has changed: the asker cannot know.
	h.requestProgress()
	for _, w := range []*watcher{quiet, past} {
		batch, err := w.next()
		if err != nil || batch.Err != nil {
			h.Fatalf("second request for progress: %v", err)
		}
		if batch.Revision < last {
			h.Errorf("progress says revision %d, want at least %d", batch.Revision, last)
		}
	}
}

// testProgressAfterEvents asks for progress right after writes: it may not
// overtake their events.
func testProgressAfterEvents(h *harness) {
	w, other := h.watch("/a/", 0), h.watch("/b/", 0)
	for range 50 {
		revision := h.delete("/a/1", h.create("/a/1", "v"))
		h.requestProgress()
		events, err := w.reach(revision)
		if err != nil {
			h.Fatal(err)
		}
		if len(events) != 2 {
			h.Fatalf("got %d events up to revision %d, want 2", len(events), revision)
		}
		if _, err := other.reach(revision); err != nil {
			h.Fatal(err)
		}
	}
}
