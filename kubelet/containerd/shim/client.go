//go:build linux

package shim

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
)

// Client speaks the control protocol of a shim.
type Client struct {
	// Dial opens a connection to the shim's control socket.
	Dial func(ctx context.Context) (net.Conn, error)
}

// open sends a request and reads its answer.
func (c Client) open(ctx context.Context, req request) (net.Conn, *bufio.Reader, error) {
	conn, err := c.Dial(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("dial the shim: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	r := bufio.NewReader(conn)
	var resp response
	if err = writeJSON(conn, req); err == nil {
		err = readJSON(r, &resp)
	}
	if err == nil && resp.Error != "" {
		err = errors.New(resp.Error)
	}
	if err != nil {
		conn.Close()
		return nil, nil, fmt.Errorf("%s container %s: %w", req.Op, req.ID, err)
	}
	return conn, r, nil
}

// ReopenLog makes the container's log continue in a new file at its path.
func (c Client) ReopenLog(ctx context.Context, id string) error {
	conn, _, err := c.open(ctx, request{Op: "reopen", ID: id})
	if err != nil {
		return err
	}
	return conn.Close()
}

// Attach connects the given streams to the container's until its output ends,
// ctx ends or, where neither stdout nor stderr is given, stdin ends. Each of
// the streams may be nil. Started is called once the connection stands.
func (c Client) Attach(ctx context.Context, id string, stdin io.Reader, stdout, stderr io.Writer, started func()) error {
	conn, r, err := c.open(ctx, request{Op: "attach", ID: id, Stdin: stdin != nil})
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if started != nil {
		started()
	}
	stdinDone := make(chan error, 1)
	if stdin != nil {
		// Ends with stdin, or at the first write after conn is closed.
		go func() { stdinDone <- sendStdin(conn, stdin) }()
	}
	outDone := make(chan error, 1)
	go func() { outDone <- receiveOutput(r, stdout, stderr) }()
	for {
		select {
		case err := <-stdinDone:
			if err == nil && stdout == nil && stderr == nil {
				conn.Close()
				<-outDone
				return nil
			}
			stdinDone = nil
		case err := <-outDone:
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		}
	}
}

func sendStdin(w io.Writer, stdin io.Reader) error {
	buf := make([]byte, 16<<10)
	for {
		n, err := stdin.Read(buf)
		if n > 0 {
			if err := writeFrame(w, frameStdin, buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return writeFrame(w, frameStdinEnd, nil)
		}
		if err != nil {
			return err
		}
	}
}

func receiveOutput(r io.Reader, stdout, stderr io.Writer) error {
	for {
		kind, data, err := readFrame(r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		w := stdout
		if kind == frameStderr {
			w = stderr
		}
		if w == nil {
			continue
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
	}
}
