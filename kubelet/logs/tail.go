package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
)

// Tail writes what a user wants of the log file at path to w. With
// opts.Follow it goes on, through rotations of the file, until ended is closed
// and all is written, or ctx ends.
func Tail(ctx context.Context, path string, w io.Writer, opts Options, ended <-chan struct{}) error {
	var changes chan fsnotify.Event
	if opts.Follow {
		watcher, err := fsnotify.NewWatcher()
		if err != nil {
			return fmt.Errorf("follow log %s: %w", path, err)
		}
		defer watcher.Close()
		if err := watcher.Add(filepath.Dir(path)); err != nil {
			return fmt.Errorf("follow log %s: %w", path, err)
		}
		changes = watcher.Events
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	defer func() { file.Close() }()
	if opts.Tail != nil {
		if err := seekTail(file, *opts.Tail); err != nil {
			return fmt.Errorf("read log %s: %w", path, err)
		}
	}
	filter := NewFilter(w, opts, 0)
	for last := false; ; {
		if _, err := io.Copy(filter, file); err != nil {
			if errors.Is(err, ErrLimit) {
				return nil
			}
			return err
		}
		next, err := rotated(path, file)
		if err != nil {
			return fmt.Errorf("read log %s: %w", path, err)
		}
		if next != nil {
			_, err := io.Copy(filter, file) // what came just before the rotation
			file.Close()
			file = next
			if err != nil {
				return err
			}
			continue
		}
		if !opts.Follow || last {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ended:
			last = true
		case <-changes:
		}
	}
}

// rotated returns the file now at path, if that is another than the one open.
func rotated(path string, open *os.File) (*os.File, error) {
	have, err := open.Stat()
	if err != nil {
		return nil, err
	}
	now, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // between two files
	}
	if err != nil || os.SameFile(have, now) {
		return nil, err
	}
	return os.Open(path)
}

// seekTail moves to the beginning of the last n lines of a file.
func seekTail(file *os.File, n int64) error {
	at, err := file.Seek(0, io.SeekEnd)
	if err != nil || n == 0 {
		return err
	}
	const block = 64 << 10
	buf := make([]byte, block)
	lines := int64(-1) // the last line ends with a line end of its own
	for at > 0 {
		size := min(at, block)
		at -= size
		if _, err := file.ReadAt(buf[:size], at); err != nil {
			return err
		}
		for i := size - 1; i >= 0; i-- {
			if buf[i] != '\n' {
				continue
			}
			if lines++; lines == n {
				_, err := file.Seek(at+i+1, io.SeekStart)
				return err
			}
		}
	}
	_, err = file.Seek(0, io.SeekStart)
	return err
}
