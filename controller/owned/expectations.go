package owned

import (
	"sync"
	"time"

	"github.com/keelson-project/keelson/controller/reconcile"
)

// expectationsExpire is how long a controller waits for its cache to show what it
// did, before it trusts the cache again.
const expectationsExpire = 5 * time.Minute

// Expectations remember, per owner, the creations and deletions that were asked of
// the API server and have not been seen in the cache, so that the controller does not
// do them twice. Safe for concurrent use. The zero value is ready.
type Expectations struct {
	mu sync.Mutex
	of map[reconcile.Key]*expectation
}

type expectation struct {
	creations int
	deletions map[reconcile.Key]struct{}
	since     time.Time
}

func (e *Expectations) get(owner reconcile.Key) *expectation {
	if e.of == nil {
		e.of = make(map[reconcile.Key]*expectation)
	}
	x := e.of[owner]
	if x == nil {
		x = &expectation{deletions: make(map[reconcile.Key]struct{})}
		e.of[owner] = x
	}
	return x
}

// ExpectCreations adds n creations to wait for.
func (e *Expectations) ExpectCreations(owner reconcile.Key, n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	x := e.get(owner)
	x.creations += n
	x.since = time.Now()
}

// ExpectDeletion adds the deletion of child to wait for.
func (e *Expectations) ExpectDeletion(owner, child reconcile.Key) {
	e.mu.Lock()
	defer e.mu.Unlock()
	x := e.get(owner)
	x.deletions[child] = struct{}{}
	x.since = time.Now()
}

// Created tells that one of the expected creations was seen, or failed.
func (e *Expectations) Created(owner reconcile.Key) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if x := e.of[owner]; x != nil && x.creations > 0 {
		x.creations--
	}
}

// Deleted tells that the deletion of child was seen, or failed.
func (e *Expectations) Deleted(owner, child reconcile.Key) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if x := e.of[owner]; x != nil {
		delete(x.deletions, child)
	}
}

// Forget drops what is expected for an owner that is gone.
func (e *Expectations) Forget(owner reconcile.Key) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.of, owner)
}

// Pending returns how long to wait at most before acting on the cache again; zero
// when everything expected was seen or the wait is over.
func (e *Expectations) Pending(owner reconcile.Key) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	x := e.of[owner]
	if x == nil {
		return 0
	}
	left := time.Until(x.since.Add(expectationsExpire))
	if (x.creations == 0 && len(x.deletions) == 0) || left <= 0 {
		delete(e.of, owner)
		return 0
	}
	return left
}
