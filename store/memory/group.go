package memory

import (
	"fmt"
	"slices"
	"sort"
	"sync/atomic"

	"github.com/keelson-project/keelson/store"
)

const (
	// firstSegment and lastSegment bound how many events of a group lie in
	// one piece of memory, which is the most that a batch has.
	firstSegment = 8
	lastSegment  = 512
	// crowd is from how many sleepers on the writer leaves waking them to a
	// goroutine, which is then the cheaper thing for it to do.
	crowd = 8
)

// groups are the watchers by the prefix they watch.
type groups struct {
	byPrefix map[string]*group
	// lengths are those of the prefixes, each once and in ascending order:
	// looking up the start of a key at each of these lengths finds the
	// groups it belongs to.
	lengths []int
}

// group is the watchers of one prefix and the events they still have to read.
// The store's feed lock guards all of it but sleeping.
type group struct {
	prefix   string
	watchers int
	segments []segment
	// first and next are the numbers of the first event kept and of the next
	// one to come.
	first, next int
	// asked counts the requests for progress.
	asked int
	// bell is closed, and replaced, when there is something to read and
	// anybody sleeping.
	bell     chan struct{}
	sleeping atomic.Int32
}

// segment is events of a group in one piece of memory; number is that of the
// first. Watchers share it, so events are only ever added.
type segment struct {
	number int
	events []store.Event
}

// alarm is a bell to close and how many sleep on it.
type alarm struct {
	bell     chan struct{}
	sleepers int32
}

func (gs *groups) init() { gs.byPrefix = make(map[string]*group) }

// join counts one more watcher of prefix.
func (gs *groups) join(prefix string) *group {
	g, ok := gs.byPrefix[prefix]
	if !ok {
		g = &group{prefix: prefix, bell: make(chan struct{})}
		gs.byPrefix[prefix] = g
		if i, found := slices.BinarySearch(gs.lengths, len(prefix)); !found {
			gs.lengths = slices.Insert(gs.lengths, i, len(prefix))
		}
	}
	g.watchers++
	return g
}

// leave is the opposite of join.
func (gs *groups) leave(g *group) {
	if g.watchers--; g.watchers > 0 {
		return
	}
	delete(gs.byPrefix, g.prefix)
	for prefix := range gs.byPrefix {
		if len(prefix) == len(g.prefix) {
			return
		}
	}
	i, _ := slices.BinarySearch(gs.lengths, len(g.prefix))
	gs.lengths = slices.Delete(gs.lengths, i, i+1)
}

// append adds an event to the groups it is for and to alarms what is to be
// rung after that.
func (gs *groups) append(event store.Event, alarms []alarm) []alarm {
	key := event.Entry.Key
	for _, n := range gs.lengths {
		if n > len(key) {
			break
		}
		if g, ok := gs.byPrefix[key[:n]]; ok {
			g.append(event)
			alarms = g.wake(alarms)
		}
	}
	return alarms
}

// ask notes a request for progress with every group.
func (gs *groups) ask(alarms []alarm) []alarm {
	for _, g := range gs.byPrefix {
		g.asked++
		alarms = g.wake(alarms)
	}
	return alarms
}

// trim forgets events up to revision.
func (gs *groups) trim(revision int64) {
	for _, g := range gs.byPrefix {
		g.trim(revision)
	}
}

func (g *group) append(event store.Event) {
	last := len(g.segments) - 1
	if last < 0 || len(g.segments[last].events) == cap(g.segments[last].events) {
		size := firstSegment
		if last >= 0 {
			size = min(2*cap(g.segments[last].events), lastSegment)
		}
		g.segments = append(g.segments, segment{number: g.next, events: make([]store.Event, 0, size)})
		last++
	}
	g.segments[last].events = append(g.segments[last].events, event)
	g.next++
}

// take returns events from number on; none if there are none, and an error if
// the first of them is gone.
func (g *group) take(number int) ([]store.Event, error) {
	if number < g.first {
		return nil, fmt.Errorf("watch %q: too slow: %w", g.prefix, store.ErrCompacted)
	}
	if number == g.next {
		return nil, nil
	}
	i := sort.Search(len(g.segments), func(i int) bool { return g.segments[i].number > number }) - 1
	return slices.Clip(g.segments[i].events[number-g.segments[i].number:]), nil
}

func (g *group) trim(revision int64) {
	i := 0
	for i < len(g.segments) {
		events := g.segments[i].events
		if events[len(events)-1].Entry.ModRevision > revision {
			break
		}
		i++
	}
	g.segments = slices.Clone(g.segments[i:])
	g.first = g.next
	if len(g.segments) > 0 {
		g.first = g.segments[0].number
	}
}

// sleep returns a channel that is closed when there is something new to read.
func (g *group) sleep() <-chan struct{} {
	g.sleeping.Add(1)
	return g.bell
}

// wake adds the group's bell to alarms if anybody sleeps.
func (g *group) wake(alarms []alarm) []alarm {
	sleepers := g.sleeping.Swap(0)
	if sleepers == 0 {
		return alarms
	}
	alarms = append(alarms, alarm{g.bell, sleepers})
	g.bell = make(chan struct{})
	return alarms
}

// ring closes the bells. The caller holds writing.
func (s *Store) ring(alarms []alarm) {
	for _, a := range alarms {
		if a.sleepers < crowd {
			close(a.bell)
		} else {
			s.running.Go(func() { close(a.bell) })
		}
	}
}
