package cgroup_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keelson-project/keelson/kubelet/cgroup"
)

func TestFigures(t *testing.T) {
	for milli, want := range map[int64]uint64{0: 2, 1: 2, 100: 102, 1000: 1024, 1 << 40: 262144} {
		if got := cgroup.Shares(milli); got != want {
			t.Errorf("Shares(%d) = %d, want %d", milli, got, want)
		}
	}
	for milli, want := range map[int64]int64{0: 0, 1: 1000, 500: 50000, 2000: 200000} {
		if got := cgroup.Quota(milli); got != want {
			t.Errorf("Quota(%d) = %d, want %d", milli, got, want)
		}
	}
	for shares, want := range map[uint64]uint64{0: 0, 2: 1, 1024: 39, 262144: 10000} {
		if got := cgroup.Weight(shares); got != want {
			t.Errorf("Weight(%d) = %d, want %d", shares, got, want)
		}
	}
}

func TestPath(t *testing.T) {
	for class, want := range map[string]string{
		"guaranteed": "/kubepods/podx", "burstable": "/kubepods/burstable/podx", "besteffort": "/kubepods/besteffort/podx",
	} {
		if got := (cgroup.Pod{UID: "x", Class: class}).Path(); got != want {
			t.Errorf("%s: %s, want %s", class, got, want)
		}
	}
}

// TestUnified works on plain directories: what version 2 looks like, without
// the kernel behind it.
func TestUnified(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "cgroup.controllers"), []byte("cpu memory\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	pod := cgroup.Pod{UID: "x", Class: "guaranteed", Shares: 1024, Quota: 50000, Memory: 1 << 20}
	if err := os.MkdirAll(filepath.Join(root, pod.Path()), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"kubepods", pod.Path()} { // as the kernel would
		if err := os.WriteFile(filepath.Join(root, dir, "cgroup.controllers"), []byte("cpu memory\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m := cgroup.New(root, "")
	if err := m.Make(pod); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{"cpu.weight": "39", "cpu.max": "50000 100000", "memory.max": "1048576"} {
		data, err := os.ReadFile(filepath.Join(root, pod.Path(), file))
		if err != nil || strings.TrimSpace(string(data)) != want {
			t.Errorf("%s is %q, %v; want %q", file, data, err, want)
		}
	}
}

func TestPruneAndRemove(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "cgroup.controllers"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	keep, drop := cgroup.Pod{UID: "keep", Class: "burstable"}, cgroup.Pod{UID: "drop", Class: "burstable"}
	for _, p := range []cgroup.Pod{keep, drop} {
		if err := os.MkdirAll(filepath.Join(root, p.Path(), "container"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m := cgroup.New(root, "")
	if err := m.Prune(func(uid string) bool { return uid == "keep" }); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, drop.Path())); !os.IsNotExist(err) {
		t.Errorf("the dropped one: %v", err)
	}
	if _, err := os.Stat(filepath.Join(root, keep.Path())); err != nil {
		t.Errorf("the kept one: %v", err)
	}
	for range 2 {
		if err := m.Remove(keep); err != nil {
			t.Errorf("Remove: %v", err)
		}
	}
}

// With version 1 the runtime makes cgroups in hierarchies that have no limits.
func TestRemoveAllV1(t *testing.T) {
	root := t.TempDir()
	m := cgroup.New(root, "mine")
	pod := cgroup.Pod{UID: "a"}
	hierarchies := []string{"memory", "systemd", "unified"}
	for _, h := range hierarchies {
		for _, path := range []string{m.Path(pod), "others"} {
			if err := os.MkdirAll(filepath.Join(root, h, path), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := m.RemoveAll(); err != nil {
		t.Fatal(err)
	}
	for _, h := range hierarchies {
		if _, err := os.Stat(filepath.Join(root, h, "mine")); !os.IsNotExist(err) {
			t.Errorf("in hierarchy %s: %v", h, err)
		}
		if _, err := os.Stat(filepath.Join(root, h, "others")); err != nil {
			t.Errorf("what is not ours: %v", err)
		}
	}
}
