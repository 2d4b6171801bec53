package registry

import (
	"sync"
	"time"

	"github.com/keelson-project/keelson/apiserver/cache"
)

// How many states a resource keeps for lists that are read page by page, and
// how long. Older pages come from the store's history.
const (
	maxPages = 8
	pagesFor = 2 * time.Minute
)

// pages are states that clients are in the midst of reading.
type pages struct {
	mu   sync.Mutex
	kept []page
}

type page struct {
	revision int64
	snap     *cache.Snapshot
	used     time.Time
}

func (p *pages) put(revision int64, s *cache.Snapshot) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expire(now)
	for i := range p.kept {
		if p.kept[i].revision == revision {
			p.kept[i].used = now
			return
		}
	}
	if len(p.kept) == maxPages {
		oldest := 0
		for i := range p.kept {
			if p.kept[i].used.Before(p.kept[oldest].used) {
				oldest = i
			}
		}
		p.kept = append(p.kept[:oldest], p.kept[oldest+1:]...)
	}
	p.kept = append(p.kept, page{revision, s, now})
}

func (p *pages) get(revision int64) *cache.Snapshot {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expire(now)
	for i := range p.kept {
		if p.kept[i].revision == revision {
			p.kept[i].used = now
			return p.kept[i].snap
		}
	}
	return nil
}

func (p *pages) expire(now time.Time) {
	keep := p.kept[:0]
	for _, k := range p.kept {
		if now.Sub(k.used) < pagesFor {
			keep = append(keep, k)
		}
	}
	clear(p.kept[len(keep):])
	p.kept = keep
}
