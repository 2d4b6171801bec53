//go:build !linux

package volume

import (
	"errors"
	"os"
)

// Tmpfs fails: there is none on this system.
func Tmpfs(string, int64) error {
	return errors.New("volumes in memory are only possible on Linux")
}

// Remove removes a directory.
func Remove(dir string) error { return os.RemoveAll(dir) }
