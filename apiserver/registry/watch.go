package registry

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/keelson-project/keelson/apiserver/cache"
)

// Change is one event of a [Watch].
type Change struct {
	Type watch.EventType
	Item *cache.Item
}

// Watch is a watch under way. It belongs to one goroutine, and must be closed.
type Watch struct {
	resource *Resource
	selector *Selector
	watcher  *cache.Watcher
	initial  []*cache.Item
	history  []*cache.Event
	// endInitial is the revision that the bookmark after the initial events
	// tells; zero if none is due.
	endInitial int64
}

// Watch begins a watch; options as for [Resource.List].
func (r *Resource) Watch(ctx context.Context, namespace string, opts *internalversion.ListOptions) (*Watch, error) {
	sel, err := r.Select(namespace, opts.LabelSelector, opts.FieldSelector)
	if err != nil {
		return nil, err
	}
	w := &Watch{resource: r, selector: sel}
	interest := sel.interest(r.Kind.Namespaced)
	initial := opts.SendInitialEvents != nil && *opts.SendInitialEvents
	if initial || opts.ResourceVersion == "" || opts.ResourceVersion == "0" {
		if err := r.atLeast(ctx, opts.ResourceVersion); err != nil {
			return nil, r.apiError(err, "")
		}
		snap, revision := r.cached.Snapshot()
		w.watcher = r.cached.WatchFrom(snap, interest)
		if initial || opts.SendInitialEvents == nil {
			w.initial = r.pick(snap, namespace, sel, "", 0)
		}
		if initial && opts.AllowWatchBookmarks {
			w.endInitial = revision
		}
		return w, nil
	}
	after, err := parseVersion(opts.ResourceVersion)
	if err != nil {
		return nil, err
	}
	w.watcher, err = r.cached.Watch(after, interest)
	if errors.Is(err, cache.ErrTooOld) {
		snap, _ := r.cached.Snapshot()
		w.watcher = r.cached.WatchFrom(snap, interest)
		if w.history, err = r.cached.History(ctx, after, snap); err != nil {
			w.Close()
		}
	}
	if err != nil {
		return nil, r.tooOld(err, after)
	}
	return w, nil
}

// tooOld is apiError for a watch.
func (r *Resource) tooOld(err error, after int64) error {
	api := r.apiError(err, "")
	if status, ok := api.(interface{ Status() metav1.Status }); ok && status.Status().Reason == metav1.StatusReasonExpired {
		return expiredWatch(after, r.cached.Floor())
	}
	return api
}

// Close ends the watch.
func (w *Watch) Close() { w.watcher.Close() }

// Woken receives when Next may have something.
func (w *Watch) Woken() <-chan struct{} { return w.watcher.Woken() }

// Progress returns a revision such that once Next has returned nil after this
// call, the watch has told everything up to it.
func (w *Watch) Progress() int64 { return w.resource.registry.cache.Revision() }

// InitialEnd returns, once, the revision of the initial events when they have
// all been told and their end is to be marked; zero otherwise.
func (w *Watch) InitialEnd() int64 {
	if len(w.initial) > 0 {
		return 0
	}
	revision := w.endInitial
	w.endInitial = 0
	return revision
}

// Initial reports whether the next change is one of the initial events.
func (w *Watch) Initial() bool { return len(w.initial) > 0 }

// Next returns the next change, or nil if there is none yet. An error ends the
// watch.
func (w *Watch) Next() (*Change, error) {
	if len(w.initial) > 0 {
		it := w.initial[0]
		w.initial[0] = nil
		w.initial = w.initial[1:]
		return w.change(watch.Added, it)
	}
	for {
		var ev *cache.Event
		if len(w.history) > 0 {
			ev = w.history[0]
			w.history[0] = nil
			w.history = w.history[1:]
		} else {
			var err error
			if ev, err = w.watcher.Next(); err != nil || ev == nil {
				return nil, err
			}
		}
		if typ, it := w.selector.event(ev); it != nil {
			return w.change(typ, it)
		}
	}
}

func (w *Watch) change(typ watch.EventType, it *cache.Item) (*Change, error) {
	shown, err := w.resource.show(it)
	if err != nil {
		return nil, err
	}
	return &Change{typ, shown}, nil
}

// event is what an event looks like through the selector; nil for nothing.
func (s *Selector) event(ev *cache.Event) (watch.EventType, *cache.Item) {
	if s.Everything() && s.namespace == "" {
		return [...]watch.EventType{cache.Added: watch.Added, cache.Modified: watch.Modified, cache.Removed: watch.Deleted}[ev.Type], ev.Item
	}
	now := ev.Type != cache.Removed && s.Matches(ev.Item)
	before := ev.Prev != nil && s.Matches(ev.Prev)
	switch {
	case now && before:
		return watch.Modified, ev.Item
	case now:
		return watch.Added, ev.Item
	case before:
		return watch.Deleted, ev.Left()
	}
	return "", nil
}

// Bookmark makes the item of a bookmark at a revision.
func (r *Resource) Bookmark(revision int64, end InitialEvents) *cache.Item {
	obj := r.New()
	if end {
		obj.SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
	}
	if tagging(obj) != 0 {
		obj.GetObjectKind().SetGroupVersionKind(r.GVK)
	}
	source := r.hub
	if r.shown != nil {
		source = r.shown
	}
	return cache.NewItem(source, "", nil, obj, revision)
}

// InitialEvents says whether a bookmark marks the end of the initial events.
type InitialEvents bool
