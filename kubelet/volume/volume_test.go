package volume_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/keelson-project/keelson/kubelet/volume"
)

func write(t *testing.T, dir string, p volume.Payload) {
	t.Helper()
	if err := volume.Write(dir, p, nil); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestWriteReplacesAllAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "v")
	write(t, dir, volume.Payload{"a": {Data: []byte("1"), Mode: 0o640}, "sub/b": {Data: []byte("2"), Mode: 0o600}})
	if content(t, filepath.Join(dir, "a")) != "1" || content(t, filepath.Join(dir, "sub", "b")) != "2" {
		t.Fatal("the files do not hold what was written")
	}
	if info, err := os.Stat(filepath.Join(dir, "a")); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode of a: %v, %v", info.Mode(), err)
	}
	version, err := os.Readlink(filepath.Join(dir, "..data"))
	if err != nil {
		t.Fatal(err)
	}
	open, err := os.Open(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()

	write(t, dir, volume.Payload{"a": {Data: []byte("1"), Mode: 0o640}, "sub/b": {Data: []byte("2"), Mode: 0o600}})
	if same, _ := os.Readlink(filepath.Join(dir, "..data")); same != version {
		t.Error("an unchanged payload was written again")
	}
	write(t, dir, volume.Payload{"a": {Data: []byte("new"), Mode: 0o644}, "c": {Data: []byte("3"), Mode: 0o644}})
	if content(t, filepath.Join(dir, "a")) != "new" || content(t, filepath.Join(dir, "c")) != "3" {
		t.Error("the files do not hold what was written the second time")
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "..version-") {
			names = append(names, e.Name())
		}
	}
	if got := strings.Join(names, " "); got != "..data a c" || len(entries) != 4 {
		t.Errorf("the directory has %d entries, those with names are %q", len(entries), got)
	}
}

func TestWriteRefusesEscapes(t *testing.T) {
	for _, name := range []string{"../x", "/etc/x", "..data", "a/../../x", ""} {
		if err := volume.Write(t.TempDir(), volume.Payload{name: {}}, nil); err == nil {
			t.Errorf("a file at %q was written", name)
		}
	}
}

func TestKeys(t *testing.T) {
	data := map[string][]byte{"k": []byte("v"), "other": nil}
	items := []corev1.KeyToPath{{Key: "k", Path: "dir/file", Mode: new(int32(0o400))}}
	p, err := volume.Keys("config", data, items, 0o644, false)
	if err != nil || len(p) != 1 || string(p["dir/file"].Data) != "v" || p["dir/file"].Mode != 0o400 {
		t.Errorf("Keys = %v, %v", p, err)
	}
	items[0].Key = "missing"
	if _, err := volume.Keys("config", data, items, 0o644, false); err == nil {
		t.Error("a missing key was accepted")
	}
	if p, err := volume.Keys("config", data, items, 0o644, true); err != nil || len(p) != 0 {
		t.Errorf("an optional missing key: %v, %v", p, err)
	}
}

func TestHostPath(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	kind := func(k corev1.HostPathType) *corev1.HostPathType { return &k }
	for _, c := range []struct {
		path string
		kind corev1.HostPathType
		ok   bool
	}{
		{file, corev1.HostPathFile, false},
		{file, corev1.HostPathUnset, true},
		{file, corev1.HostPathFileOrCreate, true},
		{file, corev1.HostPathFile, true},
		{file, corev1.HostPathDirectory, false},
		{filepath.Join(dir, "a", "b"), corev1.HostPathFileOrCreate, false},
		{filepath.Join(dir, "a", "b"), corev1.HostPathDirectoryOrCreate, true},
		{filepath.Join(dir, "a"), corev1.HostPathDirectory, true},
		{file, corev1.HostPathSocket, false},
		{os.DevNull, corev1.HostPathCharDev, true},
		{os.DevNull, corev1.HostPathBlockDev, false},
	} {
		if err := volume.HostPath(c.path, kind(c.kind)); (err == nil) != c.ok {
			t.Errorf("HostPath(%s, %q) = %v", c.path, c.kind, err)
		}
	}
}
