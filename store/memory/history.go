package memory

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/keelson-project/keelson/store"
)

// chunkSize is after how many changes history keeps a whole state again: the
// most that a list in the past has to replay.
const chunkSize = 256

// history is what has happened since the last compaction, cut into chunks.
type history struct {
	chunks []*chunk
}

// chunk is a state and the changes from it to the next chunk's.
type chunk struct {
	base   *state
	events []store.Event
}

// end is the revision after the last change of the chunk.
func (c *chunk) end() int64 { return c.base.revision + int64(len(c.events)) }

// reset forgets everything before st.
func (h *history) reset(st *state) { h.chunks = []*chunk{{base: st}} }

// start is the earliest revision that is still known.
func (h *history) start() int64 { return h.chunks[0].base.revision }

// append adds the change that leads away from the state before.
func (h *history) append(before *state, event store.Event) {
	last := h.chunks[len(h.chunks)-1]
	if len(last.events) == chunkSize {
		last = &chunk{base: before}
		h.chunks = append(h.chunks, last)
	}
	last.events = append(last.events, event)
}

// past is a state of the past: base with events applied.
type past struct {
	base   *state
	events []store.Event
}

// at finds the state at revision.
func (h *history) at(revision int64) (past, error) {
	c, err := h.find(revision)
	if err != nil {
		return past{}, err
	}
	return past{c.base, c.events[:revision-c.base.revision]}, nil
}

// after returns changes above revision, in order and without gap, but not
// necessarily all of them; none if there are none.
func (h *history) after(revision int64) ([]store.Event, error) {
	c, err := h.find(revision)
	if err != nil {
		return nil, err
	}
	return slices.Clip(c.events[revision-c.base.revision:]), nil
}

// find returns the last chunk that starts at or before revision.
func (h *history) find(revision int64) (*chunk, error) {
	if len(h.chunks) == 0 {
		return nil, store.ErrClosed
	}
	if revision < h.start() {
		return nil, fmt.Errorf("revision %d, history starts at %d: %w", revision, h.start(), store.ErrCompacted)
	}
	if end := h.chunks[len(h.chunks)-1].end(); revision > end {
		return nil, fmt.Errorf("revision %d, present is %d: %w", revision, end, store.ErrFutureRevision)
	}
	i := sort.Search(len(h.chunks), func(i int) bool { return h.chunks[i].base.revision > revision })
	return h.chunks[i-1], nil
}

// since returns the part of the history from revision on, which must be known
// and holds on to nothing earlier.
func (h *history) since(revision int64, present *state) history {
	var kept history
	if revision == present.revision {
		kept.reset(present)
		return kept
	}
	i := sort.Search(len(h.chunks), func(i int) bool { return h.chunks[i].base.revision > revision }) - 1
	cut := h.chunks[i]
	at := revision - cut.base.revision
	kept.chunks = append(kept.chunks, &chunk{
		base:   past{cut.base, cut.events[:at]}.restore(""),
		events: slices.Clone(cut.events[at:]),
	})
	kept.chunks = append(kept.chunks, h.chunks[i+1:]...)
	return kept
}

// restore makes the state of the past, as far as keys with prefix go.
func (p past) restore(prefix string) *state {
	if len(p.events) == 0 {
		return p.base
	}
	t := p.base.working()
	for i := range p.events {
		event := &p.events[i]
		switch {
		case !strings.HasPrefix(event.Entry.Key, prefix):
		case event.Type == store.Deleted:
			t.Delete(event.Entry.Key)
		default:
			t.Set(event.Entry.Key, &item{entry: event.Entry})
		}
	}
	return &state{tree: t, revision: p.base.revision + int64(len(p.events))}
}
