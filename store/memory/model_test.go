package memory_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/keelson-project/keelson/store"
	"github.com/keelson-project/keelson/store/memory"
)

// model is the store's contract in its plainest form: a whole map for every
// revision there ever was, and a list of all events.
type model struct {
	states    []map[string]store.Entry // by revision - 1
	events    []store.Event
	compacted int64
}

func (m *model) revision() int64 { return int64(len(m.states)) }

func (m *model) present() map[string]store.Entry { return m.states[len(m.states)-1] }

// write adds a state in which key has entry, or is gone if that is nil.
func (m *model) write(event store.Event) int64 {
	next := make(map[string]store.Entry, len(m.present())+1)
	for key, entry := range m.present() {
		next[key] = entry
	}
	if event.Type == store.Deleted {
		delete(next, event.Entry.Key)
	} else {
		next[event.Entry.Key] = event.Entry
	}
	m.states = append(m.states, next)
	m.events = append(m.events, event)
	return m.revision()
}

func (m *model) create(key string, value []byte) (int64, error) {
	if _, ok := m.present()[key]; ok {
		return 0, store.ErrExists
	}
	at := m.revision() + 1
	return m.write(store.Event{Type: store.Created, Entry: store.Entry{Key: key, Value: value, CreateRevision: at, ModRevision: at}}), nil
}

func (m *model) change(kind store.EventType, key string, value []byte, expected int64) (int64, error) {
	old, ok := m.present()[key]
	if !ok {
		return 0, store.ErrNotFound
	}
	if old.ModRevision != expected {
		return 0, store.ErrConflict
	}
	return m.write(store.Event{
		Type:  kind,
		Entry: store.Entry{Key: key, Value: value, CreateRevision: old.CreateRevision, ModRevision: m.revision() + 1},
		Prev:  &old,
	}), nil
}

func (m *model) check(revision int64) error {
	switch {
	case revision < m.compacted:
		return store.ErrCompacted
	case revision > m.revision():
		return store.ErrFutureRevision
	}
	return nil
}

func (m *model) list(prefix string, opts store.ListOptions) (store.ListResult, error) {
	revision := opts.Revision
	if revision == 0 {
		revision = m.revision()
	}
	if err := m.check(revision); err != nil {
		return store.ListResult{}, err
	}
	result := store.ListResult{Revision: revision}
	for key, entry := range m.states[revision-1] {
		if strings.HasPrefix(key, prefix) && key >= opts.Start {
			result.Entries = append(result.Entries, entry)
		}
	}
	slices.SortFunc(result.Entries, func(a, b store.Entry) int { return strings.Compare(a.Key, b.Key) })
	if n := len(result.Entries); opts.Limit > 0 && n > opts.Limit {
		result.Entries = result.Entries[:opts.Limit]
		result.Remaining = int64(n - opts.Limit)
	}
	return result, nil
}

func (m *model) watch(prefix string, after int64) ([]store.Event, error) {
	if err := m.check(after); err != nil {
		return nil, err
	}
	var events []store.Event
	for _, event := range m.events {
		if event.Entry.ModRevision > after && strings.HasPrefix(event.Entry.Key, prefix) {
			events = append(events, event)
		}
	}
	return events, nil
}

// FuzzModel runs a program against store and model alike; each pair of bytes
// is a step.
func FuzzModel(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		program := make([]byte, random.IntN(4000))
		for i := range program {
			program[i] = byte(random.Uint32())
		}
		f.Add(program)
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 1<<13 {
			t.Skip("long programs take the model's time only")
		}
		run(t, program)
	})
}

var prefixes = []string{"", "/", "/a", "/a/", "/a/1", "/b/", "/c", "/a/\xff"}

func run(t *testing.T, program []byte) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := memory.New()
	defer s.Close()
	m := &model{states: []map[string]store.Entry{{}}, compacted: 1}
	for i := 0; i+1 < len(program); i += 2 {
		what, arg := program[i], int(program[i+1])
		key := fmt.Sprintf("/%c/%d", 'a'+arg%3, arg/3%9)
		value := fmt.Append(nil, i)
		expected := m.present()[key].ModRevision
		if arg > 200 {
			expected -= 3
		}
		var got, want any
		var err, wantErr error
		switch {
		case what < 70:
			got, err = s.Create(ctx, key, value, 0)
			want, wantErr = m.create(key, value)
		case what < 170:
			got, err = s.Update(ctx, key, value, expected, 0)
			want, wantErr = m.change(store.Updated, key, value, expected)
		case what < 210:
			got, err = s.Delete(ctx, key, expected)
			want, wantErr = m.change(store.Deleted, key, nil, expected)
		case what < 235:
			prefix := prefixes[arg%len(prefixes)]
			opts := store.ListOptions{Limit: arg % 5, Revision: max(0, m.revision()+2-int64(what-210)*int64(arg)/4)}
			if arg%3 == 0 {
				opts.Start = key
			}
			got, err = s.List(ctx, prefix, opts)
			want, wantErr = m.list(prefix, opts)
		case what < 250:
			prefix := prefixes[arg%len(prefixes)]
			after := max(1, m.revision()+1-int64(what-235)*int64(arg)/3)
			want, wantErr = m.watch(prefix, after)
			var watch <-chan store.Batch
			if watch, err = s.Watch(ctx, prefix, after); err == nil {
				got = read(t, s, watch, m.revision())
			}
		case arg < 40:
			revision := max(1, m.revision()+1-int64(arg)*3)
			got, err = nil, s.Compact(ctx, revision)
			if wantErr = m.check(max(revision, m.compacted)); wantErr == nil {
				m.compacted = max(revision, m.compacted)
			}
		default:
			got, want = must(s.Revision(ctx)), m.revision()
		}
		if !errors.Is(err, wantErr) {
			t.Fatalf("step %d (%d, %d): error %v, want %v", i, what, arg, err, wantErr)
		}
		if wantErr == nil && !reflect.DeepEqual(normal(got), normal(want)) {
			t.Fatalf("step %d (%d, %d):\n got %v\nwant %v", i, what, arg, got, want)
		}
	}
}

// read returns what a watch delivers up to revision.
func read(t *testing.T, s store.Store, watch <-chan store.Batch, revision int64) []store.Event {
	if err := s.RequestProgress(t.Context()); err != nil {
		t.Fatal(err)
	}
	var events []store.Event
	for batch := range watch {
		if batch.Err != nil {
			t.Fatal(batch.Err)
		}
		events = append(events, batch.Events...)
		if batch.Revision >= revision {
			break
		}
	}
	return events
}

// normal makes results comparable: no difference between nil and empty.
func normal(result any) any {
	switch result := result.(type) {
	case store.ListResult:
		if len(result.Entries) == 0 {
			result.Entries = nil
		}
		return result
	case []store.Event:
		var text bytes.Buffer
		for _, event := range result {
			prev := store.Entry{}
			if event.Prev != nil {
				prev = *event.Prev
			}
			fmt.Fprintln(&text, event.Type, event.Entry, prev)
		}
		return text.String()
	}
	return result
}
