package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/keelson-project/keelson/store"
)

// together runs work n times at once and fails on the first error of each.
func (h *harness) together(n int, work func(i int) error) {
	h.Helper()
	errs := make(chan error, n)
	for i := range n {
		go func() { errs <- work(i) }()
	}
	var all error
	for range n {
		all = errors.Join(all, <-errs)
	}
	if all != nil {
		h.Fatal(all)
	}
}

// testConcurrentCounter increments one counter from many sides by
// compare-and-swap: no update may be lost.
func testConcurrentCounter(h *harness) {
	const workers, each = 8, 50
	h.create("/counter", "0")
	w := h.watch("/counter", 0)
	h.together(workers, func(int) error {
		entry, err := h.store.Get(h.ctx, "/counter")
		if err != nil {
			return err
		}
		for done := 0; done < each; {
			n, err := strconv.Atoi(string(entry.Value))
			if err != nil {
				return err
			}
			_, err = h.store.Update(h.ctx, "/counter", strconv.AppendInt(nil, int64(n+1), 10), entry.ModRevision, 0)
			var conflict *store.ConflictError
			switch {
			case err == nil:
				done++
				if entry, err = h.store.Get(h.ctx, "/counter"); err != nil {
					return err
				}
			case errors.As(err, &conflict):
				// The entry in the conflict is as good as a read.
				entry = conflict.Current
			default:
				return err
			}
		}
		return nil
	})
	if got := string(h.get("/counter").Value); got != strconv.Itoa(workers*each) {
		h.Errorf("counter is %s, want %d", got, workers*each)
	}
	events, err := w.events(workers * each)
	if err != nil {
		h.Fatal(err)
	}
	for i, event := range events {
		if got := string(event.Entry.Value); got != strconv.Itoa(i+1) {
			h.Fatalf("watch has value %s where %d is due", got, i+1)
		}
	}
}

// testConcurrentCreate has many create the same keys: one of them succeeds.
func testConcurrentCreate(h *harness) {
	const workers, keys = 8, 50
	var mu sync.Mutex
	winners := make(map[string]int64)
	h.together(workers, func(i int) error {
		for k := range keys {
			key := fmt.Sprintf("/%d", k)
			revision, err := h.store.Create(h.ctx, key, strconv.AppendInt(nil, int64(i), 10), 0)
			if errors.Is(err, store.ErrExists) {
				continue
			}
			if err != nil {
				return err
			}
			mu.Lock()
			if first, won := winners[key]; won {
				err = fmt.Errorf("%s was created twice, at revisions %d and %d", key, first, revision)
			}
			winners[key] = revision
			mu.Unlock()
			if err != nil {
				return err
			}
		}
		return nil
	})
	if len(winners) != keys {
		h.Errorf("%d keys were created, want %d", len(winners), keys)
	}
	seen := make(map[int64]bool)
	for key, revision := range winners {
		if seen[revision] {
			h.Errorf("two writes at revision %d", revision)
		}
		seen[revision] = true
		if at := h.get(key).ModRevision; at != revision {
			h.Errorf("%s is at revision %d, its Create said %d", key, at, revision)
		}
	}
}

// testReadYourWrites has workers that read after each of their writes, by
// every way there is to read.
func testReadYourWrites(h *harness) {
	h.together(4, func(i int) error {
		prefix := fmt.Sprintf("/%d/", i)
		for n := range 50 {
			key := fmt.Sprint(prefix, n)
			revision, err := h.store.Create(h.ctx, key, nil, 0)
			if err != nil {
				return err
			}
			if _, err := h.store.Get(h.ctx, key); err != nil {
				return fmt.Errorf("get after create: %w", err)
			}
			result, err := h.store.List(h.ctx, prefix, store.ListOptions{})
			if err != nil {
				return err
			}
			if len(result.Entries) != n+1 || result.Revision < revision {
				return fmt.Errorf("list after a write at %d is at %d with %d entries, want %d", revision, result.Revision, len(result.Entries), n+1)
			}
			now, err := h.store.Revision(h.ctx)
			if err != nil {
				return err
			}
			if now < result.Revision {
				return fmt.Errorf("revision went back from %d to %d", result.Revision, now)
			}
			if _, err := h.store.List(h.ctx, prefix, store.ListOptions{Revision: now}); err != nil {
				return fmt.Errorf("list at the revision that Revision returned: %w", err)
			}
		}
		return nil
	})
}

