//go:build linux

package shim

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// maxLogLine is the longest content of one line of a log file; longer lines
// are written as several partial ones.
const maxLogLine = 16 << 10

// logFile is a file of log lines that can be reopened.
type logFile struct {
	path string

	mu sync.Mutex
	f  *os.File
}

func openLogFile(path string) (*logFile, error) {
	l := &logFile{path: path}
	if path == "" {
		return l, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make the directory of the log: %w", err)
	}
	if err := l.reopen(); err != nil {
		return nil, err
	}
	return l, nil
}

// reopen continues in the file that now has the log's path, or a new one.
func (l *logFile) reopen() error {
	if l.path == "" {
		return nil
	}
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	l.mu.Lock()
	old := l.f
	l.f = f
	l.mu.Unlock()
	if old != nil {
		return old.Close()
	}
	return nil
}

// write appends whole lines. A full disk costs log lines, never the container.
func (l *logFile) write(lines []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f != nil {
		_, _ = l.f.Write(lines)
	}
}

func (l *logFile) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f != nil {
		_ = l.f.Close()
		l.f = nil
	}
}

// lineWriter turns a stream into lines of a CRI log:
// time, stream, F for a full or P for a partial line, content.
type lineWriter struct {
	stream string
	log    *logFile
	rest   []byte // a line not ended yet, shorter than maxLogLine
	out    []byte // reused
}

// write takes the next piece of the stream.
func (w *lineWriter) write(p []byte) {
	now := time.Now()
	w.out = w.out[:0]
	for {
		i := bytes.IndexByte(p, '\n')
		piece := p
		if i >= 0 {
			piece = p[:i]
		}
		for len(w.rest)+len(piece) > maxLogLine {
			n := maxLogLine - len(w.rest)
			w.line(now, 'P', piece[:n])
			piece = piece[n:]
		}
		if i < 0 {
			w.rest = append(w.rest, piece...)
			break
		}
		w.line(now, 'F', piece)
		p = p[i+1:]
	}
	if len(w.out) > 0 {
		w.log.write(w.out)
	}
}

// end writes what is left of a last line without end.
func (w *lineWriter) end() {
	w.out = w.out[:0]
	if len(w.rest) > 0 {
		w.line(time.Now(), 'P', nil)
		w.log.write(w.out)
	}
}

func (w *lineWriter) line(now time.Time, tag byte, piece []byte) {
	w.out = now.AppendFormat(w.out, time.RFC3339Nano)
	w.out = append(w.out, ' ')
	w.out = append(w.out, w.stream...)
	w.out = append(w.out, ' ', tag, ' ')
	w.out = append(w.out, w.rest...)
	w.out = append(w.out, piece...)
	w.out = append(w.out, '\n')
	w.rest = w.rest[:0]
}
