package memory_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/keelson-project/keelson/store"
	"github.com/keelson-project/keelson/store/memory"
)

// TestExpiryInBubble checks times to live to the nanosecond.
func TestExpiryInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		s := memory.New()
		defer s.Close()
		began := time.Now()
		must(s.Create(ctx, "/hour", nil, time.Hour))
		must(s.Create(ctx, "/minute", nil, time.Minute))
		must(s.Create(ctx, "/second", nil, time.Second))
		must(s.Create(ctx, "/ever", nil, 1<<63-1))
		renewed := must(s.Create(ctx, "/renewed", nil, time.Minute))
		watch := must(s.Watch(ctx, "/", 0))
		time.Sleep(30 * time.Second)
		must(s.Update(ctx, "/renewed", nil, renewed, time.Minute))

		for _, want := range []struct {
			key string
			at  time.Duration
		}{{"/second", time.Second}, {"/renewed", 30 * time.Second}, {"/minute", time.Minute}, {"/renewed", 90 * time.Second}, {"/hour", time.Hour}} {
			for batch := range watch {
				if len(batch.Events) == 0 {
					continue
				}
				// Delivered at once, except what happened while this slept.
				at := max(want.at, 30*time.Second)
				if key := batch.Events[0].Entry.Key; key != want.key || time.Since(began) != at {
					t.Errorf("event of %s after %v, want %s after %v", key, time.Since(began), want.key, at)
				}
				if len(batch.Events) > 1 {
					t.Errorf("batch has %d events", len(batch.Events))
				}
				break
			}
		}
	})
}

// TestForkExpires checks that a fork has the times to live of its origin.
func TestForkExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		origin := memory.New()
		must(origin.Create(ctx, "/a", nil, time.Minute))
		time.Sleep(40 * time.Second)
		fork := must(origin.Fork())
		defer fork.Close()
		if err := origin.Close(); err != nil {
			t.Fatal(err)
		}
		watch := must(fork.Watch(ctx, "/", 0))
		began := time.Now()
		<-watch
		if age := time.Since(began); age != 20*time.Second {
			t.Errorf("entry of a fork went after %v, want 20s", age)
		}
		if _, err := fork.Get(ctx, "/a"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get of an expired entry: %v", err)
		}
	})
}

// TestIdleStoreHasNoGoroutine makes a store, uses it and drops it unclosed.
func TestIdleStoreHasNoGoroutine(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s := memory.New()
	ctx, cancel := context.WithCancel(t.Context())
	watch := must(s.Watch(ctx, "/", 0))
	revision := must(s.Create(ctx, "/a", nil, time.Hour))
	<-watch
	cancel()
	for range watch {
	}
	must(s.Delete(t.Context(), "/a", revision))
}

// TestCloseLeavesNothing closes a store that is doing everything at once.
func TestCloseLeavesNothing(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s := memory.New()
	start := must(s.Revision(t.Context()))
	for range 100 {
		must(s.Watch(t.Context(), "/", 0))
	}
	for i := range 1000 {
		must(s.Create(t.Context(), "/"+string(rune(i+'0')), nil, time.Duration(i%3)*time.Millisecond))
	}
	for range 100 {
		must(s.Watch(t.Context(), "/", start))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
