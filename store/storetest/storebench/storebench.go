// Package storebench measures implementations of [store.Store], all with the
// same operations on values of 1 KiB.
package storebench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/keelson-project/keelson/store"
)

// listed is how many entries the list benchmarks read.
const listed = 10000

// Run measures the stores that newStore makes, which it also has to close.
func Run(b *testing.B, newStore func(b *testing.B) store.Store) {
	value := make([]byte, 1024)
	b.Run("Get", func(b *testing.B) {
		s := newStore(b)
		fill(b, s, 1000, value)
		for i := 0; b.Loop(); i++ {
			if _, err := s.Get(b.Context(), key(i%1000)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Create", func(b *testing.B) {
		s := newStore(b)
		for i := 0; b.Loop(); i++ {
			if _, err := s.Create(b.Context(), key(i), value, 0); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("CreateParallel", func(b *testing.B) {
		s := newStore(b)
		var next atomic.Int64
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := s.Create(b.Context(), key(int(next.Add(1))), value, 0); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
	b.Run("Update", func(b *testing.B) {
		s := newStore(b)
		revisions := fill(b, s, 1000, value)
		for i := 0; b.Loop(); i++ {
			revision, err := s.Update(b.Context(), key(i%1000), value, revisions[i%1000], 0)
			if err != nil {
				b.Fatal(err)
			}
			revisions[i%1000] = revision
		}
	})
	b.Run("List10k", func(b *testing.B) {
		s := newStore(b)
		fill(b, s, listed, value)
		for b.Loop() {
			list(b, s, store.ListOptions{})
		}
	})
	b.Run("List10kPast", func(b *testing.B) {
		s := newStore(b)
		revisions := fill(b, s, listed+100, value)
		for b.Loop() {
			list(b, s, store.ListOptions{Revision: revisions[listed-1]})
		}
	})
	b.Run("ListPage", func(b *testing.B) {
		s := newStore(b)
		fill(b, s, listed, value)
		for b.Loop() {
			if _, err := s.List(b.Context(), "/", store.ListOptions{Start: key(listed / 2), Limit: 500}); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, watchers := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("Watch%d", watchers), func(b *testing.B) { watch(b, newStore(b), watchers, value) })
	}
	b.Run("CreateBeside1000Watches", func(b *testing.B) {
		s := newStore(b)
		for i := range 1000 {
			if _, err := s.Watch(b.Context(), fmt.Sprintf("/other/%d/", i), 0); err != nil {
				b.Fatal(err)
			}
		}
		for i := 0; b.Loop(); i++ {
			if _, err := s.Create(b.Context(), key(i), value, 0); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// watch writes, an iteration each, and waits until every watcher of the prefix
// has seen all of that.
func watch(b *testing.B, s store.Store, watchers int, value []byte) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var behind sync.WaitGroup
	target := make(chan struct{})
	var last atomic.Int64
	for range watchers {
		batches, err := s.Watch(ctx, "/", 0)
		if err != nil {
			b.Fatal(err)
		}
		behind.Go(func() {
			seen := int64(0)
			done := target
			for seen == 0 || last.Load() == 0 || seen < last.Load() {
				select {
				case batch := <-batches:
					if batch.Err != nil {
						b.Error(batch.Err)
						return
					}
					seen = max(seen, batch.Revision)
				case <-done:
					// Only wakes a reader that had seen all before.
					done = nil
				}
			}
		})
	}
	var revision int64
	writes := 0
	for ; b.Loop(); writes++ {
		var err error
		if revision, err = s.Create(ctx, key(writes), value, 0); err != nil {
			b.Fatal(err)
		}
	}
	// Delivery counts, too.
	b.StartTimer()
	last.Store(revision)
	close(target)
	behind.Wait()
	b.StopTimer()
	b.ReportMetric(float64(writes)*float64(watchers)/b.Elapsed().Seconds(), "events/s")
}

func list(b *testing.B, s store.Store, opts store.ListOptions) {
	result, err := s.List(b.Context(), "/", opts)
	if err != nil {
		b.Fatal(err)
	}
	if len(result.Entries) != listed {
		b.Fatalf("list has %d entries, want %d", len(result.Entries), listed)
	}
}

func fill(b *testing.B, s store.Store, n int, value []byte) []int64 {
	revisions := make([]int64, n)
	for i := range n {
		var err error
		if revisions[i], err = s.Create(b.Context(), key(i), value, 0); err != nil {
			b.Fatal(err)
		}
	}
	return revisions
}

func key(i int) string { return fmt.Sprintf("/registry/pods/default/pod-%07d", i) }
