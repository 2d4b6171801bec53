package memory_test

import (
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/keelson-project/keelson/store"
	"github.com/keelson-project/keelson/store/memory"
)

// TestWithHistory writes more than a bounded history holds.
func TestWithHistory(t *testing.T) {
	ctx := t.Context()
	s := memory.New(memory.WithHistory(100))
	defer s.Close()
	revision := must(s.Create(ctx, "/a", nil, 0))
	for range 2000 {
		revision = must(s.Update(ctx, "/a", nil, revision, 0))
		oldest := max(revision-100, 2)
		if _, err := s.List(ctx, "/", store.ListOptions{Revision: oldest}); err != nil {
			t.Fatalf("list at revision %d, present is %d: %v", oldest, revision, err)
		}
	}
	if _, err := s.List(ctx, "/", store.ListOptions{Revision: revision - 1000}); !errors.Is(err, store.ErrCompacted) {
		t.Errorf("list 1000 revisions ago: %v, want ErrCompacted", err)
	}
}

// TestCompactFrees checks that a replaced value is garbage after compaction,
// even with watches open, one of which nobody reads.
func TestCompactFrees(t *testing.T) {
	ctx := t.Context()
	s := memory.New()
	defer s.Close()
	read, unread := must(s.Watch(ctx, "/", 0)), must(s.Watch(ctx, "/", 0))
	freed := make(chan int, 1000)
	value := func(i int) []byte {
		v := make([]byte, 1<<12)
		runtime.AddCleanup(&v[0], func(i int) { freed <- i }, i)
		return v
	}
	revision := must(s.Create(ctx, "/a", value(0), 0))
	const n = 600
	for i := 1; i <= n; i++ {
		revision = must(s.Update(ctx, "/a", value(i), revision, 0))
	}
	for got := 0; got <= n; {
		got += len((<-read).Events)
	}
	if err := s.Compact(ctx, revision); err != nil {
		t.Fatal(err)
	}
	// The last value is in the store, the watch nobody reads may hold one
	// or two segments of its events. Everything else has to go.
	const want = n / 2
	deadline := time.After(30 * time.Second)
	for got := 0; got < want; {
		runtime.GC()
		select {
		case <-freed:
			got++
		case <-deadline:
			t.Fatalf("%d values of %d were freed", got, want)
		default:
			runtime.Gosched()
		}
	}
	for batch := range unread {
		if batch.Err != nil {
			if !errors.Is(batch.Err, store.ErrCompacted) {
				t.Errorf("watch nobody read ended with %v", batch.Err)
			}
			break
		}
	}
	if got := len(must(s.Get(ctx, "/a")).Value); got != 1<<12 {
		t.Errorf("value has %d bytes", got)
	}
}
