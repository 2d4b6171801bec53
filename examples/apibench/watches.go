package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	// sentKey is the annotation with the time, in nanoseconds since 1970, at
	// which a change was sent.
	sentKey = "apibench/sent"
	// changed is how many pods the events are about.
	changed = 100
	// writers is how many clients make the events.
	writers = 4
)

// watcher is one watch under way.
type watcher struct {
	bench    *bench
	client   *client
	body     io.ReadCloser
	revision string
	lags     latencies
	again    int
}

// watchPath is the path of a watch; it lasts until it is closed.
func (b *bench) watchPath(query string) string {
	return b.pods() + "?watch=1&timeoutSeconds=3600&" + query
}

func (w *watcher) open(ctx context.Context) error {
	var resp *http.Response
	resp, err := w.client.send(ctx, call{method: "GET", path: w.bench.watchPath("resourceVersion=" + w.revision)})
	if err == nil {
		w.body = resp.Body
	}
	return err
}

// read takes events until there have been n.
func (w *watcher) read(ctx context.Context, n int) error {
	r := bufio.NewReaderSize(w.body, 64<<10)
	defer func() { _ = w.body.Close() }()
	for len(w.lags) < n {
		line, err := r.ReadSlice('\n')
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			// The server has hung up on a slow reader.
			_ = w.body.Close()
			w.again++
			if err := w.open(ctx); err != nil {
				return err
			}
			r.Reset(w.body)
			continue
		}
		sent, err := strconv.ParseInt(string(value(line, `"`+sentKey+`":"`)), 10, 64)
		if err != nil {
			return fmt.Errorf("event without its time: %.200s", line)
		}
		w.lags = append(w.lags, time.Duration(time.Now().UnixNano()-sent))
		w.revision = string(value(line, `"resourceVersion":"`))
	}
	return nil
}

// value is the text from a key up to the next quotation mark.
func value(line []byte, key string) []byte {
	i := bytes.Index(line, []byte(key))
	if i < 0 {
		return nil
	}
	line = line[i+len(key):]
	return line[:max(0, bytes.IndexByte(line, '"'))]
}

// watches lets many watch while pods change as fast as they can, and notes how
// many events arrive in a second and how late they are.
func (b *bench) watches(ctx context.Context, pods int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	b.say("opening %d watches", b.watchers)
	revision, err := b.revision(ctx)
	if err != nil {
		return err
	}
	all := make([]*watcher, b.watchers)
	defer func() {
		for _, w := range all {
			if w != nil && w.body != nil {
				_ = w.body.Close()
				w.client.close()
			}
		}
	}()
	if _, _, err := b.each(ctx, len(all), func(_ context.Context, _ *client, i int) error {
		w := &watcher{bench: b, client: b.server.client(), revision: revision, lags: make(latencies, 0, b.events)}
		all[i] = w
		return w.open(ctx) // the watch outlives the context of each
	}); err != nil {
		return err
	}
	if err := b.memory(fmt.Sprintf("memory with %d watchers", len(all))); err != nil {
		return err
	}
	b.say("%d events to each watcher", b.events)
	var wg sync.WaitGroup
	for _, w := range all {
		wg.Go(func() {
			if err := w.read(ctx, b.events); err != nil {
				cancel(err)
			}
		})
	}
	cpu := b.cpu()
	begin := time.Now()
	err = b.change(ctx, min(pods, changed))
	if err != nil {
		cancel(err)
	}
	wrote := time.Since(begin)
	wg.Wait()
	took, each := time.Since(begin), cpu(b.watchers*b.events)
	if err := context.Cause(ctx); err != nil {
		return err
	}
	var lags latencies
	again := 0
	for _, w := range all {
		lags = append(lags, w.lags...)
		again += w.again
	}
	n := b.watchers * b.events
	b.column.set(fmt.Sprintf("%d events to %d watchers, JSON", b.events, b.watchers), "%s, lag %s, written in %s%s", rate(n, took), lags, short(wrote), each)
	if again > 0 {
		b.column.set("watches that the server ended early", "%d", again)
	}
	return nil
}

// change makes the events.
func (b *bench) change(ctx context.Context, pods int) error {
	all := b.clients
	b.clients = all[:min(writers, len(all))]
	defer func() { b.clients = all }()
	_, _, err := b.each(ctx, b.events, func(ctx context.Context, c *client, i int) error {
		_, err := c.discard(ctx, call{method: "PATCH", path: b.podPath(i % pods), contentType: "application/merge-patch+json",
			body: fmt.Appendf(nil, `{"metadata":{"annotations":{%q:"%d"}}}`, sentKey, time.Now().UnixNano())})
		return err
	})
	return err
}

// revision is the present one.
func (b *bench) revision(ctx context.Context) (string, error) {
	data, err := b.clients[0].do(ctx, call{method: "GET", path: b.pods() + "?limit=1"})
	if err != nil {
		return "", err
	}
	var list struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return "", err
	}
	return list.Metadata.ResourceVersion, nil
}

// streamed notes how long a list takes that is read as a watch, the way that
// informers begin.
func (b *bench) streamed(ctx context.Context) error {
	row := fmt.Sprintf("list %d: streamed, JSON", b.list)
	b.say("%s", row)
	var took latencies
	var cpu func(int) string
	for i := range b.repeat + 1 {
		if i == 1 {
			cpu = b.cpu()
		}
		begin := time.Now()
		if err := b.stream(ctx); err != nil {
			return fmt.Errorf("%s: %w", row, err)
		}
		if i > 0 {
			took = append(took, time.Since(begin))
		}
	}
	slices.Sort(took)
	b.column.set(row, "%s%s", short(took.at(0.5)), cpu(b.repeat))
	return nil
}

// stream reads a streamed list up to the bookmark at its end.
func (b *bench) stream(ctx context.Context) error {
	resp, err := b.clients[0].send(ctx, call{method: "GET", path: b.watchPath("sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan")})
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	r := bufio.NewReaderSize(resp.Body, 64<<10)
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return errors.Join(errors.New("the stream ended before the list did"), err)
		}
		if bytes.HasPrefix(line, []byte(`{"type":"BOOKMARK"`)) {
			return nil
		}
	}
}
