package apiserver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/rest"
)

// loopbackKey marks the requests of the server's own client in their contexts.
type loopbackKey struct{}

const loopbackHost = "http://loopback"

// LoopbackConfig is for clients in the same process: requests go to the handler
// directly, without socket or TLS, as user system:apiserver of group
// system:masters. They wait for [Server.Run].
func (s *Server) LoopbackConfig() *rest.Config {
	return &rest.Config{
		Host: loopbackHost,
		ContentConfig: rest.ContentConfig{
			ContentType:        runtime.ContentTypeProtobuf,
			AcceptContentTypes: runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON,
		},
		Transport: &loopback{s: s, user: &user.DefaultInfo{Name: user.APIServerUser, Groups: []string{user.SystemPrivilegedGroup}}},
		QPS:       -1,
		// Warnings are for people; a program in the server's own process has
		// nobody to show them to, and client-go's default is a global log.
		WarningHandlerWithContext: rest.NoWarnings{},
	}
}

// loopback hands requests to a server.
type loopback struct {
	s    *Server
	user user.Info
}

// RoundTrip implements http.RoundTripper.
func (l *loopback) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(context.WithValue(req.Context(), loopbackKey{}, l.user))
	in := req.Clone(ctx)
	in.RequestURI = req.URL.RequestURI()
	in.RemoteAddr = "127.0.0.1:0"
	in.Host = req.URL.Host
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := newResponse(ctx, cancel)
	go func() {
		defer w.finish()
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler {
				panic(p)
			}
		}()
		l.s.serve(w, in)
	}()
	select {
	case <-w.answered:
	case <-ctx.Done():
		cancel()
		return nil, ctx.Err()
	}
	return &http.Response{
		Status: http.StatusText(w.code), StatusCode: w.code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: w, ContentLength: w.length, Request: req,
	}, nil
}

// maxQueued is how much of a stream waits for its reader before the writer
// does.
const maxQueued = 256 << 10

// response is both ends of an answer: the handler's to write and the client's
// to read. What is not flushed is passed on when the handler returns.
type response struct {
	ctx    context.Context
	cancel context.CancelFunc
	header http.Header

	// Fixed when answered is closed.
	answered chan struct{}
	code     int
	sent     http.Header
	length   int64

	mu        sync.Mutex
	parts     [][]byte
	queued    int
	streaming bool
	done      bool
	closed    bool
	readable  chan struct{}
	writable  chan struct{}
}

func newResponse(ctx context.Context, cancel context.CancelFunc) *response {
	return &response{
		ctx: ctx, cancel: cancel, header: http.Header{}, answered: make(chan struct{}), length: -1,
		readable: make(chan struct{}, 1), writable: make(chan struct{}, 1),
	}
}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(code int) {
	if w.code == 0 {
		w.code = code
		w.sent = w.header.Clone()
	}
}

// Write implements http.ResponseWriter.
func (w *response) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if err := w.add(append([]byte(nil), b...)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// WriteParts is Write for parts that never change, and so need no copy.
func (w *response) WriteParts(parts [][]byte) {
	w.WriteHeader(http.StatusOK)
	_ = w.add(parts...) // whoever reads is gone if this fails
}

var errReaderGone = errors.New("the client has closed the answer")

func (w *response) add(parts ...[]byte) error {
	w.mu.Lock()
	for w.streaming && w.queued > maxQueued && !w.closed {
		w.mu.Unlock()
		select {
		case <-w.writable:
		case <-w.ctx.Done():
			return w.ctx.Err()
		}
		w.mu.Lock()
	}
	defer w.mu.Unlock()
	if w.closed {
		return errReaderGone
	}
	for _, p := range parts {
		if len(p) > 0 {
			w.parts = append(w.parts, p)
			w.queued += len(p)
		}
	}
	if w.streaming {
		poke(w.readable)
	}
	return nil
}

// Flush implements http.Flusher: from now on the answer is a stream.
func (w *response) Flush() {
	w.WriteHeader(http.StatusOK)
	w.mu.Lock()
	first := !w.streaming
	w.streaming = true
	w.mu.Unlock()
	if first {
		close(w.answered)
	}
	poke(w.readable)
}

// finish says that the handler has returned.
func (w *response) finish() {
	w.WriteHeader(http.StatusOK)
	w.mu.Lock()
	w.done = true
	first := !w.streaming
	if first {
		w.length = int64(w.queued)
	}
	w.mu.Unlock()
	if first {
		close(w.answered)
	}
	poke(w.readable)
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Read implements io.Reader for the client.
func (w *response) Read(b []byte) (int, error) {
	for {
		w.mu.Lock()
		if w.closed {
			w.mu.Unlock()
			return 0, errReaderGone
		}
		n := 0
		for n < len(b) && len(w.parts) > 0 {
			c := copy(b[n:], w.parts[0])
			n += c
			if c == len(w.parts[0]) {
				w.parts[0] = nil
				w.parts = w.parts[1:]
			} else {
				w.parts[0] = w.parts[0][c:]
			}
		}
		w.queued -= n
		done := w.done
		w.mu.Unlock()
		if n > 0 {
			poke(w.writable)
			return n, nil
		}
		if done {
			return 0, io.EOF
		}
		select {
		case <-w.readable:
		case <-w.ctx.Done():
			return 0, w.ctx.Err()
		}
	}
}

// Close implements io.Closer for the client: the request is over.
func (w *response) Close() error {
	w.mu.Lock()
	w.closed = true
	w.parts = nil
	w.mu.Unlock()
	w.cancel()
	return nil
}
