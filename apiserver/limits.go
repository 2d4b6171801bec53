package apiserver

import (
	"context"
	"net/http"
)

// How many requests are worked on at a time; more wait for their turn until
// their time is over.
const (
	maxReads  = 400
	maxWrites = 200
)

type limits struct{ reads, writes chan struct{} }

func newLimits() limits {
	return limits{reads: make(chan struct{}, maxReads), writes: make(chan struct{}, maxWrites)}
}

// acquire takes a place; false means that there was none in time.
func (l limits) acquire(ctx context.Context, r *http.Request) (release func(), ok bool) {
	places := l.writes
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		places = l.reads
	}
	select {
	case places <- struct{}{}:
		return func() { <-places }, true
	case <-ctx.Done():
		return nil, false
	}
}
