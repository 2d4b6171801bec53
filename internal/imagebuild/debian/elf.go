package debian

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// libraryDirs are where Debian keeps shared libraries.
func libraryDirs() []string {
	dirs, _ := filepath.Glob("/usr/lib/*-linux-gnu*")
	return append(dirs, "/lib64", "/usr/lib", "/lib")
}

// libraries finds all shared libraries, and the loader, that programs need to
// run: the paths at which they look for them.
func libraries(programs ...string) ([]string, error) {
	dirs := libraryDirs()
	seen := map[string]bool{}
	var out []string
	var visit func(string) error
	visit = func(path string) error {
		f, err := elf.Open(path)
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		defer f.Close()
		for _, p := range f.Progs {
			if p.Type != elf.PT_INTERP {
				continue
			}
			name := make([]byte, p.Filesz-1)
			if _, err := p.ReadAt(name, 0); err != nil {
				return fmt.Errorf("read the loader of %s: %w", path, err)
			}
			if loader := string(name); !seen[loader] {
				seen[loader] = true
				out = append(out, loader)
			}
		}
		needed, err := f.ImportedLibraries()
		if err != nil {
			return fmt.Errorf("read the libraries of %s: %w", path, err)
		}
		for _, lib := range needed {
			if seen[lib] {
				continue
			}
			seen[lib] = true
			found, err := findLibrary(dirs, lib)
			if err != nil {
				return fmt.Errorf("%s needs %s: %w", path, lib, err)
			}
			out = append(out, found)
			if err := visit(found); err != nil {
				return err
			}
		}
		return nil
	}
	for _, p := range programs {
		if err := visit(p); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func findLibrary(dirs []string, name string) (string, error) {
	for _, dir := range dirs {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", fmt.Errorf("not in any of %v", dirs)
}
