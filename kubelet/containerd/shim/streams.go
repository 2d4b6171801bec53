//go:build linux

package shim

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// IO says what a shim does with the streams of a container. It stands in the
// file [IOFile] of the container's bundle.
type IO struct {
	// LogPath is the file for the log in CRI format; empty for none.
	LogPath string
	// Stdin gives the process a standard input others can attach to.
	// StdinOnce closes it when the first one to attach ends it.
	Stdin, StdinOnce bool
	// TTY says that the process has a terminal.
	TTY bool
}

// IOFile is the name of the file in a bundle that holds its [IO] as JSON.
const IOFile = "io.json"

// attachPatience is how long a container's output waits for a reader that does
// not read, before that reader is dropped.
const attachPatience = 10 * time.Second

// streams are the streams of one container, as the shim holds them.
type streams struct {
	io  IO
	log *logFile
	// in, out and err are the paths of pipes between the task service and
	// this; empty if not in use.
	in, out, err string
	readers      []*os.File
	done         chan struct{} // closed when all output is written

	mu       sync.Mutex
	attached map[*subscriber]struct{}
	ended    bool
}

// chunk is a piece of output for those attached.
type chunk struct {
	kind byte
	data []byte
}

// subscriber is one connection that is attached.
type subscriber struct {
	chunks  chan chunk
	dropped chan struct{}
}

// openStreams makes the pipes for the container whose bundle this is; nil if
// the bundle does not ask for it.
func openStreams(bundle string) (*streams, error) {
	data, err := os.ReadFile(filepath.Join(bundle, IOFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s := &streams{done: make(chan struct{}), attached: map[*subscriber]struct{}{}}
	if err := json.Unmarshal(data, &s.io); err != nil {
		return nil, fmt.Errorf("%s: %w", IOFile, err)
	}
	if s.log, err = openLogFile(s.io.LogPath); err != nil {
		return nil, err
	}
	pipe := func(name string) (string, error) {
		path := filepath.Join(bundle, name)
		if err := unix.Mkfifo(path, 0o600); err != nil && !errors.Is(err, unix.EEXIST) {
			return "", fmt.Errorf("make pipe %s: %w", path, err)
		}
		return path, nil
	}
	fail := func(err error) (*streams, error) {
		s.abort()
		return nil, err
	}
	if s.io.Stdin {
		if s.in, err = pipe("stdin"); err != nil {
			return fail(err)
		}
	}
	if s.out, err = pipe("stdout"); err != nil {
		return fail(err)
	}
	if !s.io.TTY {
		if s.err, err = pipe("stderr"); err != nil {
			return fail(err)
		}
	}
	for _, path := range []string{s.out, s.err} {
		if path == "" {
			continue
		}
		// Without O_NONBLOCK this would wait for the writer, which comes later.
		f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			return fail(err)
		}
		s.readers = append(s.readers, f)
	}
	return s, nil
}

// run copies the output until it ends. It is to be called when the task
// service has opened its ends of the pipes.
func (s *streams) run() {
	var wg sync.WaitGroup
	kinds := []struct {
		name string
		kind byte
	}{{"stdout", frameStdout}, {"stderr", frameStderr}}
	for i, r := range s.readers {
		wg.Go(func() { s.copy(r, kinds[i].name, kinds[i].kind) })
	}
	go func() {
		wg.Wait()
		s.log.close()
		s.mu.Lock()
		s.ended = true
		for sub := range s.attached {
			close(sub.chunks)
		}
		s.attached = nil
		s.mu.Unlock()
		close(s.done)
	}()
}

// abort undoes openStreams where no container came of it.
func (s *streams) abort() {
	for _, r := range s.readers {
		_ = r.Close()
	}
	s.log.close()
}

func (s *streams) copy(r *os.File, name string, kind byte) {
	defer r.Close()
	w := lineWriter{stream: name, log: s.log}
	defer w.end()
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			w.write(buf[:n])
			s.broadcast(kind, buf[:n])
		}
		if err != nil {
			return
		}
	}
}

// broadcast hands output to all who are attached. One who does not read holds
// the container up, but not for longer than attachPatience.
func (s *streams) broadcast(kind byte, data []byte) {
	s.mu.Lock()
	subs := make([]*subscriber, 0, len(s.attached))
	for sub := range s.attached {
		subs = append(subs, sub)
	}
	s.mu.Unlock()
	if len(subs) == 0 {
		return
	}
	c := chunk{kind, append([]byte(nil), data...)}
	for _, sub := range subs {
		select {
		case sub.chunks <- c:
			continue
		case <-sub.dropped:
			continue
		default:
		}
		timer := time.NewTimer(attachPatience)
		select {
		case sub.chunks <- c:
		case <-sub.dropped:
		case <-timer.C:
			s.detach(sub)
		}
		timer.Stop()
	}
}

// attach adds a subscriber; false if the output has ended.
func (s *streams) attach() (*subscriber, bool) {
	sub := &subscriber{chunks: make(chan chunk, 16), dropped: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil, false
	}
	s.attached[sub] = struct{}{}
	return sub, true
}

// detach drops a subscriber; its chunks channel gets no more.
func (s *streams) detach(sub *subscriber) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.attached[sub]; ok {
		delete(s.attached, sub)
		close(sub.dropped)
	}
}
