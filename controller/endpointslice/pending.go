package endpointslice

import (
	"strconv"
	"sync"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/keelson-project/keelson/controller/reconcile"
)

// patience is how long the cache may lag behind our own writes before it is trusted
// again.
const patience = time.Minute

// pending remembers writes that the cache has not shown yet, by service: planning on a
// cache that lags would write the same endpoints twice.
type pending struct {
	mu sync.Mutex
	of map[reconcile.Key]*awaited
}

type awaited struct {
	since   time.Time
	written map[string]uint64   // slice name → revision to see at least
	removed map[string]struct{} // slice name → to be seen no more
}

func (p *pending) get(service reconcile.Key) *awaited {
	if p.of == nil {
		p.of = make(map[reconcile.Key]*awaited)
	}
	if p.of[service] == nil {
		p.of[service] = &awaited{written: make(map[string]uint64), removed: make(map[string]struct{})}
	}
	return p.of[service]
}

func (p *pending) wrote(service reconcile.Key, slice *discoveryv1.EndpointSlice) {
	revision, err := strconv.ParseUint(slice.ResourceVersion, 10, 64)
	if err != nil {
		return // a server with opaque revisions: then conflicts are what protects us
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.get(service)
	a.written[slice.Name] = revision
	a.since = time.Now()
}

func (p *pending) removes(service reconcile.Key, name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.get(service)
	a.removed[name] = struct{}{}
	a.since = time.Now()
}

func (p *pending) forget(service reconcile.Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.of, service)
}

// wait compares what was written with the cached slices. It returns how long to wait
// at most for the cache to catch up, zero if it has.
func (p *pending) wait(service reconcile.Key, cached []*discoveryv1.EndpointSlice) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.of[service]
	if a == nil {
		return 0
	}
	revisions := make(map[string]uint64, len(cached))
	for _, slice := range cached {
		revisions[slice.Name], _ = strconv.ParseUint(slice.ResourceVersion, 10, 64)
	}
	for name, revision := range a.written {
		if revisions[name] >= revision {
			delete(a.written, name)
		}
	}
	for name := range a.removed {
		if _, there := revisions[name]; !there {
			delete(a.removed, name)
		}
	}
	left := time.Until(a.since.Add(patience))
	if len(a.written)+len(a.removed) == 0 || left <= 0 {
		delete(p.of, service)
		return 0
	}
	return left
}

// gone tells that a slice was seen deleted; it need not be awaited any more.
func (p *pending) gone(service reconcile.Key, name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a := p.of[service]; a != nil {
		delete(a.written, name)
		delete(a.removed, name)
	}
}
