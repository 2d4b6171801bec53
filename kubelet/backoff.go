package kubelet

import "time"

// The delays between restarts of a container that keeps ending, and between
// pulls of an image that keep failing.
const (
	backoffFirst = 10 * time.Second
	backoffMax   = 5 * time.Minute
)

// backoff is a table of growing delays, by container or image. A delay doubles
// each time it is used, and is forgotten when it was not for ten minutes.
type backoff map[string]backoffEntry

type backoffEntry struct {
	delay time.Duration
	used  time.Time
}

func (e backoffEntry) expired(at time.Time) bool { return at.Sub(e.used) > 2*backoffMax }

// until returns when key may be tried again after it failed at a time, and the
// delay that makes it so; a zero delay means now.
func (b backoff) until(key string, failed time.Time) (time.Time, time.Duration) {
	e, ok := b[key]
	if !ok || e.expired(failed) {
		return failed, 0
	}
	return failed.Add(e.delay), e.delay
}

// next makes key's delay longer, for its next failure. failed is the failure
// that is being recovered from.
func (b backoff) next(key string, failed, now time.Time) {
	e, ok := b[key]
	if !ok || e.expired(failed) {
		e.delay = backoffFirst
	} else {
		e.delay = min(2*e.delay, backoffMax)
	}
	e.used = now
	b[key] = e
}
