package etcd

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/metadata"

	"github.com/keelson-project/keelson/store"
)

const (
	// progressRetry is how soon a request for progress is repeated: etcd
	// drops it silently while the watch is behind.
	progressRetry = 50 * time.Millisecond
	// streamKey is the metadata that gives each watch a stream of its own.
	// etcd answers a request for progress only when all watches of a stream
	// have caught up and started, so none may share another's.
	streamKey = "keelson-watch"
)

var errWatchLost = errors.New("etcd: watch lost its connection")

// watch is an open watch.
type watch struct {
	store  *Store
	prefix string
	// ctx is that of the stream.
	ctx       context.Context
	responses clientv3.WatchChan
	out       chan store.Batch
	// asked has the revision that progress was last asked for, and is asked
	// anew only with a later one.
	asked chan int64
	// at is the revision up to which everything has been delivered.
	at int64
	// target is the revision that progress is owed up to; zero for none.
	target int64
}

// Watch implements [store.Store].
func (s *Store) Watch(ctx context.Context, prefix string, after int64) (<-chan store.Batch, error) {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	w := &watch{store: s, prefix: prefix, at: after, out: make(chan store.Batch, 1), asked: make(chan int64, 1)}
	if err := w.open(ctx); err != nil {
		done()
		return nil, err
	}
	go func() {
		// The store waits for done.
		defer done()
		w.run()
		s.mu.Lock()
		delete(s.watches, w)
		s.mu.Unlock()
		close(w.out)
	}()
	return w.out, nil
}

// open starts the stream and registers the watch.
func (w *watch) open(ctx context.Context) error {
	s := w.store
	w.ctx = metadata.AppendToOutgoingContext(clientv3.WithRequireLeader(ctx), streamKey, strconv.FormatInt(s.streams.Add(1), 36))
	from, end := s.keyRange(w.prefix)
	opts := []clientv3.OpOption{
		clientv3.WithRange(end), clientv3.WithPrevKV(), clientv3.WithProgressNotify(), clientv3.WithFragment(),
	}
	if w.at != 0 {
		// etcd would wait for a future revision, and start at one that
		// has just been compacted.
		if _, err := s.readAt(ctx, w.at); err != nil {
			return fmt.Errorf("watch %q after %d: %w", w.prefix, w.at, err)
		}
		w.responses = s.client.Watch(w.ctx, from, append(opts, clientv3.WithRev(w.at+1))...)
	} else {
		w.responses = s.client.Watch(w.ctx, from, append(opts, clientv3.WithCreatedNotify())...)
		select {
		case resp, ok := <-w.responses:
			if err := lost(ctx, resp, ok); err != nil {
				return explain(ctx, "watch", w.prefix, err)
			}
			w.at = resp.Header.Revision
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watches[w] = struct{}{}
	return nil
}

// run delivers until the stream or its context ends.
func (w *watch) run() {
	retry := time.NewTimer(progressRetry)
	defer retry.Stop()
	for {
		var batch store.Batch
		var due <-chan time.Time
		if w.target != 0 {
			due = retry.C
		}
		select {
		case resp, ok := <-w.responses:
			if w.ctx.Err() != nil {
				return
			}
			if err := lost(w.ctx, resp, ok); err != nil {
				w.send(store.Batch{Revision: w.at, Err: explain(w.ctx, "watch", w.prefix, err)})
				return
			}
			batch = w.read(resp)
		case target := <-w.asked:
			w.target = max(w.target, target)
			if w.at < w.target {
				w.request(retry)
				continue
			}
			// etcd need not be asked: nothing up to here can follow.
			batch = store.Batch{Revision: w.at}
		case <-due:
			w.request(retry)
			continue
		case <-w.ctx.Done():
			return
		}
		if batch.Revision == 0 {
			continue
		}
		w.at = batch.Revision
		if w.at >= w.target {
			w.target = 0
		}
		if !w.send(batch) {
			return
		}
	}
}

// request asks etcd for progress. A failure shows on the watch itself.
func (w *watch) request(retry *time.Timer) {
	retry.Reset(progressRetry)
	_ = w.store.client.RequestProgress(w.ctx)
}

func (w *watch) send(batch store.Batch) bool {
	select {
	case w.out <- batch:
		return true
	case <-w.ctx.Done():
		return false
	}
}

// read makes a batch of a response; one without revision is empty.
func (w *watch) read(resp clientv3.WatchResponse) store.Batch {
	if resp.IsProgressNotify() {
		return store.Batch{Revision: max(w.at, resp.Header.Revision)}
	}
	// A stream that was taken up again may repeat what it had delivered.
	events := resp.Events
	for len(events) > 0 && events[0].Kv.ModRevision <= w.at {
		events = events[1:]
	}
	if len(events) == 0 {
		return store.Batch{}
	}
	batch := store.Batch{Events: make([]store.Event, len(events)), Revision: events[len(events)-1].Kv.ModRevision}
	for i, event := range events {
		batch.Events[i] = w.store.event(event)
	}
	return batch
}

func (s *Store) event(e *clientv3.Event) store.Event {
	event := store.Event{Type: store.Updated, Entry: s.entry(e.Kv)}
	if e.PrevKv != nil {
		prev := s.entry(e.PrevKv)
		event.Prev = &prev
	}
	switch {
	case e.Type == mvccpb.Event_DELETE:
		event.Type = store.Deleted
		event.Entry.Value = nil
		if event.Prev != nil {
			event.Entry.CreateRevision = event.Prev.CreateRevision
		}
	case e.IsCreate():
		event.Type = store.Created
		event.Prev = nil
	}
	return event
}

// lost returns why a watch has ended, nil if it has not.
func lost(ctx context.Context, resp clientv3.WatchResponse, ok bool) error {
	if !ok {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return errWatchLost
	}
	return resp.Err()
}

// RequestProgress implements [store.Store].
func (s *Store) RequestProgress(ctx context.Context) error {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	revision, err := s.readAt(ctx, 0)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.watches {
		w.ask(revision)
	}
	return nil
}

// ask leaves word that progress up to revision is wanted. The caller holds the
// store's lock, so there is one asker at a time.
func (w *watch) ask(revision int64) {
	select {
	case earlier := <-w.asked:
		revision = max(revision, earlier)
	default:
	}
	w.asked <- revision
}
