package endpoint

import (
	"bufio"
	"context"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"github.com/keelson-project/keelson/apiserver/codec"
)

const (
	// watchBuffer is how much of a watch is written at a time.
	watchBuffer = 16 << 10
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

// chunked writes a watch as the body of an answer that does not end.
type chunked struct {
	b    *bufio.Writer
	send func() error
}

func newChunked(w http.ResponseWriter, m codec.Media) (*chunked, error) {
	w.Header().Set("Content-Type", streamType(m))
	w.Header().Set("Transfer-Encoding", "chunked")
	w.WriteHeader(http.StatusOK)
	c := &chunked{b: bufio.NewWriterSize(w, watchBuffer), send: http.NewResponseController(w).Flush}
	return c, c.send()
}

func (c *chunked) write(event codec.Parts) error {
	for _, p := range event {
		if _, err := c.b.Write(p); err != nil {
			return err
		}
	}
	return nil
}

func (c *chunked) flush() error {
	if err := c.b.Flush(); err != nil {
		return err
	}
	return c.send()
}

func (c *chunked) close() {}

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
	conn.SetReadLimit(watchBuffer)
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
