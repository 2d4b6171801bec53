package simulated

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/keelson-project/keelson/kubelet"
)

// logLimit bounds what is kept of one container's log, in bytes.
const logLimit = 1 << 20

// logBuffer keeps a log in the format of the CRI log file.
type logBuffer struct{ *logState }

type logState struct {
	mu      sync.Mutex
	data    []byte
	dropped int64 // bytes no longer in data
	changed chan struct{}
	closed  bool
	tees    map[io.Writer]string // attached writers and their stream
}

func newLogBuffer() logBuffer {
	return logBuffer{&logState{changed: make(chan struct{})}}
}

func (l logBuffer) writeLine(stream, line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.append(stream, []byte(line))
}

// append adds one line; l.mu is held.
func (l logBuffer) append(stream string, line []byte) {
	l.data = append(l.data, time.Now().UTC().Format(time.RFC3339Nano)...)
	l.data = append(l.data, " "+stream+" F "...)
	l.data = append(l.data, line...)
	l.data = append(l.data, '\n')
	if over := len(l.data) - logLimit; over > 0 {
		if end := bytes.IndexByte(l.data[over:], '\n'); end >= 0 {
			over += end + 1
		}
		l.data = append([]byte(nil), l.data[over:]...)
		l.dropped += int64(over)
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l logBuffer) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		close(l.changed)
	}
}

// writer returns a writer that logs each line written to it.
func (l logBuffer) writer(stream string) io.Writer {
	return &lineWriter{log: l, stream: stream}
}

type lineWriter struct {
	log    logBuffer
	stream string
	rest   []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	if w.log.closed {
		return 0, io.ErrClosedPipe
	}
	for tee, stream := range w.log.tees {
		if stream == w.stream {
			tee.Write(p) // an attached client that is gone is not the container's trouble
		}
	}
	w.rest = append(w.rest, p...)
	for {
		i := bytes.IndexByte(w.rest, '\n')
		if i < 0 {
			return len(p), nil
		}
		w.log.append(w.stream, w.rest[:i])
		w.rest = w.rest[i+1:]
	}
}

// StreamLog implements kubelet.LogStreamer.
func (r *Runtime) StreamLog(ctx context.Context, containerID string, w io.Writer, opts kubelet.LogOptions) error {
	r.mu.Lock()
	c, ok := r.containers[containerID]
	r.mu.Unlock()
	if !ok {
		return fmt.Errorf("log of container %s: %w", containerID, kubelet.ErrNotFound)
	}
	var at int64
	for {
		c.log.mu.Lock()
		at = max(at, c.log.dropped)
		part := bytes.Clone(c.log.data[at-c.log.dropped:])
		changed, closed := c.log.changed, c.log.closed
		c.log.mu.Unlock()
		if len(part) > 0 {
			if _, err := w.Write(part); err != nil {
				return err
			}
			at += int64(len(part))
		}
		if closed || !opts.Follow {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Log returns what a container has written, without times and stream names.
func (r *Runtime) Log(containerID string) (string, error) {
	var raw bytes.Buffer
	if err := r.StreamLog(context.Background(), containerID, &raw, kubelet.LogOptions{}); err != nil {
		return "", err
	}
	var text strings.Builder
	for line := range strings.Lines(raw.String()) {
		if parts := strings.SplitN(line, " ", 4); len(parts) == 4 {
			text.WriteString(parts[3])
		}
	}
	return text.String(), nil
}
