package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/store"
	"github.com/keelson-project/keelson/store/memory"
)

// source keeps config maps, and counts how often it decodes and encodes.
func source(decoded, encoded *atomic.Int64) *Source {
	return &Source{
		StorageKey: "configmaps",
		Decode: func(value []byte) (kinds.Object, error) {
			decoded.Add(1)
			cm := &corev1.ConfigMap{}
			return cm, cm.Unmarshal(value)
		},
		Encode: func(obj kinds.Object, _ Form) ([]byte, error) {
			encoded.Add(1)
			return obj.(*corev1.ConfigMap).Marshal()
		},
		Fields: func(obj kinds.Object) fields.Set { return fields.Set{"metadata.name": obj.GetName()} },
	}
}

// fixture is a cache that runs over a store until the test ends.
type fixture struct {
	st               store.Store
	cache            *Cache
	res              *Resource
	decoded, encoded atomic.Int64
}

func run(t *testing.T, st store.Store) *fixture {
	t.Helper()
	f := &fixture{st: st, cache: New(st, "/registry/", slog.New(slog.DiscardHandler))}
	var err error
	if f.res, err = f.cache.Add(t.Context(), source(&f.decoded, &f.encoded)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := f.cache.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	<-f.cache.Ready()
	return f
}

func configMap(name, data string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}, Data: map[string]string{"k": data}}
}

// create writes as a registry does: announced.
func (f *fixture) create(t *testing.T, name, data string) *Item {
	t.Helper()
	cm := configMap(name, data)
	value, err := cm.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	w := f.res.Begin("ns/"+name, value, cm)
	revision, err := f.st.Create(t.Context(), f.res.Prefix()+"ns/"+name, value, 0)
	if err != nil {
		w.Abort()
		t.Fatal(err)
	}
	return w.Commit(revision)
}

func TestDecodedAndEncodedOnce(t *testing.T) {
	st := memory.New()
	t.Cleanup(func() { _ = st.Close() })
	f := run(t, st)
	it := f.create(t, "a", "1")
	if _, err := f.cache.Fresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	snap, _ := f.res.Snapshot()
	if snap.Get("ns/a") != it {
		t.Error("the writer's item is not the one that came back")
	}
	for range 3 {
		if _, err := it.Bytes(Protobuf); err != nil {
			t.Fatal(err)
		}
	}
	if f.decoded.Load() != 0 || f.encoded.Load() != 1 {
		t.Errorf("decoded %d times, encoded %d", f.decoded.Load(), f.encoded.Load())
	}
	if len(f.cache.pending) != 0 {
		t.Errorf("announced writes are left: %v", f.cache.pending)
	}
	// A write that nobody announced has to be decoded.
	value, err := configMap("b", "2").Marshal()
	if err != nil {
		t.Fatal(err)
	}
	revision, err := st.Create(t.Context(), f.res.Prefix()+"ns/b", value, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.cache.WaitFor(t.Context(), revision); err != nil {
		t.Fatal(err)
	}
	if f.decoded.Load() != 1 {
		t.Errorf("decoded %d times", f.decoded.Load())
	}
}

// TestWatchersSeeWhatSnapshotsShow lets writers race, and checks that a watcher
// that starts anywhere arrives at the same state as everybody else.
func TestWatchersSeeWhatSnapshotsShow(t *testing.T) {
	st := memory.New()
	t.Cleanup(func() { _ = st.Close() })
	f := run(t, st)
	ctx, cancel := context.WithCancel(t.Context())
	var writers, watchers sync.WaitGroup
	for i := range 4 {
		writers.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), 1))
			for n := range 300 {
				name := fmt.Sprintf("cm-%d", rnd.IntN(20))
				key := f.res.Prefix() + "ns/" + name
				value, err := configMap(name, fmt.Sprint(i, n)).Marshal()
				if err != nil {
					t.Error(err)
					return
				}
				e, err := st.Get(ctx, key)
				switch {
				case errors.Is(err, store.ErrNotFound):
					_, _ = st.Create(ctx, key, value, 0) // others may be faster
				case rnd.IntN(3) == 0:
					_, _ = st.Delete(ctx, key, e.ModRevision)
				default:
					w := f.res.Begin("ns/"+name, value, configMap(name, fmt.Sprint(i, n)))
					if revision, err := st.Update(ctx, key, value, e.ModRevision, 0); err != nil {
						w.Abort()
					} else if it := w.Commit(revision); it.Revision != revision {
						t.Errorf("item at %d, written at %d", it.Revision, revision)
					}
				}
			}
		})
	}
	for range 4 {
		snap, _ := f.res.Snapshot()
		state := map[string]int64{}
		snap.Ascend("", "", func(it *Item) bool { state[it.Key] = it.Revision; return true })
		w := f.res.WatchFrom(snap, Interest{})
		watchers.Go(func() {
			defer w.Close()
			last, done := snap.Revision(), false
			for {
				ev, err := w.Next()
				if err != nil {
					t.Error(err)
					return
				}
				if ev == nil && done {
					f.compare(t, state)
					return
				}
				if ev == nil {
					select {
					case <-w.Woken():
					case <-ctx.Done():
						done = true // but for what is left
					}
					continue
				}
				if ev.Revision <= last {
					t.Errorf("event at %d after %d", ev.Revision, last)
				}
				last = ev.Revision
				if (ev.Prev == nil) != (state[ev.Item.Key] == 0) || ev.Prev != nil && ev.Prev.Revision != state[ev.Item.Key] {
					t.Errorf("%s at %d: before it was %v, known %d", ev.Item.Key, ev.Revision, ev.Prev, state[ev.Item.Key])
				}
				if ev.Type == Removed {
					delete(state, ev.Item.Key)
				} else {
					state[ev.Item.Key] = ev.Revision
				}
			}
		})
	}
	writers.Wait()
	if _, err := f.cache.Fresh(ctx); err != nil {
		t.Fatal(err)
	}
	cancel()
	watchers.Wait()
	l, err := st.List(context.Background(), f.res.Prefix(), store.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	snap, _ := f.res.Snapshot()
	if snap.Len() != len(l.Entries) {
		t.Errorf("%d objects, stored %d", snap.Len(), len(l.Entries))
	}
	for _, e := range l.Entries {
		if it := snap.Get(e.Key[len(f.res.Prefix()):]); it == nil || it.Revision != e.ModRevision {
			t.Errorf("%s: %v, stored at %d", e.Key, it, e.ModRevision)
		}
	}
}

