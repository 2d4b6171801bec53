package memory_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/keelson-project/keelson/store"
	"github.com/keelson-project/keelson/store/memory"
	"github.com/keelson-project/keelson/store/storetest"
)

// TestForkStore runs the suite on stores that come of others.
func TestForkStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		origin := memory.New()
		t.Cleanup(func() { _ = origin.Close() })
		revision, err := origin.Create(t.Context(), "/a", nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := origin.Delete(t.Context(), "/a", revision); err != nil {
			t.Fatal(err)
		}
		fork, err := origin.Fork()
		if err != nil {
			t.Fatal(err)
		}
		return fork
	})
}

func TestForkIsIndependent(t *testing.T) {
	ctx := t.Context()
	origin := memory.New()
	defer origin.Close()
	const n = 100
	var last int64
	for i := range n {
		last = must(origin.Create(ctx, fmt.Sprintf("/%03d", i), []byte("origin"), 0))
	}
	fork := must(origin.Fork())
	defer fork.Close()
	if revision := must(fork.Revision(ctx)); revision != last {
		t.Errorf("fork is at revision %d, its origin at %d", revision, last)
	}
	for i := range n {
		key := fmt.Sprintf("/%03d", i)
		entry := must(fork.Get(ctx, key))
		switch i % 3 {
		case 0:
			must(fork.Update(ctx, key, []byte("fork"), entry.ModRevision, 0))
		case 1:
			must(origin.Delete(ctx, key, entry.ModRevision))
		}
	}
	for i := range n {
		key := fmt.Sprintf("/%03d", i)
		want := "origin"
		if i%3 == 0 {
			want = "fork"
		}
		if got := string(must(fork.Get(ctx, key)).Value); got != want {
			t.Errorf("fork has %s = %s, want %s", key, got, want)
		}
		switch entry, err := origin.Get(ctx, key); {
		case i%3 == 1:
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("origin, from which %s was deleted: %v", key, err)
			}
		case err != nil || string(entry.Value) != "origin":
			t.Errorf("origin has %s = %s, %v", key, entry.Value, err)
		}
	}
	if _, err := fork.Watch(ctx, "/", last-1); !errors.Is(err, store.ErrCompacted) {
		t.Errorf("watch of a fork from before it: %v, want ErrCompacted", err)
	}
	if err := fork.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := fork.Fork(); !errors.Is(err, store.ErrClosed) {
		t.Errorf("fork of a closed store: %v", err)
	}
	must(origin.Create(ctx, "/still", nil, 0))
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
