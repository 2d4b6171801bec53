package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
)

// HostPath checks that a path of the host is of the type that a volume wants,
// and makes it if the type says so.
func HostPath(path string, kind *corev1.HostPathType) error {
	want := corev1.HostPathUnset
	if kind != nil {
		want = *kind
	}
	if want == corev1.HostPathUnset {
		return nil
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && want == corev1.HostPathDirectoryOrCreate:
		return os.MkdirAll(path, 0o755)
	case errors.Is(err, fs.ErrNotExist) && want == corev1.HostPathFileOrCreate:
		if _, err := os.Stat(filepath.Dir(path)); err != nil {
			return fmt.Errorf("hostPath type check failed: the directory of %s does not exist", path)
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		return f.Close()
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	var is bool
	var noun string
	mode := fs.FileMode(0)
	if err == nil {
		mode = info.Mode()
	}
	switch want {
	case corev1.HostPathDirectory, corev1.HostPathDirectoryOrCreate:
		is, noun = mode.IsDir(), "a directory"
	case corev1.HostPathFile, corev1.HostPathFileOrCreate:
		is, noun = err == nil && mode.IsRegular(), "a file"
	case corev1.HostPathSocket:
		is, noun = mode&fs.ModeSocket != 0, "a socket file"
	case corev1.HostPathCharDev:
		is, noun = mode&fs.ModeCharDevice != 0, "a character device"
	case corev1.HostPathBlockDev:
		is, noun = mode&fs.ModeDevice != 0 && mode&fs.ModeCharDevice == 0, "a block device"
	default:
		return fmt.Errorf("%s is an invalid volume type", want)
	}
	if !is {
		return fmt.Errorf("hostPath type check failed: %s is not %s", path, noun)
	}
	return nil
}

// Own gives all below a directory to a group: it may read and write, and what
// is made in the directories later is the group's too.
func Own(dir string, group int64) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Type()&fs.ModeSymlink != 0 {
			return os.Lchown(path, -1, int(group))
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if err := os.Chown(path, -1, int(group)); err != nil {
			return err
		}
		mode := info.Mode() | 0o660
		if d.IsDir() {
			mode |= 0o770 | fs.ModeSetgid
		}
		return os.Chmod(path, mode)
	})
}