// compare compares what a watcher has gathered with the cache.
func (f *fixture) compare(t *testing.T, state map[string]int64) {
	snap, _ := f.res.Snapshot()
	if snap.Len() != len(state) {
		t.Errorf("watcher knows %d objects, there are %d", len(state), snap.Len())
	}
	snap.Ascend("", "", func(it *Item) bool {
		if state[it.Key] != it.Revision {
			t.Errorf("watcher knows %s at %d, it is at %d", it.Key, state[it.Key], it.Revision)
		}
		return true
	})
}

func TestSlowWatcherLags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		t.Cleanup(func() { _ = st.Close() })
		f := run(t, st)
		snap, _ := f.res.Snapshot()
		w := f.res.WatchFrom(snap, Interest{})
		for i := range minEvents + 2 {
			f.create(t, fmt.Sprintf("cm-%d", i), "")
		}
		time.Sleep(keepFor + time.Second)
		f.create(t, "last", "")
		synctest.Wait()
		if _, err := w.Next(); !errors.Is(err, ErrLagged) {
			t.Errorf("slow watcher: %v", err)
		}
		w.Close()
		if _, err := f.res.Watch(2, Interest{}); !errors.Is(err, ErrTooOld) {
			t.Errorf("old revision: %v", err)
		}
		events, err := f.res.History(t.Context(), 2, func() *Snapshot { s, _ := f.res.Snapshot(); return s }())
		if err != nil || len(events) < minEvents {
			t.Errorf("history: %d events, %v", len(events), err)
		}
	})
}

// broken is a store whose watches end when told.
type broken struct {
	store.Store
	fail chan struct{}
}

func (b *broken) Watch(ctx context.Context, prefix string, after int64) (<-chan store.Batch, error) {
	ctx, cancel := context.WithCancel(ctx)
	in, err := b.Store.Watch(ctx, prefix, after)
	if err != nil {
		cancel()
		return nil, err
	}
	out := make(chan store.Batch)
	go func() {
		defer close(out)
		defer cancel()
		for {
			select {
			case batch, ok := <-in:
				if !ok {
					return
				}
				out <- batch
			case <-b.fail:
				out <- store.Batch{Err: store.ErrCompacted}
				return
			}
		}
	}()
	return out, nil
}

