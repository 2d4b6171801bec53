//go:build linux

package containerd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	cgroups "github.com/containerd/cgroups/v3"

	"github.com/keelson-project/keelson/kubelet"
)

const (
	cgroupRoot = "/sys/fs/cgroup"
	// usageAge is how old a measure of a file system may be: it takes a walk.
	usageAge = 10 * time.Second
)

// Stats implements kubelet.StatsReader for all running containers.
func (r *Runtime) Stats(ctx context.Context) ([]kubelet.ContainerStats, error) {
	ctx = scope(ctx)
	type target struct {
		id, sandbox string
		rec         containerRecord
	}
	var targets []target
	r.mu.Lock()
	for id, c := range r.containers {
		if c.rec.State == kubelet.StateRunning {
			targets = append(targets, target{id, c.sb.id, c.rec})
		}
	}
	r.mu.Unlock()
	out := make([]kubelet.ContainerStats, 0, len(targets))
	for _, t := range targets {
		s := kubelet.ContainerStats{ContainerID: t.id, SandboxID: t.sandbox, Name: t.rec.Spec.Name, At: time.Now()}
		err := readCgroup(cgroups.Mode() == cgroups.Unified, t.rec.Cgroup, &s)
		if errors.Is(err, os.ErrNotExist) {
			continue // it has ended meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("measure container %s: %w", t.id, err)
		}
		s.RootfsUsed = r.usage.get(t.id, func() (uint64, error) {
			u, err := r.stores.snapshotter.Usage(ctx, t.id)
			return uint64(u.Size), err
		})
		s.LogsUsed = logSize(t.rec.Spec.LogPath)
		out = append(out, s)
	}
	return out, nil
}

// logSize is the size of a log with those rotated away, which lie beside it.
func logSize(path string) uint64 {
	if path == "" {
		return 0
	}
	files, err := filepath.Glob(path + "*")
	if err != nil {
		return 0
	}
	var sum uint64
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			sum += uint64(info.Size())
		}
	}
	return sum
}

// readCgroup fills in what a control group has counted.
func readCgroup(unified bool, path string, s *kubelet.ContainerStats) error {
	if unified {
		return readCgroup2(filepath.Join(cgroupRoot, path), s)
	}
	return readCgroup1(cgroupRoot, path, s)
}

func readCgroup2(dir string, s *kubelet.ContainerStats) error {
	cpu, err := readKeyed(filepath.Join(dir, "cpu.stat"))
	if err != nil {
		return err
	}
	s.CPU = time.Duration(cpu["usage_usec"]) * time.Microsecond
	if s.MemoryUsage, err = readNumber(filepath.Join(dir, "memory.current")); err != nil {
		return err
	}
	mem, err := readKeyed(filepath.Join(dir, "memory.stat"))
	if err != nil {
		return err
	}
	s.MemoryRSS = mem["anon"]
	s.MemoryWorkingSet = less(s.MemoryUsage, mem["inactive_file"])
	return nil
}

func readCgroup1(root, path string, s *kubelet.ContainerStats) error {
	ns, err := readNumber(filepath.Join(root, "cpuacct", path, "cpuacct.usage"))
	if err != nil {
		return err
	}
	s.CPU = time.Duration(ns)
	dir := filepath.Join(root, "memory", path)
	if s.MemoryUsage, err = readNumber(filepath.Join(dir, "memory.usage_in_bytes")); err != nil {
		return err
	}
	mem, err := readKeyed(filepath.Join(dir, "memory.stat"))
	if err != nil {
		return err
	}
	s.MemoryRSS = mem["total_rss"]
	s.MemoryWorkingSet = less(s.MemoryUsage, mem["total_inactive_file"])
	return nil
}

func less(a, b uint64) uint64 {
	if a < b {
		return 0
	}
	return a - b
}

// oomKilled reports whether the kernel has killed a process of the control
// group for want of memory.
func oomKilled(path string) bool {
	file := filepath.Join(cgroupRoot, "memory", path, "memory.oom_control")
	if cgroups.Mode() == cgroups.Unified {
		file = filepath.Join(cgroupRoot, path, "memory.events")
	}
	counts, err := readKeyed(file)
	return err == nil && counts["oom_kill"] > 0
}

func readNumber(path string) (uint64, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(data)), 10, 64)
}

// readKeyed reads a file of lines with a name and a number.
func readKeyed(path string) (map[string]uint64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out := map[string]uint64{}
	for sc := bufio.NewScanner(f); sc.Scan(); {
		name, value, _ := strings.Cut(sc.Text(), " ")
		if n, err := strconv.ParseUint(value, 10, 64); err == nil {
			out[name] = n
		}
	}
	return out, nil
}

// usageCache remembers for a while how much file systems hold.
type usageCache struct {
	mu    sync.Mutex
	known map[string]usage
}

type usage struct {
	bytes uint64
	at    time.Time
}

func newUsageCache() *usageCache { return &usageCache{known: map[string]usage{}} }

func (u *usageCache) get(id string, measure func() (uint64, error)) uint64 {
	u.mu.Lock()
	have := u.known[id]
	u.mu.Unlock()
	if time.Since(have.at) < usageAge {
		return have.bytes
	}
	bytes, err := measure()
	if err != nil {
		return have.bytes
	}
	u.mu.Lock()
	u.known[id] = usage{bytes, time.Now()}
	u.mu.Unlock()
	return bytes
}

func (u *usageCache) forget(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.known, id)
}
