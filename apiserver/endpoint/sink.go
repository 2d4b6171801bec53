package endpoint

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/keelson-project/keelson/apiserver/codec"
)

const (
	// watchBuffer is how much of a watch is gathered before it is written.
	watchBuffer = 64 << 10
	// socketRead is the most that a client may say in a watch by websocket.
	socketRead = 16 << 10
	// socketWrite is how long a client may take to take one event.
	socketWrite = time.Minute
	// frameHead is how long the length is that comes before an event in
	// protobuf, where the stream itself has no frames.
	frameHead = 4
)

// sink is where a watch is written to.
type sink interface {
	// write adds one event.
	write(event codec.Parts) error
	// flush sends what has been written.
	flush() error
	close()
}

// streamType is the media type of a watch.
func streamType(m codec.Media) string {
	if m == codec.Protobuf {
		return m.String() + ";stream=watch"
	}
	return m.String()
}

// chunked writes a watch as the body of an answer that does not end. It has a
// buffer only between a write and the next flush, so that a watch at rest needs
// none.
type chunked struct {
	w       io.Writer
	send    func() error
	buffers *sync.Pool // of *[]byte
	b       *[]byte
}

func (h *Handler) newChunked(w http.ResponseWriter, m codec.Media) (*chunked, error) {
	w.Header().Set("Content-Type", streamType(m))
	w.Header().Set("Transfer-Encoding", "chunked")
	w.WriteHeader(http.StatusOK)
	c := &chunked{w: w, send: http.NewResponseController(w).Flush, buffers: &h.buffers}
	return c, c.send()
}

func (c *chunked) write(event codec.Parts) error {
	if c.b == nil {
		b, ok := c.buffers.Get().(*[]byte)
		if !ok {
			b = new(make([]byte, 0, watchBuffer))
		}
		c.b = b
	}
	for _, p := range event {
		if len(*c.b)+len(p) > cap(*c.b) {
			if err := c.drain(); err != nil {
				return err
			}
			if len(p) >= cap(*c.b) {
				if _, err := c.w.Write(p); err != nil {
					return err
				}
				continue
			}
		}
		*c.b = append(*c.b, p...)
	}
	return nil
}

// drain writes what is in the buffer.
func (c *chunked) drain() error {
	if len(*c.b) == 0 {
		return nil
	}
	_, err := c.w.Write(*c.b)
	*c.b = (*c.b)[:0]
	return err
}

func (c *chunked) flush() error {
	if c.b != nil {
		if err := c.drain(); err != nil {
			return err
		}
		c.close()
	}
	return c.send()
}

func (c *chunked) close() {
	if c.b != nil {
		*c.b = (*c.b)[:0]
		c.buffers.Put(c.b)
		c.b = nil
	}
}

// socket writes a watch as messages of a websocket: text for JSON, binary for
// protobuf.
type socket struct {
	conn    *websocket.Conn
	kind    int
	skip    int // bytes of an event that only frame it
	reading chan struct{}
}

// newSocket takes the connection over. When the client ends it, gone is called.
func newSocket(w http.ResponseWriter, r *http.Request, m codec.Media, gone context.CancelFunc) (*socket, error) {
	up := websocket.Upgrader{
		Subprotocols: websocket.Subprotocols(r),
		// Any origin will do, as for kube-apiserver: requests carry credentials.
		CheckOrigin: func(*http.Request) bool { return true },
	}
	conn, err := up.Upgrade(w, r, http.Header{"Content-Type": {streamType(m)}})
	if err != nil {
		return nil, err
	}
	s := &socket{conn: conn, kind: websocket.TextMessage, reading: make(chan struct{})}
	if m == codec.Protobuf {
		s.kind, s.skip = websocket.BinaryMessage, frameHead
	}
	conn.SetReadLimit(socketRead)
	go func() { // nothing is expected but the end
		defer close(s.reading)
		defer gone()
		for {
			if _, _, err := conn.NextReader(); err != nil {
				return
			}
		}
	}()
	return s, nil
}

func (s *socket) write(event codec.Parts) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(socketWrite)); err != nil {
		return err
	}
	w, err := s.conn.NextWriter(s.kind)
	if err != nil {
		return err
	}
	for i, p := range event {
		if i == 0 {
			p = p[s.skip:]
		}
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return w.Close()
}

func (s *socket) flush() error { return nil }

func (s *socket) close() {
	end := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	_ = s.conn.WriteControl(websocket.CloseMessage, end, time.Now().Add(time.Second)) // the client may be gone
	_ = s.conn.Close()
	<-s.reading
}
