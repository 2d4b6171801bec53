package memory

import (
	"time"

	"github.com/tidwall/btree"
)

// longest keeps deadlines from overflowing; it is 146 years.
const longest = time.Duration(1) << 62

// expiry is the order in which entries with a time to live go.
type expiry struct {
	// epoch is when the store's clock began.
	epoch time.Time
	// items are those with a deadline, the next one to go first.
	items *btree.BTreeG[*item]
	// timer fires at or before the first deadline; nil if it is not armed,
	// in which case there is no item.
	timer *time.Timer
	// due is when timer fires.
	due int64
}

func newExpiry(epoch time.Time) expiry {
	return expiry{epoch: epoch, items: btree.NewBTreeGOptions(sooner, btree.Options{NoLocks: true})}
}

func sooner(a, b *item) bool {
	if a.deadline != b.deadline {
		return a.deadline < b.deadline
	}
	return a.entry.Key < b.entry.Key
}

func (e *expiry) now() int64 { return int64(time.Since(e.epoch)) }

// add gives it a deadline. The item must not be shared yet.
func (e *expiry) add(it *item, ttl time.Duration) {
	it.deadline = e.now() + int64(min(ttl, longest))
	e.items.Set(it)
}

func (e *expiry) remove(it *item) {
	if it.deadline != 0 {
		e.items.Delete(it)
	}
}

func (e *expiry) clear() { e.items.Clear() }

// copy returns an expiry of the same items, without a timer.
func (e *expiry) copy() expiry { return expiry{epoch: e.epoch, items: e.items.Copy()} }

// schedule sees to it that the timer fires in time for the first deadline. It
// leaves a timer that fires too early alone: entries that are renewed all the
// time would else set it all the time. The caller holds writing.
func (s *Store) schedule() {
	first, ok := s.expiry.items.Min()
	if ok && s.expiry.timer != nil && s.expiry.due <= first.deadline {
		return
	}
	if s.expiry.timer != nil && s.expiry.timer.Stop() {
		s.running.Done()
	}
	s.expiry.timer = nil
	if !ok {
		return
	}
	s.expiry.due = first.deadline
	s.running.Add(1)
	s.expiry.timer = time.AfterFunc(time.Duration(first.deadline-s.expiry.now()), s.expire)
}

// expire deletes what is due, each entry at a revision of its own.
func (s *Store) expire() {
	defer s.running.Done()
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.present.Load() == nil {
		return
	}
	// This timer may have been replaced while waiting for the lock; then
	// there is one more, which finds nothing to do.
	now := s.expiry.now()
	for {
		first, ok := s.expiry.items.Min()
		if !ok || first.deadline > now {
			break
		}
		s.remove(s.present.Load(), first)
	}
	if s.expiry.due <= now {
		s.expiry.timer = nil
	}
	s.schedule()
}
