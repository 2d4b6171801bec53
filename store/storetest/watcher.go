package storetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keelson-project/keelson/store"
)

// watcher reads a watch and checks of each batch what holds for all of them.
type watcher struct {
	batches <-chan store.Batch
	prefix  string
	// at is where the watch has got to, last the revision of its last event.
	at, last int64
	// known are the entries the events so far have left; their own history
	// must be consistent.
	known map[string]store.Entry
}

func (h *harness) watch(prefix string, after int64) *watcher {
	h.Helper()
	return h.watchCtx(h.ctx, prefix, after)
}

func (h *harness) watchCtx(ctx context.Context, prefix string, after int64) *watcher {
	h.Helper()
	batches, err := h.store.Watch(ctx, prefix, after)
	if err != nil {
		h.Fatalf("Watch(%q, %d): %v", prefix, after, err)
	}
	return &watcher{batches: batches, prefix: prefix, at: after, last: after, known: make(map[string]store.Entry)}
}

var (
	errEnded = errors.New("watch ended")
	errSlow  = errors.New("nothing arrived in time")
)

// next returns the next batch, or errEnded if the channel is closed.
func (w *watcher) next() (store.Batch, error) {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case batch, ok := <-w.batches:
		if !ok {
			return batch, errEnded
		}
		return batch, w.check(batch)
	case <-timeout.C:
		return store.Batch{}, fmt.Errorf("watch of %q at revision %d: %w", w.prefix, w.at, errSlow)
	}
}

// events reads until there are n events, and returns those.
func (w *watcher) events(n int) ([]store.Event, error) {
	var events []store.Event
	for len(events) < n {
		batch, err := w.next()
		if err != nil {
			return events, fmt.Errorf("after %d of %d events: %w", len(events), n, err)
		}
		if batch.Err != nil {
			return events, fmt.Errorf("after %d of %d events: %w", len(events), n, batch.Err)
		}
		events = append(events, batch.Events...)
	}
	if len(events) > n {
		return events, fmt.Errorf("got %d events, want %d; the first one too many: %s", len(events), n, showEvent(events[n]))
	}
	return events, nil
}

// reach reads until the watch has got to revision, and returns the events.
func (w *watcher) reach(revision int64) ([]store.Event, error) {
	var events []store.Event
	for w.at < revision {
		batch, err := w.next()
		if err != nil {
			return events, err
		}
		if batch.Err != nil {
			return events, batch.Err
		}
		events = append(events, batch.Events...)
	}
	return events, nil
}

// check tests a batch on its own and against those before it.
func (w *watcher) check(batch store.Batch) error {
	if batch.Err != nil {
		if len(batch.Events) > 0 {
			return fmt.Errorf("batch has both events and error %w", batch.Err)
		}
		return nil
	}
	// A revision is never split: this batch's events are all later than
	// anything before it, and than what was reported as reached.
	floor := max(w.at, w.last)
	for _, event := range batch.Events {
		revision := event.Entry.ModRevision
		if revision <= floor {
			return fmt.Errorf("event at or below revision %d, which the watch had got to: %s", floor, showEvent(event))
		}
		if revision < w.last {
			return fmt.Errorf("event out of order, after revision %d: %s", w.last, showEvent(event))
		}
		w.last = revision
		if err := w.checkEvent(event); err != nil {
			return err
		}
	}
	if batch.Revision < w.last {
		return fmt.Errorf("batch says revision %d, its last event is at %d", batch.Revision, w.last)
	}
	if batch.Revision < w.at {
		return fmt.Errorf("batch says revision %d, an earlier one %d", batch.Revision, w.at)
	}
	w.at = batch.Revision
	return nil
}

// checkEvent tests an event's shape, and that it follows from those before.
func (w *watcher) checkEvent(event store.Event) error {
	fail := func(why string) error { return fmt.Errorf("%s: %s", why, showEvent(event)) }
	entry := event.Entry
	if len(entry.Key) < len(w.prefix) || entry.Key[:len(w.prefix)] != w.prefix {
		return fail(fmt.Sprintf("event outside of prefix %q", w.prefix))
	}
	if event.Prev != nil {
		if event.Prev.Key != entry.Key || event.Prev.ModRevision >= entry.ModRevision {
			return fail("previous entry does not precede")
		}
		if before, ok := w.known[entry.Key]; ok && !equal(before, *event.Prev) {
			return fail("previous entry is not the last event's " + show(before))
		}
	}
	_, exists := w.known[entry.Key]
	switch event.Type {
	case store.Created:
		if event.Prev != nil {
			return fail("creation has a previous entry")
		}
		if entry.CreateRevision != entry.ModRevision {
			return fail("creation is not at its own revision")
		}
		if exists {
			return fail("creation of what exists")
		}
	case store.Updated:
		if entry.CreateRevision <= 0 || entry.CreateRevision >= entry.ModRevision {
			return fail("update is not after its creation")
		}
	case store.Deleted:
		if entry.Value != nil {
			return fail("deletion has a value")
		}
		delete(w.known, entry.Key)
		return nil
	default:
		return fail("event of an unknown type")
	}
	w.known[entry.Key] = entry
	return nil
}

func show(e store.Entry) string {
	return fmt.Sprintf("%q = %.40q (created %d, modified %d)", e.Key, e.Value, e.CreateRevision, e.ModRevision)
}

func showEvent(e store.Event) string {
	kind := map[store.EventType]string{store.Created: "Created", store.Updated: "Updated", store.Deleted: "Deleted"}[e.Type]
	if kind == "" {
		kind = fmt.Sprintf("EventType(%d)", e.Type)
	}
	if e.Prev == nil {
		return kind + " " + show(e.Entry)
	}
	return kind + " " + show(e.Entry) + ", was " + show(*e.Prev)
}
