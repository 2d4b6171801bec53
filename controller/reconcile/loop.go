package reconcile

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Loop is a work queue of keys and the workers that take from it. A key waits in it
// once however often it is added, and is never worked on twice at a time; a key added
// while it is worked on is worked on again. A reconcile that fails is tried again
// after a pause that grows from 5 ms to 1000 s with each failure in a row.
//
// Workers exist only while there is work.
type Loop[K comparable] struct {
	name      string
	logger    *slog.Logger
	reconcile func(ctx context.Context, key K) error
	workers   int

	mu       sync.Mutex
	ctx      context.Context // nil before Run and after it
	closed   bool
	queue    []K
	dirty    map[K]struct{} // waiting, or to be done again
	busy     map[K]struct{}
	running  int
	failures map[K]int
	delayed  delays[K]
	timer    *time.Timer
	wg       sync.WaitGroup
}

// Option changes a loop.
type Option func(*options)

type options struct{ workers int }

// WithWorkers sets how many keys are worked on at the same time. The default is 5.
func WithWorkers(n int) Option {
	return func(o *options) { o.workers = max(1, n) }
}

// NewLoop returns a loop that calls reconcile for the keys added to it. Keys may be
// added before Run.
func NewLoop[K comparable](s *Shared, name string, reconcile func(ctx context.Context, key K) error, opts ...Option) *Loop[K] {
	o := options{workers: 5}
	for _, opt := range opts {
		opt(&o)
	}
	return &Loop[K]{
		name:      name,
		logger:    s.Logger.With("controller", name),
		reconcile: reconcile,
		workers:   o.workers,
		dirty:     make(map[K]struct{}),
		busy:      make(map[K]struct{}),
		failures:  make(map[K]int),
		delayed:   delays[K]{at: make(map[K]*delay[K])},
	}
}

// Add asks for key to be reconciled soon. It never blocks, and does nothing once the
// loop has ended.
func (l *Loop[K]) Add(key K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(key)
}

func (l *Loop[K]) add(key K) {
	if l.closed {
		return
	}
	if _, waiting := l.dirty[key]; waiting {
		return
	}
	l.dirty[key] = struct{}{}
	if _, working := l.busy[key]; working {
		return
	}
	l.queue = append(l.queue, key)
	l.hire()
}

// hire starts a worker if there is work and room for one.
func (l *Loop[K]) hire() {
	if l.ctx == nil || l.running >= min(l.workers, l.running+len(l.queue)) {
		return
	}
	l.running++
	ctx := l.ctx
	l.wg.Go(func() { l.work(ctx) })
}

// AddAfter asks for key to be reconciled when d has passed. Of several such requests
// for a key the earliest counts.
func (l *Loop[K]) AddAfter(key K, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addAfter(key, d)
}

func (l *Loop[K]) addAfter(key K, d time.Duration) {
	if l.closed {
		return
	}
	if d <= 0 {
		l.add(key)
		return
	}
	l.delayed.set(key, time.Now().Add(d))
	l.arm()
}

// arm sets the timer to the earliest delayed key.
func (l *Loop[K]) arm() {
	if len(l.delayed.heap) == 0 || l.closed {
		return
	}
	wait := max(0, time.Until(l.delayed.heap[0].when))
	if l.timer == nil {
		l.timer = time.AfterFunc(wait, l.due)
		return
	}
	l.timer.Reset(wait)
}

func (l *Loop[K]) due() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for len(l.delayed.heap) > 0 && !l.delayed.heap[0].when.After(now) {
		l.add(l.delayed.pop())
	}
	l.arm()
}

// Run works on keys until ctx ends, and returns nil when the last worker is done. A
// loop runs once.
func (l *Loop[K]) Run(ctx context.Context) error {
	l.mu.Lock()
	if l.closed || l.ctx != nil {
		l.mu.Unlock()
		return fmt.Errorf("controller %s: a loop runs once", l.name)
	}
	l.ctx = ctx
	for range min(l.workers, len(l.queue)) {
		l.hire()
	}
	l.mu.Unlock()

	<-ctx.Done()

	l.mu.Lock()
	l.closed = true
	l.ctx = nil
	if l.timer != nil {
		l.timer.Stop()
	}
	l.mu.Unlock()
	l.wg.Wait()
	return nil
}

func (l *Loop[K]) work(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.closed && ctx.Err() == nil && len(l.queue) > 0 {
		key := l.queue[0]
		var zero K
		l.queue[0] = zero
		l.queue = l.queue[1:]
		delete(l.dirty, key)
		l.busy[key] = struct{}{}

		l.mu.Unlock()
		err := l.call(ctx, key)
		l.mu.Lock()

		delete(l.busy, key)
		if _, again := l.dirty[key]; again {
			l.queue = append(l.queue, key)
		}
		if err == nil {
			delete(l.failures, key)
			continue
		}
		if ctx.Err() != nil {
			break
		}
		n := l.failures[key]
		l.failures[key] = n + 1
		l.report(key, err, n)
		l.addAfter(key, pause(n))
	}
	l.running--
}

// call shields the other keys from a panic in one.
func (l *Loop[K]) call(ctx context.Context, key K) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return l.reconcile(ctx, key)
}

func (l *Loop[K]) report(key K, err error, failures int) {
	level := slog.LevelWarn
	if apierrors.IsConflict(err) || errors.Is(err, ErrTryAgain) {
		level = slog.LevelDebug
	}
	l.logger.Log(context.Background(), level, "reconcile failed", "key", key, "failures", failures+1, "err", err)
}

// ErrTryAgain, wrapped or bare, asks for another try and is no cause for a warning.
var ErrTryAgain = errors.New("try again")

const (
	firstPause = 5 * time.Millisecond
	lastPause  = 1000 * time.Second
)

// pause is how long to wait after the given number of failures before this one.
func pause(failures int) time.Duration {
	if failures >= 18 { // 5 ms << 18 is past the last pause
		return lastPause
	}
	return min(lastPause, firstPause<<failures)
}

// delay is a key that is to be added later.
type delay[K comparable] struct {
	key   K
	when  time.Time
	index int
}

// delays is a heap of delayed keys, the earliest first, each key in it once.
type delays[K comparable] struct {
	heap delayHeap[K]
	at   map[K]*delay[K]
}

func (d *delays[K]) set(key K, when time.Time) {
	if have, ok := d.at[key]; ok {
		if when.Before(have.when) {
			have.when = when
			heap.Fix(&d.heap, have.index)
		}
		return
	}
	entry := &delay[K]{key: key, when: when}
	d.at[key] = entry
	heap.Push(&d.heap, entry)
}

func (d *delays[K]) pop() K {
	entry := heap.Pop(&d.heap).(*delay[K])
	delete(d.at, entry.key)
	return entry.key
}

type delayHeap[K comparable] []*delay[K]

func (h delayHeap[K]) Len() int           { return len(h) }
func (h delayHeap[K]) Less(i, j int) bool { return h[i].when.Before(h[j].when) }
func (h delayHeap[K]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *delayHeap[K]) Push(x any) {
	entry := x.(*delay[K])
	entry.index = len(*h)
	*h = append(*h, entry)
}

func (h *delayHeap[K]) Pop() any {
	last := len(*h) - 1
	entry := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return entry
}
