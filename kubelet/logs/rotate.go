package logs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Rotate moves a log file away if it is larger than maxSize bytes, has the
// runtime continue in a new one by reopen, and keeps maxFiles files in all.
func Rotate(path string, maxSize int64, maxFiles int, reopen func() error) error {
	info, err := os.Stat(path)
	if os.IsNotExist(err) || err == nil && info.Size() <= maxSize {
		return nil
	}
	if err != nil {
		return fmt.Errorf("rotate log: %w", err)
	}
	moved := path + "." + time.Now().UTC().Format("20060102-150405.000000000")
	if err := os.Rename(path, moved); err != nil {
		return fmt.Errorf("rotate log: %w", err)
	}
	if err := reopen(); err != nil {
		if back := os.Rename(moved, path); back != nil {
			return fmt.Errorf("rotate log %s: %w; moving it back: %w", path, err, back)
		}
		return fmt.Errorf("rotate log %s: %w", path, err)
	}
	old, err := Rotated(path)
	if err != nil {
		return err
	}
	for len(old) > max(maxFiles-1, 0) {
		if err := os.Remove(old[0]); err != nil {
			return fmt.Errorf("rotate log: %w", err)
		}
		old = old[1:]
	}
	return nil
}

// Rotated lists the files that a log was moved away to, the oldest first.
func Rotated(path string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("rotate log: %w", err)
	}
	var old []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), filepath.Base(path)+".") {
			old = append(old, filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
	slices.Sort(old)
	return old, nil
}