// TestRelist loses the watch of the store, and changes on the way.
func TestRelist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &broken{Store: memory.New(), fail: make(chan struct{})}
		t.Cleanup(func() { _ = st.Close() })
		f := run(t, st)
		f.create(t, "a", "1")
		synctest.Wait()
		snap, _ := f.res.Snapshot()
		w := f.res.WatchFrom(snap, Interest{Namespace: "ns", Name: "a"})
		defer w.Close()
		<-w.Woken()
		st.fail <- struct{}{}
		e, err := st.Get(t.Context(), f.res.Prefix()+"ns/a")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := st.Delete(t.Context(), e.Key, e.ModRevision); err != nil {
			t.Fatal(err)
		}
		f.create(t, "b", "2")
		if _, err := f.cache.Fresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-w.Woken()
		if _, err := w.Next(); !errors.Is(err, ErrLagged) {
			t.Errorf("watcher over the gap: %v", err)
		}
		snap, _ = f.res.Snapshot()
		if snap.Get("ns/a") != nil || snap.Get("ns/b") == nil {
			t.Error("the gap is still there")
		}
		if len(f.cache.pending) != 0 {
			t.Errorf("announced writes are left: %v", f.cache.pending)
		}
	})
}

func TestInterest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		t.Cleanup(func() { _ = st.Close() })
		f := run(t, st)
		snap, _ := f.res.Snapshot()
		one := f.res.WatchFrom(snap, Interest{Namespace: "ns", Name: "a"})
		other := f.res.WatchFrom(snap, Interest{Namespace: "other"})
		defer one.Close()
		defer other.Close()
		<-one.Woken()
		<-other.Woken()
		f.create(t, "b", "")
		synctest.Wait()
		if len(one.Woken())+len(other.Woken()) != 0 {
			t.Error("woken for nothing")
		}
		f.create(t, "a", "")
		synctest.Wait()
		if len(one.Woken()) != 1 || len(other.Woken()) != 0 {
			t.Error("not woken, or the wrong one")
		}
		for i := range wakeAllEvery {
			f.create(t, fmt.Sprintf("x-%d", i), "")
		}
		synctest.Wait()
		if len(other.Woken()) != 1 {
			t.Error("left behind")
		}
	})
}

// TestIndex gives objects other terms and compares what is found by them with
// what looking at all objects finds.
func TestIndex(t *testing.T) {
	st := memory.New()
	t.Cleanup(func() { _ = st.Close() })
	var decoded, encoded atomic.Int64
	s := source(&decoded, &encoded)
	s.Terms = func(it *Item) []string { return strings.Fields(it.Object.(*corev1.ConfigMap).Data["k"]) }
	c := New(st, "/registry/", slog.New(slog.DiscardHandler))
	res, err := c.Add(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := c.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	<-c.Ready()
	check := func() {
		t.Helper()
		if _, err := c.Fresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		snap, _ := res.Snapshot()
		want := map[string][]string{}
		snap.Ascend("", "", func(it *Item) bool {
			for _, v := range strings.Fields(it.Object.(*corev1.ConfigMap).Data["k"]) {
				want[v] = append(want[v], it.Key)
			}
			return true
		})
		for _, v := range []string{"x", "y"} {
			var got []string
			snap.AscendTerm(v, "", func(it *Item) bool {
				if snap.Get(it.Key) != it {
					t.Errorf("%s under %s is an old one", it.Key, v)
				}
				got = append(got, it.Key)
				return true
			})
			if !slices.Equal(got, want[v]) {
				t.Errorf("under %s there are %v, want %v", v, got, want[v])
			}
			if len(got) > 1 {
				snap.AscendTerm(v, got[1], func(it *Item) bool {
					if it.Key != got[1] {
						t.Errorf("from %s on the first is %s", got[1], it.Key)
					}
					return false
				})
			}
		}
	}
	values := []string{"", "x", "y", "x y"}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		name := fmt.Sprintf("c%d", rnd.IntN(10))
		key := res.Prefix() + "ns/" + name
		value, err := configMap(name, values[rnd.IntN(4)]).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		now, err := st.Get(t.Context(), key)
		switch {
		case errors.Is(err, store.ErrNotFound):
			_, err = st.Create(t.Context(), key, value, 0)
		case err != nil:
		case rnd.IntN(4) == 0:
			_, err = st.Delete(t.Context(), key, now.ModRevision)
		default:
			_, err = st.Update(t.Context(), key, value, now.ModRevision, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		if rnd.IntN(5) == 0 {
			check()
		}
	}
	check()
}