// testLinearizable records what concurrent callers do to a few keys and has
// porcupine look for an order that explains all of it.
func testLinearizable(h *harness) {
	const workers, each, keys = 6, 150, 2
	began := time.Now()
	histories := make([][]porcupine.Operation, workers)
	h.together(workers, func(i int) error {
		random := rand.New(rand.NewPCG(uint64(i), 1))
		known := make(map[string]int64)
		for n := range each {
			in := operation{kind: random.IntN(4), key: fmt.Sprintf("/%d", random.IntN(keys)), value: fmt.Sprintf("%d.%d", i, n)}
			in.expected = known[in.key]
			called := time.Since(began)
			out, err := h.perform(in)
			if err != nil {
				return err
			}
			known[in.key] = out.modified
			histories[i] = append(histories[i], porcupine.Operation{
				ClientId: i, Input: in, Call: int64(called), Output: out, Return: int64(time.Since(began)),
			})
		}
		return nil
	})
	var history []porcupine.Operation
	for _, part := range histories {
		history = append(history, part...)
	}
	if result := porcupine.CheckOperationsTimeout(register, history, patience); result != porcupine.Ok {
		h.Errorf("history of %d operations is not linearizable: %v", len(history), result)
	}
}

const (
	opGet = iota
	opCreate
	opUpdate
	opDelete
)

// operation is a call; kind is one of the above.
type operation struct {
	kind       int
	key, value string
	expected   int64
}

// outcome is what a call returned: whether it did what it was to, and the
// entry as it then was, without any if modified is zero.
type outcome struct {
	ok       bool
	value    string
	modified int64
	// written is the revision of the write.
	written int64
}

func (h *harness) perform(in operation) (outcome, error) {
	var revision int64
	var err error
	switch in.kind {
	case opGet:
		entry, err := h.store.Get(h.ctx, in.key)
		if errors.Is(err, store.ErrNotFound) {
			return outcome{ok: true}, nil
		}
		return outcome{ok: true, value: string(entry.Value), modified: entry.ModRevision}, err
	case opCreate:
		revision, err = h.store.Create(h.ctx, in.key, []byte(in.value), 0)
	case opUpdate:
		revision, err = h.store.Update(h.ctx, in.key, []byte(in.value), in.expected, 0)
	case opDelete:
		revision, err = h.store.Delete(h.ctx, in.key, in.expected)
		if err == nil {
			return outcome{ok: true, written: revision}, nil
		}
	}
	var conflict *store.ConflictError
	switch {
	case err == nil:
		return outcome{ok: true, value: in.value, modified: revision, written: revision}, nil
	case errors.As(err, &conflict):
		return outcome{value: string(conflict.Current.Value), modified: conflict.Current.ModRevision}, nil
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrExists):
		return outcome{}, nil
	}
	return outcome{}, err
}

// entryState is a key's entry in the model, none if modified is zero; last is
// the revision of the last write to it.
type entryState struct {
	value          string
	modified, last int64
}

// register is the model of one key.
var register = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := make(map[string][]porcupine.Operation)
		for _, op := range history {
			key := op.Input.(operation).key
			byKey[key] = append(byKey[key], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return entryState{} },
	Step: func(state, input, output any) (bool, any) {
		return state.(entryState).step(input.(operation), output.(outcome))
	},
}

// step says whether the outcome is possible in this state, and what follows.
func (s entryState) step(in operation, out outcome) (bool, any) {
	exists := s.modified != 0
	next := entryState{value: out.value, modified: out.modified, last: out.written}
	switch in.kind {
	case opGet:
		return out.modified == s.modified && out.value == s.value, s
	case opCreate:
		if out.ok {
			return !exists && out.written > s.last, next
		}
		return exists, s
	default:
		if out.ok {
			return exists && s.modified == in.expected && out.written > s.last, next
		}
		if !exists {
			return out.modified == 0, s
		}
		return s.modified != in.expected && out.modified == s.modified && out.value == s.value, s
	}
}
