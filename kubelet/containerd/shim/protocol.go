//go:build linux

package shim

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// request opens a connection of the control protocol: one line of JSON.
type request struct {
	// Op is "attach" or "reopen".
	Op string `json:"op"`
	// ID is the container.
	ID string `json:"id"`
	// Stdin says that the one who attaches will send input.
	Stdin bool `json:"stdin,omitempty"`
}

// response answers it: one line of JSON. After that, an attached connection
// carries frames in both directions.
type response struct {
	Error string `json:"error,omitempty"`
}

// The kinds of frames: a byte for the kind, four for the length, content.
const (
	frameStdin byte = iota
	frameStdout
	frameStderr
	frameStdinEnd
)

const maxFrame = 64 << 10

func writeFrame(w io.Writer, kind byte, data []byte) error {
	buf := make([]byte, 5, 5+len(data))
	buf[0] = kind
	binary.BigEndian.PutUint32(buf[1:], uint32(len(data)))
	_, err := w.Write(append(buf, data...))
	return err
}

func readFrame(r io.Reader) (kind byte, data []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, nil, fmt.Errorf("frame of %d bytes is too long", n)
	}
	data = make([]byte, n)
	_, err = io.ReadFull(r, data)
	return head[0], data, err
}

func writeJSON(w io.Writer, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(data, '\n'))
	return err
}

func readJSON(r *bufio.Reader, v any) error {
	line, err := r.ReadBytes('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(line, v)
}
