package imagebuild_test

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/keelson-project/keelson/internal/imagebuild"
)

// listing is every entry of an image's file system.
func listing(t *testing.T, img v1.Image) []string {
	t.Helper()
	rc := mutate.Extract(img)
	defer rc.Close()
	var out []string
	for r := tar.NewReader(rc); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%c %o %s %s%s", h.Typeflag, h.Mode, h.Name, data, h.Linkname))
	}
}

func TestFromFiles(t *testing.T) {
	build := func() v1.Image {
		img, err := imagebuild.FromFiles([]imagebuild.File{
			{Path: "/b/c/file", Data: []byte("content")},
			{Path: "/b/link", Link: "c/file"},
			{Path: "/a", Data: []byte("x"), Mode: 0o755},
		}, imagebuild.Config{Cmd: []string{"/a"}, Env: []string{"A=1"}, ExposedPorts: []string{"80/tcp"}})
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	img := build()
	want := []string{"0 755 a x", "5 755 b/ ", "5 755 b/c/ ", "0 644 b/c/file content", "2 777 b/link c/file"}
	got := listing(t, img)
	for i := range got {
		got[i] = trimSlash(got[i])
	}
	for i := range want {
		want[i] = trimSlash(want[i])
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if file.OS != "linux" || file.Architecture == "" || file.Config.Cmd[0] != "/a" || len(file.RootFS.DiffIDs) != 1 {
		t.Errorf("%+v", file)
	}
	a, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	b, err := build().Digest()
	if err != nil || a != b {
		t.Errorf("the same files make %v and %v: %v", a, b, err)
	}
}

// trimSlash makes names of directories alike, however they are extracted.
func trimSlash(s string) string {
	for len(s) > 0 && (s[len(s)-1] == '/' || s[len(s)-1] == ' ') {
		s = s[:len(s)-1]
	}
	return s
}

func TestFromDirAndBinary(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "sub", "tool"), []byte("#!"), 0o755); err != nil {
		t.Fatal(err)
	}
	img, err := imagebuild.FromDir(dir, imagebuild.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if got := listing(t, img); len(got) != 2 || got[1] != "0 755 sub/tool #!" {
		t.Errorf("%q", got)
	}
	img, err = imagebuild.FromBinary(filepath.Join(dir, "sub", "tool"))
	if err != nil {
		t.Fatal(err)
	}
	file, err := img.ConfigFile()
	if err != nil || !slices.Equal(file.Config.Entrypoint, []string{"/tool"}) {
		t.Errorf("%+v, %v", file, err)
	}
	if _, err := imagebuild.FromBinary(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}
