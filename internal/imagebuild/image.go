package imagebuild

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// File is one entry of an image's file system.
type File struct {
	// Path is where it stands, such as /bin/sh. Directories above it are made.
	Path string
	// Mode holds the permissions, and fs.ModeDir for a directory; zero means
	// 0644, or 0755 for a directory.
	Mode fs.FileMode
	// The content of a regular file is Data, or the file Source of the host,
	// whose permissions it has where Mode is zero.
	Data   []byte
	Source string
	// Link is where a symbolic link points to.
	Link string
	// UID and GID are its owner.
	UID, GID int
}

// Config is how the image is run by default.
type Config struct {
	Entrypoint, Cmd, Env []string
	User, WorkingDir     string
	StopSignal           string
	ExposedPorts         []string // such as "80/tcp"
	Volumes              []string
	Labels               map[string]string
}

// FromBinary packs a static executable, alone, as /name of the file, with the
// given arguments as entry point; none means just the executable.
func FromBinary(file string, entrypoint ...string) (v1.Image, error) {
	target := "/" + filepath.Base(file)
	if len(entrypoint) == 0 {
		entrypoint = []string{target}
	}
	return FromFiles([]File{{Path: target, Source: file, Mode: 0o755}}, Config{Entrypoint: entrypoint})
}

// FromDir packs a directory of the host as the root of the image.
func FromDir(dir string, cfg Config) (v1.Image, error) {
	files, err := filesOf(dir)
	if err != nil {
		return nil, err
	}
	return FromFiles(files, cfg)
}

// Tar packs a directory of the host as a plain archive, as one in OCI's image
// layout is handed around.
func Tar(dir string) ([]byte, error) {
	files, err := filesOf(dir)
	if err != nil {
		return nil, err
	}
	return tarOf(files)
}

// filesOf lists a directory of the host.
func filesOf(dir string) ([]File, error) {
	var files []File
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil || rel == "." {
			return err
		}
		f := File{Path: "/" + filepath.ToSlash(rel)}
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			f.Mode = fs.ModeDir | info.Mode().Perm()
		case d.Type() == fs.ModeSymlink:
			if f.Link, err = os.Readlink(p); err != nil {
				return err
			}
		case d.Type().IsRegular():
			f.Source = p
		default:
			return fmt.Errorf("%s: %s cannot be packed", p, d.Type())
		}
		files = append(files, f)
		return nil
	})
	return files, err
}

// FromFiles packs files as an image of one layer for this machine's platform.
// Of two files with one path the later one counts.
func FromFiles(files []File, cfg Config) (v1.Image, error) {
	data, err := tarOf(files)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(data)), nil
	}, tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(1))
	if err != nil {
		return nil, fmt.Errorf("make the layer: %w", err)
	}
	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	img = mutate.ConfigMediaType(img, types.OCIConfigJSON)
	if img, err = mutate.AppendLayers(img, layer); err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", runtime.GOARCH
	file.Created = v1.Time{Time: time.Unix(0, 0).UTC()}
	file.Config = v1.Config{
		Entrypoint: cfg.Entrypoint, Cmd: cfg.Cmd, Env: cfg.Env,
		User: cfg.User, WorkingDir: cfg.WorkingDir, StopSignal: cfg.StopSignal,
		ExposedPorts: set(cfg.ExposedPorts), Volumes: set(cfg.Volumes), Labels: cfg.Labels,
	}
	return mutate.ConfigFile(img, file)
}

func set(names []string) map[string]struct{} {
	if len(names) == 0 {
		return nil
	}
	out := map[string]struct{}{}
	for _, n := range names {
		out[n] = struct{}{}
	}
	return out
}

// tarOf writes files as a tar archive, sorted, directories first.
func tarOf(files []File) ([]byte, error) {
	byPath := map[string]File{}
	var addDirs func(string)
	addDirs = func(p string) {
		dir := path.Dir(p)
		if dir == "/" {
			return
		}
		if _, ok := byPath[dir]; !ok {
			byPath[dir] = File{Path: dir, Mode: fs.ModeDir | 0o755}
			addDirs(dir)
		}
	}
	for _, f := range files {
		f.Path = path.Clean("/" + f.Path)
		byPath[f.Path] = f
	}
	paths := make([]string, 0, len(byPath))
	for p := range byPath {
		paths = append(paths, p)
	}
	for _, p := range paths {
		addDirs(p)
	}
	paths = paths[:0]
	for p := range byPath {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, p := range paths {
		if err := writeFile(w, byPath[p]); err != nil {
			return nil, fmt.Errorf("pack %s: %w", p, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

func writeFile(w *tar.Writer, f File) error {
	h := &tar.Header{
		Name:    strings.TrimPrefix(f.Path, "/"),
		ModTime: time.Unix(0, 0),
		Uid:     f.UID, Gid: f.GID,
		Mode: int64(f.Mode.Perm()),
	}
	if f.Mode&fs.ModeSticky != 0 {
		h.Mode |= 0o1000
	}
	if f.Mode&fs.ModeSetuid != 0 {
		h.Mode |= 0o4000
	}
	data := f.Data
	switch {
	case f.Link != "":
		h.Typeflag, h.Linkname, h.Mode, data = tar.TypeSymlink, f.Link, 0o777, nil
	case f.Mode.IsDir():
		h.Typeflag, data = tar.TypeDir, nil
		h.Name += "/"
		if f.Mode.Perm() == 0 {
			h.Mode |= 0o755
		}
	default:
		h.Typeflag = tar.TypeReg
		if f.Source != "" {
			if f.Data != nil {
				return errors.New("both Data and Source are set")
			}
			info, err := os.Stat(f.Source)
			if err != nil {
				return err
			}
			if h.Mode == 0 {
				h.Mode = int64(info.Mode().Perm())
			}
			if data, err = os.ReadFile(f.Source); err != nil {
				return err
			}
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		h.Size = int64(len(data))
	}
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	_, err := w.Write(data)
	return err
}
