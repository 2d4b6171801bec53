package cache

import "errors"

var (
	// ErrTooOld says that the events since the revision asked for are no
	// longer kept here.
	ErrTooOld = errors.New("events since that revision are no longer kept")
	// ErrLagged ends a watcher that fell too far behind, or whose cache lost
	// the thread of events: list again.
	ErrLagged = errors.New("watcher has missed events")
	// ErrRemoved ends the watchers of a resource that is no longer served.
	ErrRemoved = errors.New("resource is no longer served")
)
