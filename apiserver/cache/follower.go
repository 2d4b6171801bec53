package cache

import "errors"

// Follower says when something of a resource has changed, to whoever looks at
// the state then. It keeps nothing of the past as long as CatchUp is called,
// and belongs to one goroutine. A nil Follower never says anything.
type Follower struct {
	resource *Resource
	interest Interest
	watcher  *Watcher
}

// Follow begins to follow a resource from its present state on.
func (r *Resource) Follow(i Interest) *Follower {
	f := &Follower{resource: r, interest: i}
	f.begin()
	return f
}

func (f *Follower) begin() {
	f.watcher = f.resource.WatchFrom(f.Snapshot(), f.interest)
}

// Woken receives when there may be changes.
func (f *Follower) Woken() <-chan struct{} {
	if f == nil {
		return nil
	}
	return f.watcher.Woken()
}

// CatchUp passes over the changes so far, and reports whether there was one
// that matters; a nil function stands for all. Changes that cannot be seen any
// more matter. The error is [ErrRemoved], or nil.
func (f *Follower) CatchUp(matters func(*Event) bool) (changed bool, err error) {
	if f == nil {
		return false, nil
	}
	for {
		event, err := f.watcher.Next()
		switch {
		case errors.Is(err, ErrLagged):
			f.watcher.Close()
			f.begin()
			return true, nil
		case err != nil:
			return changed, err
		case event == nil:
			return changed, nil
		}
		changed = changed || matters == nil || matters(event)
	}
}

// Snapshot is the present state of what is followed.
func (f *Follower) Snapshot() *Snapshot {
	snap, _ := f.resource.Snapshot()
	return snap
}

// Close ends it.
func (f *Follower) Close() {
	if f != nil {
		f.watcher.Close()
	}
}
