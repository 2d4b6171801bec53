package volume

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// dataLink is the name of the link to the directory with the present files.
const dataLink = "..data"

// Write makes a volume's directory hold exactly the files of a payload, whose
// group shall be group if it is not nil. All files change at one moment:
// they are written to a new directory, and a link to it is replaced. If
// nothing has changed, nothing is written.
func Write(dir string, payload Payload, group *int64) error {
	for name := range payload {
		if _, err := cleanPath(name); err != nil {
			return err
		}
	}
	old, err := os.Readlink(filepath.Join(dir, dataLink))
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("write volume: %w", err)
	}
	if old != "" {
		if have, err := read(filepath.Join(dir, old), payload); err == nil && have.equal(payload) {
			return nil
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write volume: %w", err)
	}
	fresh, err := os.MkdirTemp(dir, "..version-")
	if err != nil {
		return fmt.Errorf("write volume: %w", err)
	}
	if err := writeFiles(fresh, payload, group); err != nil {
		os.RemoveAll(fresh)
		return fmt.Errorf("write volume: %w", err)
	}
	if err := replaceLink(filepath.Join(dir, dataLink), filepath.Base(fresh)); err != nil {
		os.RemoveAll(fresh)
		return fmt.Errorf("write volume: %w", err)
	}
	if err := linkNames(dir, payload); err != nil {
		return fmt.Errorf("write volume: %w", err)
	}
	return removeOthers(dir, filepath.Base(fresh))
}

// writeFiles writes all files of a payload below a new directory.
func writeFiles(dir string, payload Payload, group *int64) error {
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	for name, file := range payload {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		mode := fs.FileMode(file.Mode).Perm()
		if group != nil {
			mode |= (mode & 0o700 >> 3) &^ 0o020 // the group may read what the owner may
		}
		if err := os.WriteFile(path, file.Data, mode); err != nil {
			return err
		}
		if err := os.Chmod(path, mode); err != nil { // whatever the umask is
			return err
		}
		uid, gid := -1, -1
		if file.Owner != nil {
			uid = int(*file.Owner)
		}
		if group != nil {
			gid = int(*group)
		}
		if uid >= 0 || gid >= 0 {
			if err := os.Chown(path, uid, gid); err != nil {
				return err
			}
		}
	}
	return nil
}

// read returns the files below a directory, with the owners that want has.
func read(dir string, want Payload) (Payload, error) {
	have := make(Payload)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		have[name] = File{Data: data, Mode: want[name].Mode, Owner: want[name].Owner}
		return nil
	})
	return have, err
}

// replaceLink makes path a link to target, at one moment.
func replaceLink(path, target string) error {
	temporary := path + "_tmp"
	if err := os.Remove(temporary); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := os.Symlink(target, temporary); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// linkNames makes the first element of each path a link through dataLink.
func linkNames(dir string, payload Payload) error {
	for name := range payload {
		top, _, _ := strings.Cut(name, "/")
		path, target := filepath.Join(dir, top), filepath.Join(dataLink, top)
		if have, err := os.Readlink(path); err == nil && have == target {
			continue
		}
		if err := replaceLink(path, target); err != nil {
			return err
		}
	}
	return nil
}

// removeOthers removes versions and links that are no longer in use.
func removeOthers(dir, version string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		switch {
		case name == dataLink || name == version:
			continue
		case strings.HasPrefix(name, "..version-"):
		default:
			if _, err := os.Stat(filepath.Join(dir, dataLink, name)); err == nil {
				continue
			}
		}
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}
