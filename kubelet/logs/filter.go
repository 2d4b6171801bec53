package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

// Options is what a user wants of a log.
type Options struct {
	// Follow waits for what is logged later.
	Follow bool
	// Tail is the number of lines at the end to begin with; nil is all.
	Tail *int64
	// Since leaves out what is older.
	Since time.Time
	// Timestamps puts the time before each line.
	Timestamps bool
	// LimitBytes ends the output after so many bytes; nil is no limit.
	LimitBytes *int64
	// Stream is "stdout" or "stderr" to have only that; empty is both.
	Stream string
}

// ErrLimit is what a Filter answers when LimitBytes are written.
var ErrLimit = errors.New("the limit of bytes is reached")

// Filter is a writer of log lines that passes on what a user wants of them.
type Filter struct {
	w    io.Writer
	opts Options
	skip int64 // lines to leave out first
	left int64 // bytes that may still be written, below zero any number
	rest []byte
	mid  bool // the line before was a part
}

// NewFilter returns a Filter that writes to w. It leaves out the first skip
// lines.
func NewFilter(w io.Writer, opts Options, skip int64) *Filter {
	f := &Filter{w: w, opts: opts, skip: skip, left: -1}
	if opts.LimitBytes != nil {
		f.left = *opts.LimitBytes
	}
	return f
}

// Write takes some of a log, which may end within a line.
func (f *Filter) Write(p []byte) (int, error) {
	f.rest = append(f.rest, p...)
	for {
		end := bytes.IndexByte(f.rest, '\n')
		if end < 0 {
			return len(p), nil
		}
		line := f.rest[:end]
		f.rest = f.rest[end+1:]
		if f.skip > 0 {
			f.skip--
			continue
		}
		if err := f.line(line); err != nil {
			return 0, err
		}
	}
}

// line passes on one line. One that is not in the format is passed on as it is:
// it tells more than nothing.
func (f *Filter) line(line []byte) error {
	at, stream, partial, text, err := Parse(line)
	if err != nil {
		return f.emit(append(bytes.Clone(line), '\n'))
	}
	if f.opts.Stream != "" && stream != f.opts.Stream || at.Before(f.opts.Since) {
		return nil
	}
	var out []byte
	if f.opts.Timestamps && !f.mid {
		out = append(at.AppendFormat(out, time.RFC3339Nano), ' ')
	}
	out = append(out, text...)
	if !partial {
		out = append(out, '\n')
	}
	f.mid = partial
	return f.emit(out)
}

func (f *Filter) emit(out []byte) error {
	if f.left >= 0 && int64(len(out)) >= f.left {
		out = out[:f.left]
		if _, err := f.w.Write(out); err != nil {
			return err
		}
		f.left = 0
		return ErrLimit
	}
	if f.left > 0 {
		f.left -= int64(len(out))
	}
	_, err := f.w.Write(out)
	return err
}

// Parse takes a line of a log apart, without its line end.
func Parse(line []byte) (at time.Time, stream string, partial bool, text []byte, err error) {
	fields := bytes.SplitN(line, []byte{' '}, 4)
	if len(fields) < 3 {
		return at, "", false, nil, fmt.Errorf("log line %.40q has no time, stream and tag", line)
	}
	if at, err = time.Parse(time.RFC3339Nano, string(fields[0])); err != nil {
		return at, "", false, nil, fmt.Errorf("log line %.40q: %w", line, err)
	}
	stream = string(fields[1])
	if stream != "stdout" && stream != "stderr" {
		return at, "", false, nil, fmt.Errorf("log line %.40q has no known stream", line)
	}
	tag, _, _ := bytes.Cut(fields[2], []byte{':'})
	if len(fields) == 4 {
		text = fields[3]
	}
	return at, stream, string(tag) == "P", text, nil
}
