//go:build linux

package shim

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"

	task "github.com/containerd/containerd/api/runtime/task/v3"
	"golang.org/x/sys/unix"
)

// serveControl answers the control protocol until the listener is closed.
func (s *service) serveControl(ctx context.Context, l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			s.control(ctx, conn)
		}()
	}
}

func (s *service) control(ctx context.Context, conn net.Conn) {
	r := bufio.NewReader(conn)
	var req request
	if readJSON(r, &req) != nil {
		return
	}
	st := s.streamsOf(req.ID)
	fail := func(err error) { _ = writeJSON(conn, response{Error: err.Error()}) }
	if st == nil {
		fail(fmt.Errorf("the container is not running"))
		return
	}
	switch req.Op {
	case "reopen":
		if err := st.log.reopen(); err != nil {
			fail(err)
			return
		}
		_ = writeJSON(conn, response{})
	case "attach":
		s.attach(ctx, conn, r, st, req)
	default:
		fail(fmt.Errorf("no such operation %q", req.Op))
	}
}

func (s *service) attach(ctx context.Context, conn net.Conn, r *bufio.Reader, st *streams, req request) {
	sub, ok := st.attach()
	if !ok {
		_ = writeJSON(conn, response{Error: "the container is not running"})
		return
	}
	defer st.detach(sub)
	if writeJSON(conn, response{}) != nil {
		return
	}
	go func() {
		s.receive(ctx, r, st, req)
		// Whoever hangs up, or sends nonsense, is dropped; one who has merely
		// ended stdin stays connected and receive goes on reading.
		st.detach(sub)
	}()
	for {
		select {
		case c, ok := <-sub.chunks:
			if !ok {
				return
			}
			if writeFrame(conn, c.kind, c.data) != nil {
				return
			}
		case <-sub.dropped:
			return
		}
	}
}

// receive carries input to the container until the connection ends.
func (s *service) receive(ctx context.Context, r *bufio.Reader, st *streams, req request) {
	var in *os.File
	closeIn := func() {
		if in != nil {
			in.Close()
			in = nil
		}
	}
	defer closeIn()
	if req.Stdin && st.in != "" {
		// The task service holds both ends open as well, so this neither
		// waits nor breaks, and closing it ends nothing.
		in, _ = os.OpenFile(st.in, os.O_WRONLY|unix.O_NONBLOCK, 0)
	}
	for {
		kind, data, err := readFrame(r)
		if err != nil {
			return
		}
		switch {
		case kind == frameStdin && in != nil:
			if _, err := in.Write(data); err != nil {
				closeIn()
			}
		case kind == frameStdinEnd && in != nil:
			closeIn()
			if st.io.StdinOnce {
				_, _ = s.taskService.CloseIO(ctx, &task.CloseIORequest{ID: req.ID, Stdin: true})
			}
		}
	}
}
